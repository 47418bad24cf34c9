#include "eval/bootstrap.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

std::optional<Difference> interval_of(std::size_t images, const BootstrapOptions& options,
                                      const ScoreDraws& score) {
  return bootstrap_interval(resample(images, options, {score}).front());
}

DrawScores score_half(const Draws&) {
  DrawScores scores;
  scores.fill(0.5);
  return scores;
}

/// 50 of 200 images count.
DrawScores score_quarter(const Draws& draws) {
  DrawScores scores;
  for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
    double sum = 0.0;
    for (std::size_t i = 0; i < 50; ++i) sum += draws.weights[i][draw];
    scores[draw] = sum / 200.0;
  }
  return scores;
}

TEST(BootstrapTest, IsTheSameForTheSameSeedAndHoldsTheDifference) {
  const auto first = interval_of(200, {}, score_quarter);
  const auto again = interval_of(200, {.threads = 3}, score_quarter);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->low, again->low);
  EXPECT_EQ(first->points, 25.0);
  // The binomial interval of 0.25 over 200: 1.96 * sqrt(0.25 * 0.75 / 200) = 6.0 points.
  ASSERT_TRUE(first->low && first->high);
  EXPECT_NEAR(*first->low, 19.0, 1.0);
  EXPECT_NEAR(*first->high, 31.0, 1.0);
  EXPECT_NE(interval_of(200, {.seed = 2}, score_quarter)->low, first->low);
}

TEST(BootstrapTest, ADifferenceIsOfTheSameDraws) {
  const auto scores = resample(200, {.rounds = 21}, {score_half, score_quarter, score_quarter});
  ASSERT_EQ(scores.size(), 3U);
  ASSERT_EQ(scores[1].draws.size(), 21U);
  const auto same = bootstrap_difference(scores[1], scores[2]);
  ASSERT_TRUE(same && same->low);
  EXPECT_EQ(same->points, 0.0);
  EXPECT_EQ(*same->low, 0.0);
  EXPECT_EQ(*same->high, 0.0);
  EXPECT_EQ(bootstrap_difference(scores[1], scores[0])->points, 25.0);
}

TEST(BootstrapTest, DrawsThatDefineNoScoreAreLeftOut) {
  ResampledScore score{0.5, {0.25, std::nullopt, 0.25}};
  const auto interval = bootstrap_interval(score);
  ASSERT_TRUE(interval && interval->low);
  EXPECT_EQ(*interval->low, 25.0);
}

TEST(BootstrapTest, NoDifferenceIsNoInterval) {
  EXPECT_FALSE(interval_of(5, {}, [](const Draws&) { return DrawScores{}; }));
  EXPECT_FALSE(bootstrap_difference({0.5, {0.5}}, {}));
}

TEST(BootstrapTest, WithoutRoundsOrWithFewImagesThereIsNoIntervalAndNotOneOfNoWidth) {
  for (const auto& difference : {interval_of(200, {.rounds = 0}, score_half),
                                 interval_of(kLeastImages - 1, {}, score_half)}) {
    ASSERT_TRUE(difference);
    EXPECT_EQ(difference->points, 50.0);
    EXPECT_FALSE(difference->low);
    EXPECT_FALSE(difference->high);
  }
  EXPECT_TRUE(interval_of(kLeastImages, {}, score_half)->low);
}

}  // namespace
}  // namespace visionpress
