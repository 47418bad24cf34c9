#pragma once

// Precision and recall of boxes at one probability and one overlap.

#include <span>
#include <vector>

#include "eval/dataset.h"
#include "eval/detection.h"
#include "visionpress/evaluate.h"

namespace visionpress {

struct ThresholdOptions {
  Metric metric = Metric::Standard;
  double probability = 0.4;  ///< detections that score above it count
  double iou = 0.25;         ///< standard: overlap of at least this is a match
};

/// One entry a tag: truth, true_positives, predicted, precision, recall; no AP.
/// detections: one list an image of `dataset`, in its pixels.
/// Standard: by descending score, each detection takes the truth of its tag that it overlaps most
/// among those left; every other detection is false, whatever the image. Crowds are no truth, and a
/// detection that only a crowd covers does not count. precision is empty without detections, recall
/// without truth. Legacy: see count_legacy in the source; precision is 0 where the original's was.
[[nodiscard]] std::vector<TagScore> score_at_threshold(const Dataset& dataset,
                                                       std::span<const Detections> detections,
                                                       const ThresholdOptions& options);

}  // namespace visionpress
