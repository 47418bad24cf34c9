#include "kernels/float_functions.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Case {
  FloatFunction function;
  double (*exact)(double);
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {FloatFunction::Exp, [](double x) { return std::exp(x); }},
      {FloatFunction::Log, [](double x) { return std::log(x); }},
      {FloatFunction::Sigmoid, [](double x) { return 1.0 / (1.0 + std::exp(-x)); }},
      {FloatFunction::Tanh, [](double x) { return std::tanh(x); }},
      {FloatFunction::Expm1, [](double x) { return std::expm1(x); }},
      {FloatFunction::Softplus, [](double x) { return x > 700 ? x : std::log1p(std::exp(x)); }},
  };
  return all;
}

void expect_near_exact(const Case& each, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  apply_function(each.function, x.data(), x.size(), y.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = each.exact(static_cast<double>(x[i]));
    const auto rounded = static_cast<float>(exact);
    const int function = static_cast<int>(each.function);
    if (std::isnan(exact)) {
      EXPECT_TRUE(std::isnan(y[i])) << function << " of " << x[i];
    } else if (std::isinf(rounded) || std::abs(rounded) < 1e-37F) {
      EXPECT_TRUE(y[i] == rounded || std::abs(y[i] - rounded) < 1e-37F)
          << function << " of " << x[i];
    } else {
      EXPECT_NEAR(y[i], exact, 6e-7 * std::abs(exact)) << function << " of " << x[i];
    }
  }
}

TEST(FloatFunctions, AreExactToAFewUnitsOnEveryInstructionSet) {
  for (const Case& each : cases()) {
    for_each_isa([&] {
      for (const float reach : {0.001F, 1.0F, 20.0F, 88.0F}) {
        for (const std::size_t count : kOddSizes)
          expect_near_exact(each, make_random(count, 3, reach));
      }
      expect_near_exact(each, make_random(5000, 4, 12.0F));
    });
  }
}

TEST(FloatFunctions, EndsAndNan) {
  for (const Case& each : cases()) {
    for_each_isa([&] {
      expect_near_exact(each, {kInfinity, -kInfinity, kNan, 0.0F, 1000.0F, -1000.0F, 88.8F, 89.0F,
                               -104.5F, 3e38F, -3e38F, 1e-30F, -1e-30F, 1.0F});
    });
  }
}

TEST(FloatFunctions, ThePlaceOfAValueDoesNotMatter) {
  const std::vector<float> x = make_random(67, 5, 9.0F);
  for (const Case& each : cases()) {
    std::vector<float> whole(x.size());
    std::vector<float> pieces = x;
    apply_function(each.function, x.data(), x.size(), whole.data());
    apply_function(each.function, pieces.data(), 5, pieces.data());
    apply_function(each.function, pieces.data() + 5, 62, pieces.data() + 5);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(whole[i])) continue;
      EXPECT_EQ(whole[i], pieces[i]) << i;
    }
  }
}

}  // namespace
}  // namespace visionpress
