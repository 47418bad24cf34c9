#pragma once

// Calibrates the plan of a model with a user's pictures.
//
//   VP_ASSIGN_OR_RETURN(const ModelRunner runner, ModelRunner::create(path, {}));
//   VP_ASSIGN_OR_RETURN(auto paths, list_calibration_pictures({.images = "photos"}));
//   VP_ASSIGN_OR_RETURN(const CalibrationSet set,
//                       load_calibration(runner, paths, options, threads, warnings));
//   VP_ASSIGN_OR_RETURN(CalibrationSummary done,
//                       calibrate_plan(runner, set, options, press, plan, warnings));

#include <string>
#include <vector>

#include "infer/calibration_pictures.h"
#include "infer/model_runner.h"
#include "press/plan.h"
#include "visionpress/calibration.h"
#include "visionpress/result.h"

namespace visionpress {

/// Gives the plan's kernels codes that the pictures choose.
/// runner: of the model that is planned.  set: of load_calibration.  options: seed and progress.
/// warnings: gains layers that the pictures say nothing about.
/// errors: of `calibrate`.
[[nodiscard]] Result<CalibrationSummary> calibrate_plan(const ModelRunner& runner,
                                                        const CalibrationSet& set,
                                                        const CalibrationOptions& options,
                                                        const PressOptions& press, Plan& plan,
                                                        std::vector<std::string>& warnings);

}  // namespace visionpress
