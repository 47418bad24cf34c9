#pragma once

// Values that several reports show.

#include <optional>
#include <string>

#include "report/json.h"
#include "visionpress/evaluate.h"

namespace visionpress {

/// {"points", "low", "high"}, or null.
[[nodiscard]] JsonValue difference_json(const std::optional<Difference>& difference);
/// A change (FormChange::change) as a signal to noise ratio in dB: "20.0", "exact" or "lost".
[[nodiscard]] std::string format_change(double change);
/// The change as a number, or null for an infinite one.
[[nodiscard]] JsonValue change_json(double change);
/// One object per tag of the column.
[[nodiscard]] JsonValue tags_json(const ModelScore& model);

}  // namespace visionpress
