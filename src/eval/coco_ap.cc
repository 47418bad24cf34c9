#include "eval/coco_ap.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "base/parallel.h"
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

void finish_pairing(std::size_t max_per_tag, Pairing& pairing) {
  std::ranges::stable_sort(pairing.detections, std::ranges::greater{},
                           [](const Detection* d) { return d->score; });
  if (pairing.detections.size() > max_per_tag) pairing.detections.resize(max_per_tag);
  std::ranges::stable_sort(pairing.truths, {}, [](const TruthBox* t) { return is_ignored(*t); });
  pairing.overlaps.clear();
  for (const Detection* detection : pairing.detections) {
    for (const TruthBox* truth : pairing.truths) {
      pairing.overlaps.push_back(box_overlap(*detection, *truth));
    }
  }
}

/// One detection after matching; bit t is for overlap 0.50 + 0.05 t.
struct Item {
  double score = 0.0;
  std::uint32_t image = 0;
  std::uint16_t matched = 0;
  std::uint16_t ignored = 0;  ///< took a crowd box: neither right nor wrong
};

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

void match_image(const Pairing& pairing, std::uint32_t image, std::vector<Item>& items) {
  static const std::array<double, kApOverlaps> overlaps = make_overlaps();
  const std::size_t first = items.size();
  for (const Detection* detection : pairing.detections) {
    items.push_back({.score = detection->score, .image = image});
  }
  std::vector<bool> taken;
  for (std::size_t t = 0; t < kApOverlaps; ++t) {
    taken.assign(pairing.truths.size(), false);
    const auto bit = static_cast<std::uint16_t>(1U << t);
    for (std::size_t d = 0; d < pairing.detections.size(); ++d) {
      Item& item = items[first + d];
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

/// A tag's detections and truths, each with its image, by ascending image.
struct TagBoxes {
  std::vector<std::pair<std::uint32_t, const Detection*>> detections = {};
  std::vector<std::pair<std::uint32_t, const TruthBox*>> truths = {};
};

std::vector<TagBoxes> group_by_tag(const Dataset& dataset, std::span<const Detections> detections) {
  std::vector<TagBoxes> tags(dataset.tags.size());
  const auto find_tag = [&](int tag) {
    return tag < 0 || static_cast<std::size_t>(tag) >= tags.size()
               ? nullptr
               : &tags[static_cast<std::size_t>(tag)];
  };
  for (std::size_t i = 0; i < dataset.images.size(); ++i) {
    const auto image = static_cast<std::uint32_t>(i);
    for (const Detection& detection : detections[i]) {
      TagBoxes* tag = find_tag(detection.tag);
      if (tag != nullptr) tag->detections.emplace_back(image, &detection);
    }
    for (const TruthBox& truth : dataset.images[i].truths) {
      TagBoxes* tag = find_tag(truth.tag);
      if (tag != nullptr) tag->truths.emplace_back(image, &truth);
    }
  }
  return tags;
}

/// Keeps of the items what a draw needs. items: in the order of their score.
void keep_steps(const std::vector<Item>& items, ApTag& tag) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    tag.images.push_back(item.image);
    const unsigned any = unsigned{item.matched} | item.ignored;
    if (any == 0) continue;
    const auto mark = static_cast<std::uint32_t>(tag.marks.size());
    tag.marks.push_back(static_cast<std::uint32_t>(i));
    for (std::size_t t = 0; t < kApOverlaps; ++t) {
      if (((any >> t) & 1U) == 0) continue;
      tag.steps[t].push_back({mark, item.image, ((unsigned{item.ignored} >> t) & 1U) != 0});
    }
  }
}

ApTag match_tag(const TagBoxes& boxes, std::size_t max_per_tag) {
  ApTag tag;
  std::vector<Item> items;
  items.reserve(boxes.detections.size());
  Pairing pairing;
  auto detection = boxes.detections.begin();
  auto truth = boxes.truths.begin();
  while (detection != boxes.detections.end() || truth != boxes.truths.end()) {
    constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
    const std::uint32_t image =
        std::min(detection == boxes.detections.end() ? kNone : detection->first,
                 truth == boxes.truths.end() ? kNone : truth->first);
    pairing.detections.clear();
    pairing.truths.clear();
    for (; detection != boxes.detections.end() && detection->first == image; ++detection) {
      pairing.detections.push_back(detection->second);
    }
    for (; truth != boxes.truths.end() && truth->first == image; ++truth) {
      pairing.truths.push_back(truth->second);
    }
    finish_pairing(max_per_tag, pairing);
    const auto count = static_cast<std::uint32_t>(std::ranges::count_if(
        pairing.truths, [](const TruthBox* of_image) { return !is_ignored(*of_image); }));
    if (count > 0) tag.truths.push_back({image, count});
    match_image(pairing, image, items);
  }
  std::ranges::stable_sort(items, std::ranges::greater{}, &Item::score);
  keep_steps(items, tag);
  return tag;
}

/// Scores one tag after the other for one batch of draws; keeps its memory between them.
/// The curve's highest points are at right detections, since wrong ones only lower what follows.
/// A right detection in an image that a draw lacks adds a point below the one before it, which
/// changes nothing either.
class DrawScorer {
 public:
  explicit DrawScorer(const Draws& draws) : draws_(draws) {}

  /// Counts the truths and detections of a tag, before its scores.
  void start_tag(const ApTag& tag) {
    tag_ = &tag;
    truths_.fill(0.0);
    for (const ApTag::TruthCount& truth : tag.truths) {
      add(draws_.weights[truth.image], static_cast<double>(truth.count), truths_);
    }
    counted_.resize(tag.marks.size());
    PerDraw sum = {};
    std::size_t at = 0;
    for (std::size_t m = 0; m < tag.marks.size(); ++m) {
      for (; at <= tag.marks[m]; ++at) add(draws_.weights[tag.images[at]], 1.0, sum);
      counted_[m] = sum;
    }
    for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) count_recalls(draw);
  }

  [[nodiscard]] const PerDraw& truths() const { return truths_; }

  /// AP at overlap 0.50 + 0.05 t; means nothing in draws without truth.
  [[nodiscard]] PerDraw score_at(std::size_t t) {
    for (PerDraw& best : best_) best.fill(0.0);
    PerDraw right = {};
    PerDraw ignored = {};
    for (const ApTag::Step& step : tag_->steps[t]) {
      const PerDraw& weights = draws_.weights[step.image];
      if (step.ignored) {
        add(weights, 1.0, ignored);
        continue;
      }
      add(weights, 1.0, right);
      const PerDraw& counted = counted_[step.mark];
      PerDraw precision = {};
#pragma omp simd
      for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
        precision[draw] =
            right[draw] / (counted[draw] - ignored[draw] + std::numeric_limits<double>::epsilon());
      }
      for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
        double& best = best_[recalls_[draw][static_cast<std::size_t>(right[draw])]][draw];
        best = std::max(best, precision[draw]);
      }
    }
    return average_best();
  }

 private:
  static void add(const PerDraw& weights, double factor, PerDraw& sum) {
#pragma omp simd
    for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) sum[draw] += weights[draw] * factor;
  }

  /// For each number of right detections, how many of the 101 recalls it reaches.
  void count_recalls(std::size_t draw) {
    constexpr double kStep = 1.0 / (kRecallPoints - 1);
    const double truths = truths_[draw];
    std::vector<std::uint8_t>& reached = recalls_[draw];
    reached.assign(static_cast<std::size_t>(truths) + 1, 0);
    if (truths == 0.0) return;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < kRecallPoints; ++i) {
      const double recall = i + 1 == kRecallPoints ? 1.0 : static_cast<double>(i) * kStep;
      // The quotient decides, as it is rounded; the product is at most one off.
      double least = std::floor(recall * truths);
      if (least > 0.0 && (least - 1.0) / truths >= recall) least -= 1.0;
      while (least / truths < recall) least += 1.0;
      const auto end = static_cast<std::size_t>(least);
      std::fill(reached.begin() + static_cast<std::ptrdiff_t>(begin),
                reached.begin() + static_cast<std::ptrdiff_t>(end), static_cast<std::uint8_t>(i));
      begin = end;
    }
    std::fill(reached.begin() + static_cast<std::ptrdiff_t>(begin), reached.end(),
              static_cast<std::uint8_t>(kRecallPoints));
  }

  /// The highest precision at or behind each of the 101 recalls, averaged.
  PerDraw average_best() {
    for (std::size_t i = kRecallPoints; i-- > 1;) {
#pragma omp simd
      for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
        best_[i][draw] = best_[i][draw] < best_[i + 1][draw] ? best_[i + 1][draw] : best_[i][draw];
      }
    }
    PerDraw sum = {};
    for (std::size_t i = 1; i <= kRecallPoints; ++i) add(best_[i], 1.0, sum);
    for (double& of_draw : sum) of_draw /= kRecallPoints;
    return sum;
  }

  const Draws& draws_;
  const ApTag* tag_ = nullptr;
  PerDraw truths_ = {};
  std::vector<PerDraw> counted_ = {};  ///< one per mark: detections up to it
  std::array<std::vector<std::uint8_t>, kDrawsAtOnce> recalls_ = {};
  std::array<PerDraw, kRecallPoints + 1> best_ = {};  ///< by the number of recalls reached
};

