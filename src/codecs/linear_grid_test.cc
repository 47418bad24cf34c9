#include "codecs/linear_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/isa.h"

namespace visionpress {
namespace {

std::vector<float> make_values(std::size_t count, unsigned seed, float tail = 0.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.02F, 0.1F);
  std::vector<float> values(count);
  for (float& value : values) {
    value = normal(random);
    if (tail > 0.0F && random() % 50 == 0) value *= tail;
  }
  return values;
}

/// The weighted squared error with the nearest code for each value, in double.
double noise_of(const std::vector<float>& values, const LinearCodes& codes, const LinearStep& step,
                const std::vector<float>& importance = {}) {
  double noise = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto scale = static_cast<double>(step.scale);
    const auto offset = static_cast<double>(step.offset);
    const auto value = static_cast<double>(values[i]);
    const double error = value - (offset + scale * codes.nearest((value - offset) / scale));
    noise += (importance.empty() ? 1.0 : static_cast<double>(importance[i])) * error * error;
  }
  return noise;
}

/// The least error over a fine net of grids: of signed codes over scales alone, from 3 bits on over
/// grids with a level at 0.
double search_net(const std::vector<float>& values, const LinearCodes& codes,
                  const std::vector<float>& importance = {}) {
  const ValueRange range = find_range_ref(values);
  const float magnitude = std::max(-range.min, range.max);
  const float span = codes.is_signed ? magnitude : range.max - range.min;
  constexpr int kSteps = 160;
  double best = std::numeric_limits<double>::infinity();
  for (int width = 1; width <= kSteps; ++width) {
    LinearStep step;
    step.scale = span * static_cast<float>(width) / static_cast<float>(kSteps * codes.most());
    if (codes.is_signed) {
      best = std::min(best, noise_of(values, codes, step, importance));
      continue;
    }
    if (codes.bits >= 3) {
      for (int zero = 0; zero <= codes.most(); ++zero) {
        step.offset = -static_cast<float>(zero) * step.scale;
        best = std::min(best, noise_of(values, codes, step, importance));
      }
      continue;
    }
    for (int shift = 0; shift + width <= kSteps; shift += 4) {
      step.offset = range.min + span * static_cast<float>(shift) / static_cast<float>(kSteps);
      best = std::min(best, noise_of(values, codes, step, importance));
    }
  }
  return best;
}

constexpr LinearCodes kAllCodes[] = {{1, false}, {2, false}, {3, false}, {4, false}, {7, false},
                                     {1, true},  {2, true},  {3, true},  {4, true},  {7, true}};

TEST(LinearGridTest, SignedCodesAreSymmetricAndOneBitHasNoZero) {
  EXPECT_EQ((LinearCodes{4, false}.most()), 15);
  EXPECT_EQ((LinearCodes{4, false}.least()), 0);
  EXPECT_EQ((LinearCodes{4, true}.most()), 7);
  EXPECT_EQ((LinearCodes{4, true}.least()), -7);
  EXPECT_EQ((LinearCodes{1, true}.most()), 1);
  EXPECT_EQ((LinearCodes{1, true}.nearest(0.2)), 1);
  EXPECT_EQ((LinearCodes{1, true}.nearest(-0.2)), -1);
  EXPECT_EQ((LinearCodes{2, true}.nearest(0.2)), 0);
  EXPECT_EQ((LinearCodes{2, false}.nearest(9.0)), 3);
}

TEST(LinearGridTest, NoNetOfGridsHasAMuchSmallerError) {
  for (const float tail : {0.0F, 8.0F}) {
    for (const unsigned seed : {1U, 2U, 3U}) {
      const std::vector<float> values = make_values(400, seed, tail);
      for (const LinearCodes& codes : kAllCodes) {
        const GridChoice fitted = fit_grid(values, codes);
        ASSERT_EQ(fitted.fault, GridFault::None);
        // A local minimum may be a little worse than the best of all grids.
        EXPECT_LE(noise_of(values, codes, fitted.step), 1.06 * search_net(values, codes))
            << codes.bits << (codes.is_signed ? " signed, seed " : " bits, seed ") << seed;
      }
    }
  }
}

TEST(LinearGridTest, AGridIsNeverWorseThanThatOfTheSpan) {
  std::mt19937 random(7);
  for (int run = 0; run < 300; ++run) {
    std::vector<float> values(1 + random() % 40);
    for (float& value : values) {
      // Few distinct values, where the span is often the best grid.
      value =
          static_cast<float>(static_cast<int>(random() % 9) - 4) * (run % 3 == 0 ? 1e-30F : 0.3F);
    }
    std::vector<float> importance(values.size());
    for (float& weight : importance) weight = static_cast<float>(random() % 5);
    for (const LinearCodes& codes : kAllCodes) {
      const LinearStep span = span_grid(find_range_ref(values), codes).step;
      const LinearStep plain = fit_grid(values, codes).step;
      const LinearStep weighted = fit_grid(values, codes, importance).step;
      // The sums of the encoder are of decoded values in float32.
      const double slack = 1e-5 * noise_of(values, codes, span);
      EXPECT_LE(noise_of(values, codes, plain), noise_of(values, codes, span) + slack);
      if (std::ranges::all_of(importance, [](float weight) { return weight == 0.0F; })) continue;
      EXPECT_LE(noise_of(values, codes, weighted, importance),
                noise_of(values, codes, span, importance) * (1.0 + 1e-5));
    }
  }
}

