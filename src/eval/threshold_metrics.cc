#include "eval/threshold_metrics.h"

#include <algorithm>
#include <functional>

#include "eval/overlap.h"

namespace visionpress {
namespace {

/// Detections of one tag above the threshold, best first.
std::vector<const Detection*> find_confident(const Detections& detections, int tag,
                                             double probability) {
  std::vector<const Detection*> confident;
  for (const Detection& detection : detections) {
    if (detection.tag == tag && detection.score > probability) confident.push_back(&detection);
  }
  std::ranges::stable_sort(confident, std::ranges::greater{},
                           [](const Detection* d) { return d->score; });
  return confident;
}

std::vector<const TruthBox*> find_truths(const DatasetImage& image, int tag) {
  std::vector<const TruthBox*> truths;
  for (const TruthBox& truth : image.truths) {
    if (truth.tag == tag) truths.push_back(&truth);
  }
  return truths;
}

void count_standard(const DatasetImage& image, const std::vector<const Detection*>& confident,
                    int tag, double iou, TagScore& score) {
  std::vector<const TruthBox*> crowds = find_truths(image, tag);
  std::vector<const TruthBox*> left = crowds;
  std::erase_if(crowds, [](const TruthBox* truth) { return !truth->crowd; });
  std::erase_if(left, [](const TruthBox* truth) { return truth->crowd; });
  score.truth += left.size();
  for (const Detection* detection : confident) {
    const auto best = std::ranges::max_element(
        left, {}, [&](const TruthBox* truth) { return box_overlap(*detection, *truth); });
    if (best != left.end() && box_overlap(*detection, **best) >= iou) {
      ++score.true_positives;
      left.erase(best);
    } else if (std::ranges::any_of(crowds, [&](const TruthBox* truth) {
                 return box_overlap(*detection, *truth) >= iou;
               })) {
      continue;
    }
    ++score.predicted;
  }
}

// The original project kept, for each truth, the confident predictions of its tag whose overlap is
// *below* the threshold. A truth with at least one of them was "found", all of them were
// "predicted", and predictions in images without the tag were never seen. An image stood in the
// list of each of its tags, and the lists were joined, so it counts once for each.
void count_legacy(const DatasetImage& image, const std::vector<const Detection*>& confident,
                  int tag, const ThresholdOptions& options, TagScore& score) {
  const bool flipped = options.metric == Metric::LegacyFlipped;
  for (const TruthBox* truth : find_truths(image, tag)) {
    const auto kept =
        static_cast<std::size_t>(std::ranges::count_if(confident, [&](const Detection* detection) {
          return (box_overlap(*detection, *truth) < options.iou) != flipped;
        }));
    score.truth += image.listings;
    score.predicted += kept * image.listings;
    if (kept > 0) score.true_positives += image.listings;
  }
}

std::optional<double> share(std::size_t part, std::size_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<TagScore> score_at_threshold(const Dataset& dataset,
                                         std::span<const Detections> detections,
                                         const ThresholdOptions& options) {
  std::vector<TagScore> scores(dataset.tags.size());
  for (std::size_t t = 0; t < scores.size(); ++t) {
    TagScore& score = scores[t];
    const int tag = static_cast<int>(t);
    score.tag = dataset.tags[t];
    for (std::size_t i = 0; i < dataset.images.size(); ++i) {
      const auto confident = find_confident(detections[i], tag, options.probability);
      if (options.metric == Metric::Standard) {
        count_standard(dataset.images[i], confident, tag, options.iou, score);
      } else {
        count_legacy(dataset.images[i], confident, tag, options, score);
      }
    }
    score.recall = share(score.true_positives, score.truth);
    score.precision = share(score.true_positives, score.predicted);
    if (options.metric != Metric::Standard && !score.precision) score.precision = 0.0;
  }
  return scores;
}

}  // namespace visionpress
