// Pooling with windows of every size against a walk over each window.

#include <chrono>
#include <limits>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

struct PoolCase {
  Shape in = {};  ///< N,H,W,C
  Pool2d pool = {};
};

/// Each window by itself, sums in double; padding is explicit.
std::vector<float> pool_by_hand(const PoolCase& each, const std::vector<float>& x) {
  const auto& [in, pool] = each;
  std::array<std::int64_t, 2> out = {};
  for (std::size_t a = 0; a < 2; ++a) {
    out[a] = (in[a + 1] + pool.padding.before[a] + pool.padding.after[a] - pool.kernel[a]) /
                 pool.stride[a] +
             1;
  }
  std::vector<float> y;
  for (std::int64_t i = 0; i < in[0] * out[0] * out[1] * in[3]; ++i) {
    const std::int64_t c = i % in[3];
    const std::int64_t left = i / in[3] % out[1] * pool.stride[1] - pool.padding.before[1];
    const std::int64_t top = i / in[3] / out[1] % out[0] * pool.stride[0] - pool.padding.before[0];
    const std::int64_t item = i / in[3] / out[1] / out[0];
    float most = -std::numeric_limits<float>::infinity();
    double sum = 0.0;
    std::int64_t count = 0;
    for (std::int64_t row = std::max<std::int64_t>(top, 0);
         row < std::min(top + pool.kernel[0], in[1]); ++row) {
      for (std::int64_t col = std::max<std::int64_t>(left, 0);
           col < std::min(left + pool.kernel[1], in[2]); ++col) {
        const float value =
            x[static_cast<std::size_t>(((item * in[1] + row) * in[2] + col) * in[3] + c)];
        most = std::max(most, value);
        sum += pool.kind == PoolKind::L2 ? static_cast<double>(value) * value : value;
        ++count;
      }
    }
    const auto divisor = static_cast<double>(pool.count_padding ? pool.kernel[0] * pool.kernel[1]
                                                                : std::max<std::int64_t>(count, 1));
    const double mean = sum / divisor;
    y.push_back(pool.kind == PoolKind::Max
                    ? most
                    : static_cast<float>(pool.kind == PoolKind::L2 ? std::sqrt(mean) : mean));
  }
  return y;
}

RunResult run_pool(const PoolCase& each, const std::vector<float>& x) {
  TestGraph test(Layout::ChannelsLast);
  test.add_node(each.pool, {test.add_input(each.in)});
  return run_graph(test, x);
}

TEST(Pool, WindowsOfEverySizeGiveWhatAWalkOverEachGives) {
  const unsigned seed = 20261130;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto draw = [&random](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for (int round = 0; round < 300; ++round) {
    PoolCase each = {{draw(1, 2), draw(1, 30), draw(1, 30), draw(1, 19)}, {}};
    Pool2d& pool = each.pool;
    pool.kind = std::array{PoolKind::Max, PoolKind::Average, PoolKind::L2}[round % 3];
    pool.count_padding = draw(0, 1) == 1;
    for (std::size_t a = 0; a < 2; ++a) {
      pool.kernel[a] = draw(1, each.in[a + 1]);
      pool.stride[a] = draw(1, 3) == 3 ? draw(1, 4) : 1;
      pool.padding.before[a] = draw(0, pool.kernel[a] - 1);
      pool.padding.after[a] = draw(0, pool.kernel[a] - 1);
    }
    std::vector<float> x(static_cast<std::size_t>(*element_count(each.in)));
    for (float& value : x) value = static_cast<float>(draw(-1000, 1000)) / 8.0F;
    const std::vector<float> expected = pool_by_hand(each, x);
    const RunResult result = run_pool(each, x);
    ASSERT_EQ(result.values.size(), expected.size()) << round;
    // A sum of up to 900 values of 125 in float32, each addition off by at most half an ulp of it.
    const float tolerance = pool.kind == PoolKind::Max ? 0.0F : 125.0F * 900.0F * 6e-8F;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(result.values[i], expected[i], tolerance) << round << " value " << i;
    }
  }
}

