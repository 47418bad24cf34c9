#pragma once

// The online column of an experiment: a service's answers for the images of a data set.

#include <cstddef>
#include <string>

#include "eval/dataset.h"
#include "eval/predictions.h"
#include "visionpress/experiment.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Sends the first `count` images of a data set (0: all) to the service and saves its answers.
/// dataset: loaded with these options; images that were left out of it are not sent. predictions:
/// the file for the answers; replaced where it is there. errors: as ask_service.
[[nodiscard]] Result<PredictResult> ask_about_data(
    const OnlineService& service, const Dataset& dataset, const EvaluateOptions& options,
    std::size_t count, const std::string& predictions, const Progress& progress);

/// Sends the first image again, with at most one retry: another model may have been published under
/// the same name since.
/// before: the answers of an earlier call. scratch: a file for the new answer, removed at the end.
/// returns: whether it is the same, apart from the noise of arithmetic. errors: as ask_service.
[[nodiscard]] Result<bool> answers_as_before(const OnlineService& service, const Dataset& dataset,
                                             const EvaluateOptions& options,
                                             const Predictions& before, const std::string& scratch,
                                             const Progress& progress);

}  // namespace visionpress
