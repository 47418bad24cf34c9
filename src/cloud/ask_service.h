#pragma once

// Asks a published or default iteration about many images, and keeps its answers so that none is
// asked (and paid for) twice.

#include <string>
#include <vector>

#include "cloud/custom_vision_prediction.h"
#include "eval/dataset.h"
#include "eval/predictions.h"
#include "visionpress/cloud.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// The service's answers: one list per image.
using Answers = std::vector<std::vector<CloudDetection>>;

/// All answers in the form that `evaluate` scores. Tags that the data set lacks are left out.
/// answers: one entry per image of the data set. errors: as map_labels.
[[nodiscard]] Result<Predictions> make_predictions(const Dataset& dataset, Task task,
                                                   const Answers& answers,
                                                   Diagnostics& diagnostics);

/// Sends the images, or those of options.data, to the service. An interrupted call resumes: the
/// answers that it got stand next to options.save_predictions.
/// errors: as cloud_predict.
[[nodiscard]] Result<PredictResult> ask_service(const CloudAccess& access,
                                                const std::vector<std::string>& images,
                                                const CloudPredictOptions& options,
                                                const Progress& progress);

}  // namespace visionpress