TEST(Pool, ALargeWindowCostsNoMoreThanASmallOne) {
  for (const PoolKind kind : {PoolKind::Max, PoolKind::Average}) {
    PoolCase each = {{1, 700, 900, 3}, {}};
    each.pool.kind = kind;
    each.pool.kernel = {400, 400};
    each.pool.padding.rule = PadRule::SameUpper;
    std::vector<float> x(static_cast<std::size_t>(*element_count(each.in)), 1.0F);
    x[(350 * 900 + 450) * 3] = 160001.0F;
    const auto begin = std::chrono::steady_clock::now();
    const RunResult result = run_pool(each, x);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    // 3e11 reads where each window is walked over: minutes. In two passes 0.1 s.
    EXPECT_LT(seconds, 20.0);
    ASSERT_EQ(result.values.size(), x.size());
    const float middle = kind == PoolKind::Max ? 160001.0F : 2.0F;
    EXPECT_EQ(result.values[(350 * 900 + 450) * 3], middle);
    EXPECT_EQ(result.values[(350 * 900 + 450) * 3 + 1], 1.0F);
    EXPECT_EQ(result.values[0], 1.0F);
  }
}

TEST(Pool, ALargeWindowKeepsInfinitiesWhereTheyAre) {
  PoolCase each = {{1, 40, 40, 1}, {}};
  each.pool.kind = PoolKind::Average;
  each.pool.kernel = {16, 16};
  std::vector<float> x(1600, 1.0F);
  x[0] = std::numeric_limits<float>::infinity();
  const RunResult result = run_pool(each, x);
  EXPECT_EQ(result.values[0], std::numeric_limits<float>::infinity());
  EXPECT_EQ(result.values[1], 1.0F);
}

// TensorFlow and LiteRT's builtin kernels skip NaN, and of NaN alone they give the lowest float;
// XNNPACK's result depends on where in the window NaN lies. A number would hide that the network is
// broken.
TEST(Pool, AMaximumPassesNanOn) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::int64_t kernel : {2, 16}) {  // by windows; in two passes
    for (const PoolKind kind : {PoolKind::Max, PoolKind::Average}) {
      PoolCase each = {{1, 40, 40, 1}, {}};
      each.pool.kind = kind;
      each.pool.kernel = {kernel, kernel};
      std::vector<float> x(1600, 1.0F);
      x[20 * 40 + 20] = nan;
      const RunResult result = run_pool(each, x);
      const std::int64_t side = 41 - kernel;
      for (std::int64_t i = 0; i < side * side; ++i) {
        const auto holds = [&](std::int64_t at) { return at <= 20 && at + kernel > 20; };
        const bool is_nan = holds(i / side) && holds(i % side);
        ASSERT_EQ(std::isnan(result.values[static_cast<std::size_t>(i)]), is_nan) << i;
      }
    }
  }
}

// A small convolution and the 2x2 pool behind it are one step.
TEST(Pool, AMaximumThatAConvolutionTakesPassesNanOnToo) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId kernel = test.add_weight({1, 1, 1, 1}, {2.0F});
  Conv2d conv;
  conv.kernel_layout = KernelLayout::Ohwi;
  Pool2d pool;
  pool.kernel = pool.stride = {2, 2};
  test.add_node(pool, {test.add_node(conv, {test.add_input({1, 4, 4, 1}), kernel})});
  for (const std::size_t at : {0U, 1U, 4U, 5U}) {
    std::vector<float> x(16, 1.0F);
    x[at] = std::numeric_limits<float>::quiet_NaN();
    const RunResult result = run_graph(test, x);
    EXPECT_TRUE(std::isnan(result.values[0])) << at;
    EXPECT_EQ(result.values[3], 2.0F);
  }
}

TEST(Pool, AMaxPoolWithSamePaddingIgnoresWhatLiesOutside) {
  Pool2d pool;
  pool.kernel = {2, 2};
  pool.padding.rule = PadRule::SameUpper;
  const RunResult result =
      run_one(pool, Layout::ChannelsLast, {1, 2, 3, 1}, {-1, -2, -3, -4, -5, -6});
  EXPECT_EQ(result.values, (std::vector<float>{-1, -2, -3, -4, -5, -6}));
}

