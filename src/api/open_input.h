#pragma once

// How commands open the models that they are given.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/open_model.h"
#include "visionpress/evaluate.h"
#include "visionpress/model.h"
#include "visionpress/result.h"

namespace visionpress {

/// open_model, and a warning of weights that hold NaN or infinity: a pass over all values.
/// errors: as open_model.
[[nodiscard]] Result<OpenedModel> open_input(const std::string& path,
                                             const ReadOptions& options = {});

/// What of the preprocessing decides how the model is read.
[[nodiscard]] ReadOptions read_options(const PreprocessOptions& preprocess);
/// input_size: width and height, as options of the API have it.
[[nodiscard]] ReadOptions read_options(const std::optional<std::array<std::int64_t, 2>>& input_size,
                                       const std::vector<InputSetting>& settings = {});

/// For a file of the model alone: says which labels of its package are no part of it.
void warn_of_package(const OpenedModel& model, std::vector<std::string>& warnings);

}  // namespace visionpress
