#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/output_file.h"
#include "model/output_view.h"
#include "model/tensor.h"
#include "visionpress/result.h"

namespace visionpress {

/// Writes float32 values as a NumPy array file, row-major. errors: Output.
/// source: NumPy enhancement proposal 1, format version 1.0.
[[nodiscard]] Result<void> write_npy(const std::string& path, const Shape& shape,
                                     std::span<const float> values, Overwrite overwrite);

/// Writes each output of a network; several outputs of NAME.npy become NAME.0.npy, NAME.1.npy ...
/// errors: as write_npy.
[[nodiscard]] Result<void> write_npy_files(const std::string& path,
                                           const std::vector<OutputView>& outputs,
                                           Overwrite overwrite);

}  // namespace visionpress
