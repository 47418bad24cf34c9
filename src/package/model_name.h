#pragma once

// Names of model files. Only the content says which format a file has: formats/format_table.h.

#include <string_view>

namespace visionpress {

/// "model.tflite": Whether the model of an export package may have this name.
[[nodiscard]] bool is_exported_model_name(std::string_view name);

/// "MODEL.H5": Whether a model of any program may have this name, in upper or lower case.
[[nodiscard]] bool is_model_name(std::string_view name);

}  // namespace visionpress
