#pragma once

#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {

/// The product of two tensors as NumPy's matmul gives it.
[[nodiscard]] Result<Value> multiply(NodeLowering& node, Value& a, Value& b);

}  // namespace visionpress::onnx