TEST(Pool, AnAveragePoolCountsPaddingOnlyWhenAsked) {
  Pool2d pool;
  pool.kind = PoolKind::Average;
  pool.kernel = {1, 2};
  pool.padding.before = {0, 1};
  pool.stride = {1, 2};
  EXPECT_EQ(run_one(pool, Layout::ChannelsLast, {1, 1, 3, 1}, {2, 4, 6}).values,
            (std::vector<float>{2, 5}));
  pool.count_padding = true;
  EXPECT_EQ(run_one(pool, Layout::ChannelsLast, {1, 1, 3, 1}, {2, 4, 6}).values,
            (std::vector<float>{1, 5}));
}

TEST(Pool, IncludeLastPixelRoundsTheOutputUp) {
  Pool2d pool;
  pool.kernel = {1, 3};
  pool.stride = {1, 2};
  pool.padding.rule = PadRule::IncludeLastPixel;
  EXPECT_EQ(run_one(pool, Layout::ChannelsFirst, {1, 1, 1, 6}, {1, 2, 3, 4, 5, 6}).values,
            (std::vector<float>{3, 5, 6}));
}

TEST(Pool, WhatLiesBeyondTheLastPixelsPaddingIsNotCounted) {
  Pool2d pool;
  pool.kind = PoolKind::Average;
  pool.kernel = {1, 3};
  pool.stride = {1, 2};
  pool.padding.rule = PadRule::IncludeLastPixel;
  pool.padding.before = {0, 1};
  pool.padding.after = {0, 1};
  pool.count_padding = true;
  // Windows of the padded row 0 6 6 6 6 0: [0 6 6], [6 6 6], [6 0].
  EXPECT_EQ(run_one(pool, Layout::ChannelsFirst, {1, 1, 1, 4}, {6, 6, 6, 6}).values,
            (std::vector<float>{4, 6, 3}));
}

TEST(Pool, PaddingAlongOneAxisDropsTheLastWindowOfBoth) {
  Pool2d pool;
  pool.kernel = {3, 1};
  pool.stride = {1, 3};
  pool.padding.rule = PadRule::IncludeLastPixel;
  EXPECT_EQ(run_one(pool, Layout::ChannelsFirst, {1, 1, 3, 5}, std::vector<float>(15, 1)).shape,
            (Shape{1, 1, 1, 3}));
  pool.padding.before = {1, 0};
  pool.padding.after = {1, 0};
  EXPECT_EQ(run_one(pool, Layout::ChannelsFirst, {1, 1, 3, 5}, std::vector<float>(15, 1)).shape,
            (Shape{1, 1, 3, 2}));
}

TEST(Pool, AnL2PoolTakesTheRootOfTheMeanOrOfTheSum) {
  Pool2d pool;
  pool.kernel = {1, 4};
  pool.kind = PoolKind::L2;
  EXPECT_EQ(run_one(pool, Layout::ChannelsLast, {1, 1, 4, 1}, {1, 1, 1, 1}).values,
            (std::vector<float>{1}));
  pool.kind = PoolKind::L2Sum;
  EXPECT_EQ(run_one(pool, Layout::ChannelsLast, {1, 1, 4, 1}, {1, 1, 1, 1}).values,
            (std::vector<float>{2}));
}

TEST(Pool, AGlobalPoolAveragesEachPlane) {
  Pool2d pool;
  pool.kind = PoolKind::Average;
  pool.global = true;
  const RunResult result = run_one(pool, Layout::ChannelsFirst, {1, 2, 1, 2}, {1, 3, 10, 30});
  EXPECT_EQ(result.shape, (Shape{1, 2, 1, 1}));
  EXPECT_EQ(result.values, (std::vector<float>{2, 20}));
}

}  // namespace
}  // namespace visionpress
