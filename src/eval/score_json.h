#pragma once

// The figures of a column as JSON, for stores that read them back to the last bit.

#include <nlohmann/json_fwd.hpp>

#include "visionpress/evaluate.h"

namespace visionpress {

/// {"ap", "ap50", "top1", "tags": [{"tag", "truth", "true_positives", ...}]}; null where there is
/// no figure.
[[nodiscard]] nlohmann::ordered_json figures_json(const ModelScore& score);
/// Sets the same fields; what is missing or of another type stays empty.
void read_figures(const nlohmann::ordered_json& json, ModelScore& score);

}  // namespace visionpress
