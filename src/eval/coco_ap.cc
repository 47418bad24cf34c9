#include "eval/coco_ap.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <numeric>

#include "eval/overlap.h"

namespace visionpress {
namespace {

constexpr std::size_t kRecallPoints = 101;
constexpr double kMaxArea = 1e10;  // upper end of pycocotools' area "all"

/// numpy.linspace's arithmetic, since a detection may lie exactly on a threshold.
std::array<double, kApOverlaps> make_overlaps() {
  std::array<double, kApOverlaps> overlaps = {};
  const double step = (0.95 - 0.5) / (kApOverlaps - 1);
  for (std::size_t i = 0; i < kApOverlaps; ++i) overlaps[i] = static_cast<double>(i) * step + 0.5;
  overlaps.back() = 0.95;
  return overlaps;
}

bool is_ignored(const TruthBox& truth) {
  return truth.crowd || truth.area < 0.0 || truth.area > kMaxArea;
}

/// Detections and truths of one tag in one image, in matching order.
struct Pairing {
  std::vector<const Detection*> detections = {};
  std::vector<const TruthBox*> truths = {};  ///< ignored ones last
  std::vector<double> overlaps = {};         ///< [detections, truths]
};

Pairing make_pairing(const DatasetImage& image, const Detections& detections, int tag,
                     std::size_t max_per_tag) {
  Pairing pairing;
  for (const Detection& detection : detections) {
    if (detection.tag == tag) pairing.detections.push_back(&detection);
  }
  std::ranges::stable_sort(pairing.detections, std::ranges::greater{},
                           [](const Detection* d) { return d->score; });
  if (pairing.detections.size() > max_per_tag) pairing.detections.resize(max_per_tag);
  for (const TruthBox& truth : image.truths) {
    if (truth.tag == tag) pairing.truths.push_back(&truth);
  }
  std::ranges::stable_sort(pairing.truths, {}, [](const TruthBox* t) { return is_ignored(*t); });
  for (const Detection* detection : pairing.detections) {
    for (const TruthBox* truth : pairing.truths) {
      pairing.overlaps.push_back(box_overlap(*detection, *truth));
    }
  }
  return pairing;
}

/// The truth that detection `d` takes, or nothing. A later truth wins over an equal one.
std::optional<std::size_t> find_match(const Pairing& pairing, std::size_t d,
                                      const std::vector<bool>& taken, double threshold) {
  const std::size_t truth_count = pairing.truths.size();
  double best = std::min(threshold, 1.0 - 1e-10);
  std::optional<std::size_t> match;
  for (std::size_t g = 0; g < truth_count; ++g) {
    const TruthBox& truth = *pairing.truths[g];
    if (taken[g] && !truth.crowd) continue;
    // Ignored truths come last: once a regular one is held, they are not looked at.
    if (match && !is_ignored(*pairing.truths[*match]) && is_ignored(truth)) break;
    const double overlap = pairing.overlaps[d * truth_count + g];
    if (overlap < best) continue;
    best = overlap;
    match = g;
  }
  return match;
}

void match_image(const Pairing& pairing, std::uint32_t image, ApTag& tag) {
  static const std::array<double, kApOverlaps> overlaps = make_overlaps();
  const std::size_t first = tag.items.size();
  for (const Detection* detection : pairing.detections) {
    ApItem item;
    item.score = detection->score;
    item.image = image;
    tag.items.push_back(item);
  }
  for (std::size_t t = 0; t < kApOverlaps; ++t) {
    std::vector<bool> taken(pairing.truths.size());
    const auto bit = static_cast<std::uint16_t>(1U << t);
    for (std::size_t d = 0; d < pairing.detections.size(); ++d) {
      ApItem& item = tag.items[first + d];
      const double area = pairing.detections[d]->width * pairing.detections[d]->height;
      const auto match = find_match(pairing, d, taken, overlaps[t]);
      if (match) {
        taken[*match] = true;
        item.matched = static_cast<std::uint16_t>(item.matched | bit);
      }
      if (match ? is_ignored(*pairing.truths[*match]) : area < 0.0 || area > kMaxArea) {
        item.ignored = static_cast<std::uint16_t>(item.ignored | bit);
      }
    }
  }
}

/// Precision at 101 recalls, averaged, from the (recall, precision) of every right detection.
/// Wrong ones only lower what follows, so the curve's highest points are at right ones.
double average_precision(std::vector<double>& recalls, std::vector<double>& precisions) {
  for (std::size_t i = precisions.size(); i-- > 1;) {
    precisions[i - 1] = std::max(precisions[i - 1], precisions[i]);
  }
  double sum = 0.0;
  std::size_t at = 0;
  constexpr double kStep = 1.0 / (kRecallPoints - 1);
  for (std::size_t i = 0; i < kRecallPoints; ++i) {
    const double recall = i + 1 == kRecallPoints ? 1.0 : static_cast<double>(i) * kStep;
    while (at < recalls.size() && recalls[at] < recall) ++at;
    if (at == recalls.size()) break;
    sum += precisions[at];
  }
  return sum / kRecallPoints;
}

/// One tag for one draw of images; keeps its memory from overlap to overlap.
class TagScorer {
 public:
  TagScorer(const ApTag& tag, std::span<const std::uint32_t> weights)
      : tag_(tag), weights_(weights) {
    for (std::size_t i = 0; i < tag.truth_counts.size(); ++i) {
      truths_ += tag.truth_counts[i] * weight_of(i);
    }
  }

