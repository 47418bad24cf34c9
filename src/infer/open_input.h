#pragma once

// Opens the models that commands are given.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/open_model.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Calls open_model and warns of weights that hold NaN or infinity. cost: one pass over all values.
/// errors: as open_model.
[[nodiscard]] Result<OpenedModel> open_input(const std::string& path,
                                             const ReadOptions& options = {});

/// The part of the preprocessing options that affects how the model is read.
[[nodiscard]] ReadOptions read_options(const PreprocessOptions& preprocess);
/// input_size: width and height, as in the options of the API.
[[nodiscard]] ReadOptions read_options(const std::optional<std::array<std::int64_t, 2>>& input_size,
                                       const std::vector<InputSetting>& settings = {});

/// For a command that writes only the model: warns that labels of its package are not part of the
/// new file.
void warn_of_package(const OpenedModel& model, std::vector<std::string>& warnings);

}  // namespace visionpress
