#pragma once

// How far two models agree on the same pictures, whatever is on them: no labels are needed.

#include <cstdint>
#include <optional>
#include <vector>

#include "eval/coco_ap.h"
#include "eval/dataset.h"
#include "eval/draws.h"
#include "eval/predictions.h"

namespace visionpress {

/// Boxes of the original above it are the truth. A choice: what an app would show.
constexpr double kAgreementTruth = 0.3;
/// Boxes of the other file count above it.
constexpr float kAgreementLeast = 0.005F;

/// The answers of one file beside those of the original: all that is needed to score any resample
/// of the images.
struct AgreementMatches {
  struct Answer {
    std::uint32_t image = 0;
    bool is_same = false;
  };
  ApMatches boxes = {};              ///< detection
  std::vector<Answer> answers = {};  ///< classification: one per picture or crop
};

/// Compares once. original, other: of one task, over the images of `dataset`.
/// Detection: the original's boxes above kAgreementTruth are matched as true boxes.
/// Classification: the k-th answers for an image belong together; pictures that one of both does
/// not answer do not count. Answers are the same if the classes' numbers are; for files of
/// predictions, which have none, if the tags are. NaN is never the same.
[[nodiscard]] AgreementMatches match_answers(const Predictions& original, const Predictions& other,
                                             const Dataset& dataset, int threads = 1);

/// Detection: AP50, mean over the tags of which the original has boxes. Classification: the share
/// of the same answers. returns: 0..1; nothing where the original has no such box or no answer.
[[nodiscard]] DrawScores draw_agreement(const AgreementMatches& matches, const Draws& draws);

/// Both steps for the images as they are, once each.
[[nodiscard]] std::optional<double> measure_agreement(const Predictions& original,
                                                      const Predictions& other,
                                                      const Dataset& dataset);

}  // namespace visionpress
