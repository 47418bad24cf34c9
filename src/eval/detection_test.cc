#include "eval/detection.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(YoloGridTest, BothLayoutsAndLeadingOnesAreRead) {
  EXPECT_EQ(find_yolo_grid({1, 35, 13, 13}, 2, Layout::ChannelsFirst)->channel_step, 169U);
  EXPECT_EQ(find_yolo_grid({1, 1, 35, 13, 13}, 2, Layout::ChannelsFirst)->classes, 2);
  EXPECT_EQ(find_yolo_grid({1, 13, 11, 35}, 2, Layout::ChannelsLast)->row_step, 385U);
  EXPECT_EQ(find_yolo_grid({1, 12, 13, 35}, 2, Layout::ChannelsFirst)->rows, 12);
}

TEST(YoloGridTest, OtherOutputsAreNoGrid) {
  EXPECT_FALSE(find_yolo_grid({1, 1000}, 1000, Layout::ChannelsFirst));
  EXPECT_FALSE(find_yolo_grid({1, 1, 1000}, 0, Layout::ChannelsFirst));
  EXPECT_FALSE(find_yolo_grid({2, 35, 13, 13}, 2, Layout::ChannelsFirst));
  EXPECT_FALSE(find_yolo_grid({1, 35, 13, 13}, 3, Layout::ChannelsFirst));
  EXPECT_FALSE(find_yolo_grid({1, 35, -1, 13}, 2, Layout::ChannelsFirst));
  EXPECT_TRUE(find_yolo_grid({1, 35, 13, 13}, 0, Layout::ChannelsFirst));
}

TEST(YoloGridTest, AGridHasACellForEach32PixelsOfTheInput) {
  const auto grid = find_yolo_grid({1, 35, 13, 12}, 2, Layout::ChannelsFirst);
  EXPECT_TRUE(is_grid_of(*grid, 384, 416));
  EXPECT_TRUE(is_grid_of(*grid, 383, 416));   // "same" padding rounds up
  EXPECT_TRUE(is_grid_of(*grid, 400, 420));   // "valid" pooling rounds down
  EXPECT_FALSE(is_grid_of(*grid, 416, 384));  // sides exchanged
  EXPECT_FALSE(is_grid_of(*grid, 192, 208));  // 16 pixels a cell
  // A style network gives a picture: [1, 480, 640, 3], of which 480 = 5 * (5 + 91) looks like
  // boxes.
  const auto picture = find_yolo_grid({1, 480, 640, 3}, 0, Layout::ChannelsLast);
  ASSERT_TRUE(picture);
  EXPECT_FALSE(is_grid_of(*picture, 640, 480));
}

TEST(YoloTest, OneCellDecodesAsTheFormulaSays) {
  const auto grid = find_yolo_grid({1, 30, 2, 3}, 1, Layout::ChannelsFirst);
  ASSERT_TRUE(grid);
  std::vector<float> values(180, -20.0F);  // no object anywhere
  const auto at = [&](std::size_t channel) -> float& { return values[channel * 6 + 1 * 3 + 2]; };
  at(6) = 0.0F;            // anchor 1, tx
  at(7) = 0.0F;            // ty
  at(8) = std::log(0.5F);  // tw
  at(9) = 0.0F;            // th
  at(10) = 1.0F;           // objectness
  const Detections found = decode_yolo(*grid, values, {});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NEAR(found[0].score, 1.0 / (1.0 + std::exp(-1.0)), 1e-12);
  EXPECT_NEAR(found[0].width, 0.5 * 1.87 / 3, 1e-7);
  EXPECT_NEAR(found[0].height, 2.06 / 2, 1e-12);
  EXPECT_NEAR(found[0].x, 2.5 / 3 - found[0].width / 2, 1e-12);
  EXPECT_NEAR(found[0].y, 1.5 / 2 - found[0].height / 2, 1e-12);
}

TEST(YoloTest, ABrokenOutputGivesNoInfiniteBoxes) {
  const auto grid = find_yolo_grid({1, 30, 2, 2}, 1, Layout::ChannelsFirst);
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    const std::vector<float> values(120, bad);
    for (const Detection& box : decode_yolo(*grid, values, {})) {
      EXPECT_TRUE(std::isfinite(box.x + box.y + box.width + box.height + box.score));
    }
  }
  EXPECT_TRUE(decode_yolo(*grid, std::vector<float>(3), {}).empty());
}

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

TEST(YoloTest, OnePassAClassIsWhatTheScriptsReRankingComesTo) {
  Random random;
  for (int run = 0; run < 50; ++run) {
    Detections boxes;
    std::vector<std::vector<double>> scores;
    for (int i = 0; i < 40; ++i) {
      boxes.push_back({0, 0.0, random.next() * 0.5, random.next() * 0.5, 0.2 + random.next() * 0.5,
                       0.2 + random.next() * 0.5});
      scores.push_back({random.next(), random.next(), random.next()});
    }
    const Detections expected = suppress_as_the_script(boxes, scores, 0.1, 0.45);
    Detections found;
    for (std::size_t k = 0; k < 3; ++k) {
      Detections candidates;
      for (std::size_t i = 0; i < boxes.size(); ++i) {
        if (scores[i][k] <= 0.1) continue;
        candidates.push_back(boxes[i]);
        candidates.back().tag = static_cast<int>(k);
        candidates.back().score = scores[i][k];
      }
      const Detections kept = suppress_overlaps(candidates, 0.45);
      found.insert(found.end(), kept.begin(), kept.end());
    }
    std::ranges::stable_sort(found, std::ranges::greater{}, &Detection::score);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].score, expected[i].score);
      EXPECT_EQ(found[i].tag, expected[i].tag);
    }
  }
}

TEST(SuppressTest, EqualScoresKeepTheirOrder) {
  const Detections kept = suppress_overlaps({{0, 0.5, 0, 0, 1, 1}, {0, 0.5, 0.1, 0, 1, 1}}, 0.45);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].x, 0.0);
}

}  // namespace
}  // namespace visionpress
