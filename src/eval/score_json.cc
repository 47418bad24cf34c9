#include "eval/score_json.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "base/json_text.h"

namespace visionpress {
namespace {

using Json = nlohmann::ordered_json;

std::size_t count_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::size_t>() : 0;
}

}  // namespace

Json figures_json(const ModelScore& score) {
  Json tags = Json::array();
  for (const TagScore& tag : score.tags) {
    tags.push_back({{"tag", tag.tag},
                    {"truth", tag.truth},
                    {"true_positives", tag.true_positives},
                    {"predicted", tag.predicted},
                    {"precision", or_null<Json>(tag.precision)},
                    {"recall", or_null<Json>(tag.recall)},
                    {"ap", or_null<Json>(tag.ap)},
                    {"ap50", or_null<Json>(tag.ap50)}});
  }
  return {{"ap", or_null<Json>(score.ap)},
          {"ap50", or_null<Json>(score.ap50)},
          {"top1", or_null<Json>(score.top1)},
          {"tags", std::move(tags)}};
}

void read_figures(const Json& json, ModelScore& score) {
  score.ap = number_at(json, "ap");
  score.ap50 = number_at(json, "ap50");
  score.top1 = number_at(json, "top1");
  const auto tags = json.find("tags");
  if (tags == json.end() || !tags->is_array()) return;
  for (const Json& tag : *tags) {
    if (!tag.is_object()) continue;
    score.tags.push_back({.tag = text_at(tag, "tag"),
                          .truth = count_at(tag, "truth"),
                          .true_positives = count_at(tag, "true_positives"),
                          .predicted = count_at(tag, "predicted"),
                          .precision = number_at(tag, "precision"),
                          .recall = number_at(tag, "recall"),
                          .ap = number_at(tag, "ap"),
                          .ap50 = number_at(tag, "ap50")});
  }
}

}  // namespace visionpress
