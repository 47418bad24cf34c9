#pragma once

#include "eval/dataset.h"
#include "eval/detection.h"

namespace visionpress {

/// Intersection over union of two boxes in the same unit; with a crowd, intersection over the
/// detection's own area. Operation for operation pycocotools' bbIou.
[[nodiscard]] double box_overlap(const Detection& detection, const TruthBox& truth);

}  // namespace visionpress
