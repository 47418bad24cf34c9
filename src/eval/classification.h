#pragma once

// Top-1 of classifiers, over whole images or boxes cut out of them.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/dataset.h"
#include "eval/draws.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// One answered picture.
struct ClassSample {
  std::uint32_t image = 0;  ///< index into Dataset::images
  int truth = 0;            ///< tag
  int predicted = -1;       ///< tag, or -1 for a class that is no tag of the data set
  double score = 0.0;
  int class_index = -1;  ///< of the model's own classes; -1: NaN alone, or a file of predictions
};

/// One entry a tag: truth, true_positives, predicted, precision, recall.
[[nodiscard]] std::vector<TagScore> score_classes(const Dataset& dataset,
                                                  std::span<const ClassSample> samples);

/// Share of right answers; empty without samples.
[[nodiscard]] std::optional<double> score_top1(std::span<const ClassSample> samples);
/// The same for draws of images.
[[nodiscard]] DrawScores draw_top1(std::span<const ClassSample> samples, const Draws& draws);

/// Index of the greatest value; NaN never wins, the first of equals does, -1 when there is none.
[[nodiscard]] int find_top1(std::span<const float> values);

/// For each label of a model its tag in the data set, or -1: by name, case and outer blanks
/// ignored. errors: Malformed when no label is a tag, naming some of both.
[[nodiscard]] Result<std::vector<int>> map_labels(std::span<const std::string> labels,
                                                  const Dataset& dataset, Diagnostics& diagnostics);

}  // namespace visionpress
