#include "kernels/litert_math.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/each_isa_testonly.h"

// That the bits are LiteRT's is what tests/makers/check_litert_operators.py judges. Here: that
// every instruction set computes the function at all, for counts that fill no whole vector.

namespace visionpress {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Function = std::function<void(const float* x, std::size_t count, float* y)>;

std::vector<float> map_values(const Function& function, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  function(x.data(), x.size(), y.data());
  return y;
}

/// 1 to 131 values from -20 to 20, and at the ends of what a float holds.
void expect_follows(const Function& function, double (*exact)(double)) {
  for (const std::size_t count :
       {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{131}}) {
    std::vector<float> x(count);
    for (std::size_t i = 0; i < count; ++i) {
      x[i] = -20.0F + 40.0F * (static_cast<float>(i) + 0.5F) / static_cast<float>(count);
    }
    const std::vector<float> y = map_values(function, x);
    for (std::size_t i = 0; i < count; ++i) {
      const double right = exact(x[i]);
      EXPECT_NEAR(y[i], right, 1e-6 * std::max(1.0, std::abs(right))) << "of " << x[i];
    }
  }
  const std::vector<float> ends = {-1000.0F, 1000.0F, -0.0F, 1e-30F};
  const std::vector<float> y = map_values(function, ends);
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const double right = exact(ends[i]);
    EXPECT_NEAR(y[i], right, 1e-6 * std::max(1.0, std::abs(right))) << "of " << ends[i];
  }
  EXPECT_TRUE(std::isnan(map_values(function, {kNan})[0]));
}

Function with(LitertKernels kernels,
              void (*function)(LitertKernels, const float*, std::size_t, float*)) {
  return [=](const float* x, std::size_t count, float* y) { function(kernels, x, count, y); };
}

TEST(LitertMath, FunctionsAreWhatTheirNamesSay) {
  for (const LitertKernels kernels : {LitertKernels::Xnnpack, LitertKernels::Builtin}) {
    expect_follows(with(kernels, litert_sigmoid),
                   [](double x) { return 1.0 / (1.0 + std::exp(-x)); });
    expect_follows(with(kernels, litert_tanh), [](double x) { return std::tanh(x); });
    expect_follows(with(kernels, litert_hard_swish),
                   [](double x) { return x * std::clamp(x + 3.0, 0.0, 6.0) / 6.0; });
  }
  expect_follows(xnnpack_elu, [](double x) { return x < 0.0 ? std::expm1(x) : x; });
}

TEST(LitertMath, SquareRoots) {
  const std::vector<float> x = {1e-30F, 0.25F, 1.0F, 2.0F, 3.0F, 1e10F, 1e30F};
  const std::vector<float> root = map_values(xnnpack_sqrt, x);
  const std::vector<float> inverse = map_values(xnnpack_rsqrt, x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(root[i] / std::sqrt(x[i]), 1.0, 1e-6) << "of " << x[i];
    EXPECT_NEAR(inverse[i] * std::sqrt(x[i]), 1.0, 1e-6) << "of " << x[i];
  }
  EXPECT_EQ(map_values(xnnpack_sqrt, {0.0F})[0], 0.0F);
  EXPECT_EQ(map_values(xnnpack_sqrt, {kInfinity})[0], kInfinity);
  EXPECT_EQ(map_values(xnnpack_rsqrt, {kInfinity})[0], 0.0F);
  // NaN in LiteRT, and here where the processor estimates roots.
  EXPECT_FALSE(std::isfinite(map_values(xnnpack_rsqrt, {0.0F})[0]));
}

TEST(LitertMath, SoftmaxIsSharesOfOne) {
  constexpr std::size_t kCount = 37;
  std::vector<float> x(2 * kCount);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7 % 11) - 5.0F;
  const auto expect_shares = [&x](const std::vector<float>& y, std::size_t row, double beta) {
    double sum = 0.0;
    for (std::size_t i = 0; i < kCount; ++i) sum += std::exp(beta * x[row * kCount + i]);
    for (std::size_t i = 0; i < kCount; ++i) {
      const std::size_t at = row * kCount + i;
      EXPECT_NEAR(y[at], std::exp(beta * x[at]) / sum, 1e-6) << at;
    }
  };
  std::vector<float> y(x.size());
  xnnpack_softmax(x.data(), kCount, y.data());
  expect_shares(y, 0, 1.0);
  builtin_softmax(x.data(), 2, kCount, 0.5F, y.data());
  expect_shares(y, 0, 0.5);
  expect_shares(y, 1, 0.5);
}

TEST(LitertMath, SumsAreOfEveryValue) {
  for (const std::size_t count :
       {std::size_t{1}, std::size_t{9}, std::size_t{100}, std::size_t{1001}}) {
    std::vector<float> x(count + 3);
    std::iota(x.begin(), x.end(), 1.0F);  // whole numbers: the order of the sum does not matter
    const float all =
        std::accumulate(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(count), 0.0F);
    EXPECT_EQ(xnnpack_sum(x.data(), count), all);
    for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
      EXPECT_EQ(builtin_line_sum(x.data() + offset, count, offset),
                all + static_cast<float>(offset * count));
    }
  }
}

/// Values of every size, around 0 and at the ends of what a float holds.
std::vector<float> make_arguments(std::size_t count) {
  std::vector<float> x = make_random(count, 1, 30.0F);
  const std::vector<float> ends = {0.0F,  -0.0F,   1e-40F,    -1e-40F,    87.0F, -87.3F,
                                   88.0F, -103.9F, kInfinity, -kInfinity, kNan,  -1000.0F};
  for (std::size_t i = 0; i < ends.size() && 5 * i < count; ++i) x[5 * i] = ends[i];
  return x;
}

TEST(LitertMath, FunctionsAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t count :
       {std::size_t{1}, std::size_t{17}, std::size_t{67}, std::size_t{1000}, std::size_t{1003}}) {
    const std::vector<float> x = make_arguments(count);
    for (const LitertKernels kernels : {LitertKernels::Xnnpack, LitertKernels::Builtin}) {
      for (const auto function : {litert_sigmoid, litert_tanh, litert_hard_swish}) {
        expect_the_reference_on_each_isa([&] { return map_values(with(kernels, function), x); });
      }
    }
    expect_the_reference_on_each_isa([&] { return map_values(xnnpack_elu, x); });
    expect_the_reference_on_each_isa(
        [&] { return map_values(xnnpack_softmax, make_random(count, 2, 40.0F)); });
    expect_the_reference_on_each_isa([&] {
      std::vector<float> y(count);
      builtin_softmax(make_random(count, 3, 40.0F).data(), 1, count, 0.9F, y.data());
      return y;
    });
  }
}

TEST(LitertMath, RootsAreExactWithoutTheEstimatesOfAvx512) {
  const std::vector<float> x = make_random(1000, 4, 30.0F);
  for (const Isa isa : {Isa::Scalar, Isa::Avx2}) {
    const ForcedIsa forced(isa);
    for (const float value : x) {
      const float positive = std::abs(value);
      ASSERT_EQ(map_values(xnnpack_sqrt, {positive})[0], std::sqrt(positive));
      ASSERT_EQ(map_values(xnnpack_rsqrt, {positive})[0], 1.0F / std::sqrt(positive));
    }
  }
}

}  // namespace
}  // namespace visionpress
