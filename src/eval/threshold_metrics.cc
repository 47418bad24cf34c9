#include "eval/threshold_metrics.h"

#include <algorithm>
#include <span>
#include <vector>

#include "eval/overlap.h"

namespace visionpress {
namespace {

using DetectionSpan = std::span<const Detection* const>;

/// Detections above the threshold, by tag, then best first.
std::vector<const Detection*> find_confident(const Detections& detections, double probability) {
  std::vector<const Detection*> confident;
  for (const Detection& detection : detections) {
    if (detection.score > probability) confident.push_back(&detection);
  }
  std::ranges::stable_sort(confident, [](const Detection* a, const Detection* b) {
    return a->tag != b->tag ? a->tag < b->tag : a->score > b->score;
  });
  return confident;
}

DetectionSpan find_tag(DetectionSpan by_tag, int tag) {
  const auto begin = std::ranges::lower_bound(by_tag, tag, {}, &Detection::tag);
  const auto end = std::ranges::upper_bound(by_tag, tag, {}, &Detection::tag);
  return {begin, end};
}

/// Tags of the data set that an image has in its truth or its detections, each once.
std::vector<int> list_tags(const DatasetImage& image, DetectionSpan confident,
                           std::size_t tag_count) {
  std::vector<int> tags;
  for (const TruthBox& truth : image.truths) tags.push_back(truth.tag);
  for (const Detection* detection : confident) tags.push_back(detection->tag);
  std::erase_if(tags,
                [&](int tag) { return tag < 0 || static_cast<std::size_t>(tag) >= tag_count; });
  std::ranges::sort(tags);
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  return tags;
}

std::vector<const TruthBox*> find_truths(const DatasetImage& image, int tag) {
  std::vector<const TruthBox*> truths;
  for (const TruthBox& truth : image.truths) {
    if (truth.tag == tag) truths.push_back(&truth);
  }
  return truths;
}

void count_standard(const DatasetImage& image, DetectionSpan confident, int tag, double iou,
                    TagScore& score) {
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
void count_legacy(const DatasetImage& image, DetectionSpan confident, int tag,
                  const ThresholdOptions& options, TagScore& score) {
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
  for (std::size_t i = 0; i < dataset.images.size(); ++i) {
    const DatasetImage& image = dataset.images[i];
    const std::vector<const Detection*> confident =
        find_confident(detections[i], options.probability);
    for (const int tag : list_tags(image, confident, scores.size())) {
      TagScore& score = scores[static_cast<std::size_t>(tag)];
      const DetectionSpan of_tag = find_tag(confident, tag);
      if (options.metric == Metric::Standard) {
        count_standard(image, of_tag, tag, options.iou, score);
      } else {
        count_legacy(image, of_tag, tag, options, score);
      }
    }
  }
  for (std::size_t t = 0; t < scores.size(); ++t) {
    TagScore& score = scores[t];
    score.tag = dataset.tags[t];
    score.recall = share(score.true_positives, score.truth);
    score.precision = share(score.true_positives, score.predicted);
    if (options.metric != Metric::Standard && !score.precision) score.precision = 0.0;
  }
  return scores;
}

}  // namespace visionpress