TEST(LinearGridTest, ValuesThatLieOnAGridStayExact) {
  std::vector<float> values;
  for (int i = 0; i < 60; ++i) values.push_back(static_cast<float>(i % 16) * 0.25F - 1.0F);
  const LinearCodes codes{4, false};
  const LinearStep step = fit_grid(values, codes).step;
  EXPECT_EQ(step.scale, 0.25F);
  EXPECT_EQ(step.offset, -1.0F);
}

TEST(LinearGridTest, ImportanceMovesTheGridToTheValuesThatMatter) {
  const std::vector<float> values = make_values(200, 5, 8.0F);
  std::vector<float> importance(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) importance[i] = i % 4 == 0 ? 10.0F : 0.1F;
  for (const LinearCodes& codes : kAllCodes) {
    // 50 values that matter on 127 levels: among thousands of grids, some suit them by chance.
    if (codes.bits == 7) continue;
    const double weighted =
        noise_of(values, codes, fit_grid(values, codes, importance).step, importance);
    EXPECT_LE(weighted, noise_of(values, codes, fit_grid(values, codes).step, importance) * 1.03);
    EXPECT_LE(weighted, 1.06 * search_net(values, codes, importance)) << codes.bits;
  }
  // Inputs that no image reaches count for nothing; where none counts, all are alike.
  const std::vector<float> zeros(values.size(), 0.0F);
  EXPECT_EQ(fit_grid(values, {3, false}, zeros).step.scale,
            fit_grid(values, {3, false}).step.scale);
}

TEST(LinearGridTest, ConstantAndEmptyChannelsAndThoseOfOneValueAreExact) {
  for (const LinearCodes& codes : kAllCodes) {
    for (const std::vector<float>& values :
         {std::vector<float>(), std::vector<float>{0.0F}, std::vector<float>(9, 0.0F),
          std::vector<float>{-0.0F, 0.0F}}) {
      const GridChoice choice = fit_grid(values, codes);
      EXPECT_EQ(choice.fault, GridFault::None);
      EXPECT_EQ(choice.step.scale, 1.0F);
      EXPECT_EQ(choice.step.offset, 0.0F);
    }
    for (const float value : {0.7F, -3.0F, std::numeric_limits<float>::denorm_min()}) {
      const std::vector<float> values(5, value);
      const GridChoice choice = fit_grid(values, codes);
      std::vector<std::byte> out(values.size());
      const ErrorSums sums = encode_to_grid(values, codes, choice.step, out);
      EXPECT_LE(static_cast<double>(sums.max_abs),
                std::max(1e-7 * std::fabs(static_cast<double>(value)), 0x1p-126));
    }
  }
}

TEST(LinearGridTest, FaultsAreNamed) {
  const float huge = std::numeric_limits<float>::max();
  EXPECT_EQ(
      fit_grid(std::vector<float>{1.0F, std::numeric_limits<float>::quiet_NaN()}, {4, false}).fault,
      GridFault::NotFinite);
  // Byte 255 of 16 levels is 17 times as far away as the last level.
  EXPECT_EQ(fit_grid(std::vector<float>{0.0F, huge / 30.0F}, {4, false}).fault, GridFault::TooWide);
  EXPECT_EQ(fit_grid(std::vector<float>{0.0F, huge / 40.0F}, {4, false}).fault, GridFault::None);
}

TEST(LinearGridTest, TheGridIsTheSameForEveryIsaAndThreadCount) {
  const Isa before = active_isa();
  for (const std::size_t count : {5U, 1000U, 200001U}) {
    const std::vector<float> values = make_values(count, 9, 4.0F);
    for (const LinearCodes& codes : kAllCodes) {
      force_isa(Isa::Scalar);
      const LinearStep expected = fit_grid(values, codes).step;
      for (const Isa isa : {Isa::Avx2, Isa::Avx3, Isa::Best}) {
        force_isa(isa);
        for (const int threads : {1, 3}) {
          const LinearStep step = fit_grid(values, codes, {}, threads).step;
          EXPECT_EQ(step.scale, expected.scale);
          EXPECT_EQ(step.offset, expected.offset);
        }
      }
    }
  }
  force_isa(before);
}

}  // namespace
}  // namespace visionpress
