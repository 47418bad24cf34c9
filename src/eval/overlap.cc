#include "eval/overlap.h"

#include "eval/rectangle.h"

namespace visionpress {

double box_overlap(const Detection& detection, const TruthBox& truth) {
  const Rectangle found = rectangle_of(detection);
  if (!truth.crowd) return overlap_of(found, rectangle_of(truth));
  const double shared = shared_area(found, rectangle_of(truth));
  return shared == 0.0 ? 0.0 : shared / area_of(found);
}

}  // namespace visionpress
