#include "eval/draws.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(Draws, HaveAsManyImagesAsTheDataSet) {
  constexpr std::size_t kImages = 37;
  PerDraw sums = {};
  for (const PerDraw& weights : draw_images(kImages, 5, 3).weights) {
    for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) sums[draw] += weights[draw];
  }
  for (const double sum : sums) EXPECT_EQ(sum, 37.0);
}

TEST(Draws, DoNotDependOnWhichAreMadeTogether) {
  const Draws early = draw_images(20, 1, 0);
  const Draws late = draw_images(20, 1, 3);
  for (std::size_t image = 0; image < 20; ++image) {
    for (std::size_t draw = 3; draw < kDrawsAtOnce; ++draw) {
      EXPECT_EQ(early.weights[image][draw], late.weights[image][draw - 3]);
    }
  }
}

// The generator's published series for the seed 1234567 begins 6457827717110365317,
// 3203168211198807973: of 1000 images, 350 and 173.
TEST(Draws, FollowSplitMix64) {
  const Draws draws = draw_images(1000, 1234567, 0);
  EXPECT_GE(draws.weights[350][0], 1.0);
  EXPECT_GE(draws.weights[173][0], 1.0);
}

TEST(DrawnShare, CountsAnswersByTheirImage) {
  DrawnShare share;
  share.add({2.0, 0.0, 0.0, 1.0}, true);
  share.add({0.0, 1.0, 0.0, 3.0}, false);
  const DrawScores scores = share.scores();
  EXPECT_EQ(scores[0], 1.0);
  EXPECT_EQ(scores[1], 0.0);
  EXPECT_FALSE(scores[2]);
  EXPECT_EQ(scores[3], 0.25);
}

}  // namespace
}  // namespace visionpress
