#pragma once

// Parts of a column's JSON that several reports have.

#include <optional>

#include "report/json.h"
#include "visionpress/evaluate.h"

namespace visionpress {

/// {"points", "low", "high"}, or null.
[[nodiscard]] JsonValue difference_json(const std::optional<Difference>& difference);
/// One object per tag of the column.
[[nodiscard]] JsonValue tags_json(const ModelScore& model);

}  // namespace visionpress
