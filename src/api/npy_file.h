#pragma once

#include <span>
#include <string>

#include "base/output_file.h"
#include "model/tensor.h"
#include "visionpress/result.h"

namespace visionpress {

/// Writes float32 values as a NumPy array file, row-major. errors: Output.
/// source: NumPy enhancement proposal 1, format version 1.0.
[[nodiscard]] Result<void> write_npy(const std::string& path, const Shape& shape,
                                     std::span<const float> values, Overwrite overwrite);

}  // namespace visionpress
