#pragma once

// Everything that decides what a column holds. A stored column is used again while its key is the
// same.

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "eval/column_plan.h"
#include "eval/dataset.h"
#include "visionpress/experiment.h"
#include "visionpress/result.h"

namespace visionpress {

/// The data set by its content: names, sizes and times of its images, and its file. data: the file
/// or folder. errors: Io.
[[nodiscard]] Result<nlohmann::ordered_json> describe_data(const Dataset& dataset,
                                                           const std::string& data);

/// Everything that decides what a model answers, apart from the model and the images.
[[nodiscard]] nlohmann::ordered_json describe_run(const EvaluateOptions& options);

/// program: the version that makes the column. data: of describe_data. errors: Io.
[[nodiscard]] Result<nlohmann::ordered_json> make_column_key(const PlannedColumn& planned,
                                                             const ExperimentOptions& options,
                                                             const std::string& program,
                                                             const nlohmann::ordered_json& data);

}  // namespace visionpress
