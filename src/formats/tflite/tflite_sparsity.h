#pragma once

// Sparse constants, which store the values that are not 0 and their places; DENSIFY unpacks them.

#include <vector>

#include "base/bytes.h"
#include "tflite_schema_generated.h"
#include "visionpress/result.h"

namespace visionpress::tflite {

/// All values of a sparse constant of float32, float16 or int8 (as whole numbers), row-major.
/// tensor: with `sparsity`; payload: its buffer. errors: Malformed, without the tensor's path, for
/// a description that does not fit the shape or the payload; Unsupported for other types. cost:
/// allocates the dense values, at most 2^26. source:
/// tensorflow/compiler/mlir/lite/kernels/internal/utils/sparsity_format_converter.cc.
[[nodiscard]] Result<std::vector<float>> densify(const tfl::Tensor& tensor, Bytes payload);

}  // namespace visionpress::tflite
