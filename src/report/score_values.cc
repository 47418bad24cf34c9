#include "report/score_values.h"

namespace visionpress {

JsonValue difference_json(const std::optional<Difference>& difference) {
  if (!difference) return nullptr;
  return {{"points", difference->points},
          {"low", number_json(difference->low)},
          {"high", number_json(difference->high)}};
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
