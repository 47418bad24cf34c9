#pragma once

// What model files are called. What they are, their content says: formats/format_table.h.

#include <string_view>

namespace visionpress {

/// "model.tflite": a name that the model of an export package may have.
[[nodiscard]] bool is_exported_model_name(std::string_view name);

/// "MODEL.H5": a name that a model of any program has, in letters of any case.
[[nodiscard]] bool is_model_name(std::string_view name);

}  // namespace visionpress
