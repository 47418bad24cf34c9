#include "eval/detection.h"

#include <algorithm>
#include <cstdint>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

struct Random {
  std::uint32_t state = 7;
  float next() {
    state = state * 1664525U + 1013904223U;
    return static_cast<float>(state >> 8) / 16777216.0F;
  }
};

double overlap(const Detection& a, const Detection& b) {
  const double w = std::max(0.0, std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x));
  const double h = std::max(0.0, std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y));
  return w * h / (a.width * a.height + b.width * b.height - w * h);
}

/// The script's loop: the best class of all boxes is kept, its class is zeroed in the boxes that
/// overlap and in the box itself, and those boxes are ranked anew.
Detections suppress_as_the_script(const Detections& boxes, std::vector<std::vector<double>> scores,
                                  double threshold, double iou) {
  Detections kept;
  while (true) {
    std::size_t best = 0;
    std::size_t best_class = 0;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      for (std::size_t k = 0; k < scores[i].size(); ++k) {
        if (scores[i][k] > scores[best][best_class]) {
          best = i;
          best_class = k;
        }
      }
    }
    if (!(scores[best][best_class] > threshold)) return kept;
    Detection box = boxes[best];
    box.tag = static_cast<int>(best_class);
    box.score = scores[best][best_class];
    kept.push_back(box);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      if (i == best || overlap(boxes[best], boxes[i]) > iou) scores[i][best_class] = 0.0;
    }
  }
}

TEST(KeepBestTest, OnePassPerClassGivesWhatTheScriptsReRankingGives) {
  Random random;
  for (int run = 0; run < 50; ++run) {
    Detections boxes;
    std::vector<std::vector<double>> scores;
    for (int i = 0; i < 40; ++i) {
      boxes.push_back({.x = random.next() * 0.5,
                       .y = random.next() * 0.5,
                       .width = 0.2 + random.next() * 0.5,
                       .height = 0.2 + random.next() * 0.5});
      scores.push_back({random.next(), random.next(), random.next()});
    }
    const Detections expected = suppress_as_the_script(boxes, scores, 0.1, 0.45);
    Detections candidates;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      for (std::size_t k = 0; k < 3; ++k) {
        if (scores[i][k] <= 0.1) continue;
        candidates.push_back(boxes[i]);
        candidates.back().tag = static_cast<int>(k);
        candidates.back().score = scores[i][k];
      }
    }
    const Detections found = keep_best(candidates, {.nms_iou = 0.45, .max_detections = 0});
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].score, expected[i].score);
      EXPECT_EQ(found[i].tag, expected[i].tag);
    }
  }
}

TEST(KeepBestTest, TheLimitIsOfAllTagsTogether) {
  const Detections candidates = {{.tag = 4, .score = 0.2, .width = 1, .height = 1},
                                 {.tag = 0, .score = 0.9, .width = 1, .height = 1},
                                 {.tag = 1, .score = 0.5, .width = 1, .height = 1}};
  const Detections best = keep_best(candidates, {.max_detections = 2});
  ASSERT_EQ(best.size(), 2U);
  EXPECT_EQ(best[0].tag, 0);
  EXPECT_EQ(best[1].tag, 1);
  EXPECT_EQ(keep_best(candidates, {.max_detections = 0}).size(), 3U);
}

TEST(SuppressTest, EqualScoresKeepTheirOrder) {
  const Detections kept = suppress_overlaps({{0, 0.5, 0, 0, 1, 1}, {0, 0.5, 0.1, 0, 1, 1}}, 0.45);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].x, 0.0);
}

}  // namespace
}  // namespace visionpress
