#pragma once

// The sensitivity of a model's weights on a user's pictures.

#include <vector>

#include "calibrate/weight_sensitivity.h"
#include "infer/calibration_pictures.h"
#include "infer/model_runner.h"
#include "press/press_options.h"
#include "visionpress/sensitivity.h"

namespace visionpress {

/// What `fit` tries where bytes of the download count: 8 bits with noise traded for them.
/// packs_codes: the file can also hold codes of fewer bits.
[[nodiscard]] std::vector<std::string> list_download_forms(bool packs_codes);

/// errors: of choose_wish.
[[nodiscard]] Result<std::vector<FormWish>> choose_sensitivity_forms(
    const std::vector<std::string>& names);

/// What a report says of the model: its file's name, bytes, hash and warnings. errors: Io.
[[nodiscard]] Result<SensitivityResult> describe_model(const ModelRunner& runner,
                                                       const std::string& input);

/// The weights with their names, for reports and for a later `fit`.
[[nodiscard]] std::vector<WeightChange> describe_weights(
    const Graph& graph, const std::vector<WeightSensitivity>& weights);

}  // namespace visionpress
