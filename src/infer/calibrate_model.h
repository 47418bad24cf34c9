#pragma once

// Calibrates the plan of a model with the pictures that a user names.
//
//   VP_ASSIGN_OR_RETURN(const ModelRunner runner, ModelRunner::create(path, {}));
//   VP_ASSIGN_OR_RETURN(CalibrationSummary done,
//                       calibrate_plan(runner, {.images = "photos"}, press, plan, warnings));

#include <string>
#include <vector>

#include "infer/model_runner.h"
#include "press/plan.h"
#include "visionpress/calibration.h"
#include "visionpress/result.h"

namespace visionpress {

/// Gives the plan's kernels codes that the pictures choose.
/// runner: of the model that is planned.  warnings: gains layers that the pictures say nothing
/// about, and pictures that do not fit into memory.
/// errors: Io for a folder without pictures; of the data set's reader, of the decoder and of
/// `calibrate`, naming the file.
[[nodiscard]] Result<CalibrationSummary> calibrate_plan(const ModelRunner& runner,
                                                        const CalibrationOptions& options,
                                                        const PressOptions& press, Plan& plan,
                                                        std::vector<std::string>& warnings);

}  // namespace visionpress
