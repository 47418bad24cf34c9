// Metrics of single cases stand in metrics_test.cc; here, draws against a plain computation.

#include "eval/coco_ap.h"

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

/// What a detection is at one overlap.
enum class Found : std::uint8_t { Wrong, Right, Ignored };

/// AP as its definition has it: one point of the curve per right detection, no batches, no tables.
double compute_ap(const ApTag& tag, std::size_t t, std::size_t draw, const Draws& draws,
                  double truths) {
  std::vector<Found> found(tag.images.size(), Found::Wrong);
  for (const ApTag::Step& step : tag.steps[t]) {
    found[tag.marks[step.mark]] = step.ignored ? Found::Ignored : Found::Right;
  }
  std::vector<double> recalls;
  std::vector<double> precisions;
  double right = 0.0;
  double counted = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == Found::Ignored) continue;
    const double weight = draws.weights[tag.images[i]][draw];
    counted += weight;
    if (found[i] == Found::Wrong || weight == 0.0) continue;
    right += weight;
    recalls.push_back(right / truths);
    precisions.push_back(right / (counted + std::numeric_limits<double>::epsilon()));
  }
  double sum = 0.0;
  for (std::size_t i = 0; i <= 100; ++i) {
    const double recall = i == 100 ? 1.0 : static_cast<double>(i) * (1.0 / 100);
    const auto at = std::ranges::lower_bound(recalls, recall) - recalls.begin();
    if (at == static_cast<std::ptrdiff_t>(recalls.size())) break;
    sum += *std::max_element(precisions.begin() + at, precisions.end());
  }
  return sum / 101;
}

std::optional<double> compute_mean(const ApMatches& matches, std::size_t draw, const Draws& draws,
                                   std::size_t overlaps) {
  double sum = 0.0;
  double count = 0.0;
  for (const ApTag& tag : matches) {
    double truths = 0.0;
    for (const ApTag::TruthCount& truth : tag.truths) {
      truths += truth.count * draws.weights[truth.image][draw];
    }
    if (truths == 0.0) continue;
    double of_tag = 0.0;
    for (std::size_t t = 0; t < overlaps; ++t) of_tag += compute_ap(tag, t, draw, draws, truths);
    sum += of_tag / static_cast<double>(overlaps);
    count += 1.0;
  }
  if (count == 0.0) return std::nullopt;
  return sum / count;
}

/// Truths with crowds, and detections near some of them, with scores that are often equal.
struct DrawnCase {
  Dataset dataset = {};
  std::vector<Detections> detections = {};
};

DrawnCase make_case(std::mt19937& random, std::size_t images, int tags) {
  const auto below = [&](int bound) {
    return static_cast<int>(random() % static_cast<unsigned>(bound));
  };
  DrawnCase made;
  made.dataset.tags.assign(static_cast<std::size_t>(tags), "tag");
  made.dataset.images.resize(images);
  made.detections.resize(images);
  for (std::size_t i = 0; i < images; ++i) {
    for (int k = below(4); k > 0; --k) {
      TruthBox truth{.tag = below(tags), .x = 10.0 * below(9), .y = 10.0 * below(9)};
      truth.width = 10 + below(30);
      truth.height = 10 + below(30);
      truth.area = truth.width * truth.height;
      truth.crowd = below(8) == 0;
      made.dataset.images[i].truths.push_back(truth);
      for (int d = below(4); d > 0; --d) {
        made.detections[i].push_back({truth.tag, below(20) / 20.0, truth.x + below(5),
                                      truth.y + below(5), truth.width - below(5),
                                      truth.height + below(5)});
      }
    }
    for (int d = below(5); d > 0; --d) {
      made.detections[i].push_back(
          {below(tags), below(20) / 20.0, 1.0 * below(90), 1.0 * below(90), 20, 20});
    }
  }
  return made;
}

TEST(DrawnAp, IsTheDefinitionsToTheLastBit) {
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  for (const std::size_t images : {1U, 2U, 15U, 90U, 700U}) {
    SCOPED_TRACE(testing::Message() << images << " images, seed " << kSeed);
    const DrawnCase made = make_case(random, images, 3);
    const ApMatches matches = match_for_ap(made.dataset, made.detections, 5);
    for (const Draws& draws : {take_each_once(images), draw_images(images, kSeed, 4)}) {
      const DrawScores ap = draw_mean_ap(matches, draws);
      const DrawScores ap50 = draw_mean_ap50(matches, draws);
      for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
        EXPECT_EQ(ap[draw], compute_mean(matches, draw, draws, kApOverlaps));
        EXPECT_EQ(ap50[draw], compute_mean(matches, draw, draws, 1));
      }
    }
    const ApScore mean = find_mean_ap(score_each_ap(matches, images));
    EXPECT_EQ(mean.ap, compute_mean(matches, 0, take_each_once(images), kApOverlaps));
    EXPECT_EQ(mean.ap50, compute_mean(matches, 0, take_each_once(images), 1));
  }
}

TEST(DrawnAp, ThreadsDoNotChangeMatches) {
  std::mt19937 random(3);
  const DrawnCase made = make_case(random, 60, 4);
  const ApMatches one = match_for_ap(made.dataset, made.detections, kMaxPerTag, 1);
  const ApMatches three = match_for_ap(made.dataset, made.detections, kMaxPerTag, 3);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t t = 0; t < one.size(); ++t) {
    EXPECT_EQ(one[t].images, three[t].images);
    EXPECT_EQ(one[t].marks, three[t].marks);
  }
}

TEST(DrawnAp, WeightsCountAnImageAsOftenAsItWasDrawn) {
  DrawnCase twice;
  twice.dataset.tags = {"cat"};
  twice.dataset.images.resize(3);
  for (DatasetImage& image : twice.dataset.images) {
    image.truths = {{.tag = 0, .width = 50, .height = 50, .area = 2500}};
  }
  const Detections right = {{0, 0.9, 0, 0, 50, 50}};
  const Detections wrong = {{0, 0.8, 60, 60, 10, 10}};
  twice.detections = {right, right, wrong};
  DrawnCase once = twice;
  once.dataset.images.pop_back();
  once.detections = {right, wrong};
  Draws draws;
  draws.weights.resize(2);
  draws.weights[0].fill(2.0);
  draws.weights[1].fill(1.0);
  EXPECT_EQ(draw_mean_ap(match_for_ap(once.dataset, once.detections), draws),
            draw_mean_ap(match_for_ap(twice.dataset, twice.detections), take_each_once(3)));
}

}  // namespace
}  // namespace visionpress