/// Mean over overlaps 0 to `overlaps` - 1.
PerDraw average_overlaps(DrawScorer& scorer, std::size_t overlaps) {
  PerDraw sum = scorer.score_at(0);
  for (std::size_t t = 1; t < overlaps; ++t) {
    const PerDraw more = scorer.score_at(t);
    for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) sum[draw] += more[draw];
  }
  for (double& of_draw : sum) of_draw /= static_cast<double>(overlaps);
  return sum;
}

DrawScores draw_mean(const ApMatches& matches, const Draws& draws, std::size_t overlaps) {
  DrawScorer scorer(draws);
  PerDraw sum = {};
  PerDraw count = {};
  for (const ApTag& tag : matches) {
    scorer.start_tag(tag);
    const PerDraw score = average_overlaps(scorer, overlaps);
    for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
      if (scorer.truths()[draw] == 0.0) continue;
      sum[draw] += score[draw];
      count[draw] += 1.0;
    }
  }
  DrawScores scores;
  for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
    if (count[draw] > 0.0) scores[draw] = sum[draw] / count[draw];
  }
  return scores;
}

}  // namespace

ApMatches match_for_ap(const Dataset& dataset, std::span<const Detections> detections,
                       std::size_t max_per_tag, int threads) {
  const std::vector<TagBoxes> boxes = group_by_tag(dataset, detections);
  ApMatches matches(boxes.size());
  parallel_for(boxes.size(), threads,
               [&](std::size_t t) { matches[t] = match_tag(boxes[t], max_per_tag); });
  return matches;
}

