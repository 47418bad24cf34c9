#pragma once

// NumPy's rule for operands of different shapes. Shapes are physical; they align from the right in
// the graph's own order, N,C,H,W where that is the layout.

#include "model/graph.h"
#include "run/ops/strided.h"
#include "visionpress/result.h"

namespace visionpress {

/// Strides of dense `dims` seen in the shape `out`: zero along the axes that are repeated.
[[nodiscard]] Strides broadcast_strides(const Shape& dims, const Shape& out, Layout layout);

/// `dims` with as many axes as `rank`, where its elements lie in the same order with them: the
/// channels [C,1,1] beside a tensor of four axes are [1,1,1,C].
[[nodiscard]] Shape widen(const Shape& dims, std::size_t rank, Layout layout);

}  // namespace visionpress
