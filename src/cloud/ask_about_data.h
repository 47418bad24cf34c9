#pragma once

#include <cstddef>
#include <string>

#include "eval/dataset.h"
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

/// Sends the first image alone, with at most one retry: asks whether the service still answers as
/// it did. The rest as for ask_about_data.
[[nodiscard]] Result<PredictResult> ask_about_first(const OnlineService& service,
                                                    const Dataset& dataset,
                                                    const EvaluateOptions& options,
                                                    const std::string& predictions,
                                                    const Progress& progress);

}  // namespace visionpress
