#pragma once

#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {

/// Takes x along `axis` at each index. A run keeps tensors of four axes as N,H,W,C, in which it
/// does not gather, so axes of size 1 are added meanwhile where an operand or the result has four.
[[nodiscard]] Result<Value> gather_along(NodeLowering& node, Value& x, Value& indices, int axis);

/// A rank-4 value with an axis of size 1 in front, whose elements a run keeps in the graph's order;
/// other values as they are. added: whether the axis was added.
[[nodiscard]] Result<Value> leave_image_order(NodeLowering& node, Value& x, bool& added);

/// Whole numbers as a constant vector.
[[nodiscard]] Value make_indices(const std::vector<std::int64_t>& indices);

}  // namespace visionpress::onnx
