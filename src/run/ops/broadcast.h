#pragma once

// NumPy's broadcasting. Shapes are given in physical order but are aligned from the right in the
// graph's own order, for example N,C,H,W.

#include "model/graph.h"
#include "run/ops/strided.h"
#include "visionpress/result.h"

namespace visionpress {

/// Strides for reading a dense tensor of shape `dims` as shape `out`: zero along the axes that are
/// repeated.
[[nodiscard]] Strides broadcast_strides(const Shape& dims, const Shape& out, Layout layout);

/// `dims` with axes of size 1 added up to `rank`, without reordering elements: next to a tensor of
/// four axes, the channels [C,1,1] become [1,1,1,C].
[[nodiscard]] Shape widen(const Shape& dims, std::size_t rank, Layout layout);

}  // namespace visionpress
