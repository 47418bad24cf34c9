#pragma once

#include <string>

#include "eval/column_plan.h"
#include "formats/open_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// The facts of an export for the columns of an experiment; `family` is the format's name and
/// `schemes` is empty. labels: as in find_labels. errors: as load_labels; Io.
[[nodiscard]] Result<ExportFacts> describe_export(const OpenedModel& model, const std::string& path,
                                                  const std::string& labels);

}  // namespace visionpress
