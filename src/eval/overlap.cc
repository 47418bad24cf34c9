#include "eval/overlap.h"

#include <algorithm>

namespace visionpress {

double box_overlap(const Detection& detection, const TruthBox& truth) {
  const double width = std::min(detection.width + detection.x, truth.width + truth.x) -
                       std::max(detection.x, truth.x);
  if (width <= 0.0) return 0.0;
  const double height = std::min(detection.height + detection.y, truth.height + truth.y) -
                        std::max(detection.y, truth.y);
  if (height <= 0.0) return 0.0;
  const double shared = width * height;
  const double own = detection.width * detection.height;
  return shared / (truth.crowd ? own : own + truth.width * truth.height - shared);
}

}  // namespace visionpress
