#pragma once

// NumPy's rule for operands of different shapes.

#include "run/ops/strided.h"
#include "visionpress/result.h"

namespace visionpress {

/// The shape that both operands are spread over. errors: Malformed when they do not combine.
[[nodiscard]] Result<Shape> broadcast(const Shape& a, const Shape& b);

/// Strides of dense `dims` seen in the shape `out`: zero along the axes that are repeated.
[[nodiscard]] Strides broadcast_strides(const Shape& dims, const Shape& out);

}  // namespace visionpress
