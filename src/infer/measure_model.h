#pragma once

// The sensitivity of a model's weights on a user's pictures.

#include <vector>

#include "calibrate/weight_sensitivity.h"
#include "infer/calibration_pictures.h"
#include "infer/model_runner.h"
#include "press/press_options.h"
#include "visionpress/sensitivity.h"

namespace visionpress {

/// errors: Usage for a name that is not offered, or that has more than 8 bits.
[[nodiscard]] Result<std::vector<Form>> choose_sensitivity_forms(
    const std::vector<std::string>& names);

/// The weights with their names, for reports and for a later `fit`.
[[nodiscard]] std::vector<WeightChange> describe_weights(
    const Graph& graph, const std::vector<WeightSensitivity>& weights);

}  // namespace visionpress
