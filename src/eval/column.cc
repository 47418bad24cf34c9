#include "eval/column.h"

#include "eval/classification.h"

namespace visionpress {

std::optional<double> main_score(const ModelScore& model) {
  return model.ap ? model.ap : model.top1;
}

std::optional<double> resample_score(const Column& column, std::span<const std::uint32_t> weights) {
  return column.predictions.task == Task::Detection
             ? score_mean_ap(column.matches, weights).ap
             : score_top1(column.predictions.classes, weights);
}

}  // namespace visionpress
