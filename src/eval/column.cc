#include "eval/column.h"

#include "eval/classification.h"

namespace visionpress {

std::optional<double> main_score(const ModelScore& model) {
  return model.ap ? model.ap : model.top1;
}

DrawScores draw_main_score(const Column& column, const Draws& draws) {
  return column.predictions.task == Task::Detection ? draw_mean_ap(column.matches, draws)
                                                    : draw_top1(column.predictions.classes, draws);
}

}  // namespace visionpress