std::vector<ApScore> score_each_ap(const ApMatches& matches, std::size_t image_count) {
  const Draws draws = take_each_once(image_count);
  DrawScorer scorer(draws);
  std::vector<ApScore> scores(matches.size());
  for (std::size_t i = 0; i < matches.size(); ++i) {
    scorer.start_tag(matches[i]);
    if (scorer.truths().front() == 0.0) continue;
    scores[i].ap = average_overlaps(scorer, kApOverlaps).front();
    scores[i].ap50 = scorer.score_at(0).front();
  }
  return scores;
}

ApScore find_mean_ap(std::span<const ApScore> tags) {
  double ap = 0.0;
  double ap50 = 0.0;
  std::size_t count = 0;
  for (const ApScore& score : tags) {
    if (!score.ap) continue;
    ap += *score.ap;
    ap50 += *score.ap50;
    ++count;
  }
  if (count == 0) return {};
  return {ap / static_cast<double>(count), ap50 / static_cast<double>(count)};
}

DrawScores draw_mean_ap(const ApMatches& matches, const Draws& draws) {
  return draw_mean(matches, draws, kApOverlaps);
}

DrawScores draw_mean_ap50(const ApMatches& matches, const Draws& draws) {
  return draw_mean(matches, draws, 1);
}

}  // namespace visionpress
