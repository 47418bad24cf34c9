#include "report/score_values.h"

#include <cmath>

#include <fmt/format.h>

namespace visionpress {

JsonValue difference_json(const std::optional<Difference>& difference) {
  if (!difference) return nullptr;
  return {{"points", difference->points},
          {"low", number_json(difference->low)},
          {"high", number_json(difference->high)}};
}

std::string format_change(double change) {
  if (change <= 0.0) return "exact";
  return std::isinf(change) ? "lost" : fmt::format("{:.1f}", -10.0 * std::log10(change));
}

JsonValue change_json(double change) {
  return std::isfinite(change) ? JsonValue(change) : JsonValue(nullptr);
}

JsonValue tags_json(const ModelScore& model) {
  JsonValue tags = JsonValue::array();
  for (const TagScore& tag : model.tags) {
    tags.push_back({{"tag", tag.tag},
                    {"truth", tag.truth},
                    {"true_positives", tag.true_positives},
                    {"predicted", tag.predicted},
                    {"precision", number_json(tag.precision)},
                    {"recall", number_json(tag.recall)},
                    {"ap", number_json(tag.ap)},
                    {"ap50", number_json(tag.ap50)}});
  }
  return tags;
}

}  // namespace visionpress