  [[nodiscard]] std::uint64_t truths() const { return truths_; }

  /// AP at overlap 0.50 + 0.05 t.
  double score_at(std::size_t t) {
    recalls_.clear();
    precisions_.clear();
    std::uint64_t right = 0;
    std::uint64_t counted = 0;
    for (const ApItem& item : tag_.items) {
      if (((item.ignored >> t) & 1U) != 0) continue;
      const std::uint64_t weight = weight_of(item.image);
      counted += weight;
      if (((item.matched >> t) & 1U) == 0 || weight == 0) continue;
      right += weight;
      recalls_.push_back(static_cast<double>(right) / static_cast<double>(truths_));
      precisions_.push_back(static_cast<double>(right) / (static_cast<double>(counted) +
                                                          std::numeric_limits<double>::epsilon()));
    }
    return average_precision(recalls_, precisions_);
  }

 private:
  [[nodiscard]] std::uint64_t weight_of(std::size_t image) const {
    return weights_.empty() ? 1 : weights_[image];
  }

  const ApTag& tag_;
  std::span<const std::uint32_t> weights_;
  std::uint64_t truths_ = 0;
  std::vector<double> recalls_ = {};
  std::vector<double> precisions_ = {};
};

}  // namespace

ApMatches match_for_ap(const Dataset& dataset, std::span<const Detections> detections,
                       std::size_t max_per_tag) {
  ApMatches matches(dataset.tags.size());
  for (std::size_t t = 0; t < matches.size(); ++t) {
    ApTag& tag = matches[t];
    for (std::size_t i = 0; i < dataset.images.size(); ++i) {
      const Pairing pairing =
          make_pairing(dataset.images[i], detections[i], static_cast<int>(t), max_per_tag);
      tag.truth_counts.push_back(static_cast<std::uint32_t>(std::ranges::count_if(
          pairing.truths, [](const TruthBox* truth) { return !is_ignored(*truth); })));
      match_image(pairing, static_cast<std::uint32_t>(i), tag);
    }
    std::ranges::stable_sort(tag.items, std::ranges::greater{}, &ApItem::score);
  }
  return matches;
}

ApScore score_ap(const ApTag& tag, std::span<const std::uint32_t> weights) {
  TagScorer scorer(tag, weights);
  if (scorer.truths() == 0) return {};
  ApScore score;
  score.ap50 = scorer.score_at(0);
  double sum = *score.ap50;
  for (std::size_t t = 1; t < kApOverlaps; ++t) sum += scorer.score_at(t);
  score.ap = sum / kApOverlaps;
  return score;
}

std::optional<double> score_mean_ap50(const ApMatches& matches,
                                      std::span<const std::uint32_t> weights) {
  double sum = 0.0;
  std::size_t count = 0;
  for (const ApTag& tag : matches) {
    TagScorer scorer(tag, weights);
    if (scorer.truths() == 0) continue;
    sum += scorer.score_at(0);
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

ApScore score_mean_ap(const ApMatches& matches, std::span<const std::uint32_t> weights) {
  double ap = 0.0;
  double ap50 = 0.0;
  std::size_t count = 0;
  for (const ApTag& tag : matches) {
    const ApScore score = score_ap(tag, weights);
    if (!score.ap) continue;
    ap += *score.ap;
    ap50 += *score.ap50;
    ++count;
  }
  if (count == 0) return {};
  return {ap / static_cast<double>(count), ap50 / static_cast<double>(count)};
}

}  // namespace visionpress
