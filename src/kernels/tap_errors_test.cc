#include "kernels/tap_errors.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

struct Case {
  TapLayout layout = {};
  LinearStep step = {};
  std::string name = {};
};

TapLayout make_layout(std::size_t height, std::size_t width, std::size_t inputs, bool inputs_last) {
  return {.height = height,
          .width = width,
          .inputs = inputs,
          .tap_stride = inputs_last ? inputs : 1,
          .input_stride = inputs_last ? 1 : height * width};
}

/// Grids that clip some of values in -1..1, windows of every kind, and inputs around whole vectors.
std::vector<Case> list_cases() {
  std::vector<Case> cases;
  const LinearStep steps[] = {{.scale = 0.12F, .offset = -0.85F, .top = 15},
                              {.scale = 0.3F, .is_signed = true, .top = 3},
                              {.scale = 1.1F, .offset = -0.55F, .top = 1},
                              {.scale = 0.02F, .offset = -1.01F, .top = 127}};
  const std::pair<std::size_t, std::size_t> windows[] = {{1, 1}, {3, 3}, {5, 5},  {1, 7},
                                                         {2, 3}, {4, 1}, {12, 12}};
  for (const LinearStep& step : steps) {
    for (const auto& [height, width] : windows) {
      for (const std::size_t inputs : kOddSizes) {
        for (const bool last : {false, true}) {
          cases.push_back({make_layout(height, width, inputs, last), step,
                           std::to_string(height) + "x" + std::to_string(width) + " taps of " +
                               std::to_string(inputs) + " inputs, top " +
                               std::to_string(step.top)});
        }
      }
    }
  }
  return cases;
}

std::size_t count_of(const TapLayout& layout) { return layout.taps() * layout.inputs; }

int code_at(const std::vector<std::byte>& codes, std::size_t at, bool is_signed) {
  return is_signed ? load_le<std::int8_t>(codes, at) : load_le<std::uint8_t>(codes, at);
}

/// Errors of one input's taps, and e' R e by its definition.
struct Window {
  std::vector<double> errors = {};
  double cost = 0.0;
};

Window read_window(const Case& each, FloatView values, const std::vector<std::byte>& codes,
                   std::size_t input) {
  const TapLayout& layout = each.layout;
  Window window;
  for (std::size_t t = 0; t < layout.taps(); ++t) {
    const std::size_t at = t * layout.tap_stride + input * layout.input_stride;
    const float place = (values[at] - each.step.offset) * (1.0F / each.step.scale);
    window.errors.push_back(code_at(codes, at, each.step.is_signed) - static_cast<double>(place));
  }
  for (std::size_t a = 0; a < layout.taps(); ++a) {
    for (std::size_t b = 0; b < layout.taps(); ++b) {
      const auto distance = [&](std::size_t i, std::size_t j) { return i > j ? i - j : j - i; };
      const std::size_t far = distance(a / layout.width, b / layout.width) +
                              distance(a % layout.width, b % layout.width);
      window.cost += window.errors[a] * window.errors[b] *
                     std::pow(static_cast<double>(kTapCorrelation), static_cast<double>(far));
    }
  }
  return window;
}

TEST(TapErrorsTest, EveryIsaGivesTheReferencesBits) {
  for (const Case& each : list_cases()) {
    SCOPED_TRACE(each.name);
    const std::vector<float> values = make_random(count_of(each.layout), 5, 1.0F);
    std::vector<std::byte> misaligned(values.size() * sizeof(float) + 1);
    std::memcpy(misaligned.data() + 1, values.data(), values.size() * sizeof(float));
    const FloatView view(Bytes(misaligned).subspan(1));
    expect_the_reference_on_each_isa([&] {
      std::vector<std::byte> codes(values.size());
      const TapErrors errors = cancel_tap_errors(view, each.step, each.layout, codes);
      std::vector<float> seen = errors.sums;
      seen.insert(seen.end(), errors.up_costs.begin(), errors.up_costs.end());
      seen.insert(seen.end(), errors.down_costs.begin(), errors.down_costs.end());
      for (const std::int32_t tap : errors.up_taps) seen.push_back(static_cast<float>(tap));
      for (const std::int32_t tap : errors.down_taps) seen.push_back(static_cast<float>(tap));
      for (const std::byte code : codes) seen.push_back(std::to_integer<std::uint8_t>(code));
      return seen;
    });
  }
}

TEST(TapErrorsTest, CodesAreNeighboursOfTheirPlaceAndCostNoMoreThanTheNearest) {
  for (const Case& each : list_cases()) {
    SCOPED_TRACE(each.name);
    const std::vector<float> values = make_random(count_of(each.layout), 6, 1.0F);
    std::vector<std::byte> nearest(values.size());
    std::vector<std::byte> codes(values.size());
    (void)encode_linear(values, each.step, nearest);
    (void)cancel_tap_errors(values, each.step, each.layout, codes);
    for (std::size_t i = 0; i < each.layout.inputs; ++i) {
      const Window before = read_window(each, values, nearest, i);
      const Window after = read_window(each, values, codes, i);
      EXPECT_LE(after.cost, before.cost + 1e-4 * (1.0 + before.cost));
      for (std::size_t t = 0; t < after.errors.size(); ++t) {
        const bool is_clipped = std::fabs(before.errors[t]) > 0.5001;
        ASSERT_LE(std::fabs(after.errors[t]), is_clipped ? std::fabs(before.errors[t]) : 1.0);
      }
    }
  }
}

TEST(TapErrorsTest, NoSingleChangeLowersTheErrorAndItsCostIsWhatIsSaid) {
  for (const Case& each : list_cases()) {
    SCOPED_TRACE(each.name);
    const std::vector<float> values = make_random(count_of(each.layout), 7, 1.0F);
    std::vector<std::byte> codes(values.size());
    const TapErrors found = cancel_tap_errors(values, each.step, each.layout, codes);
    const std::size_t input = each.layout.inputs / 2;
    const Window now = read_window(each, values, codes, input);
    double sum = 0.0;
    double up = std::numeric_limits<double>::infinity();
    double down = up;
    for (std::size_t t = 0; t < now.errors.size(); ++t) {
      const double error = now.errors[t];
      sum += error;
      const std::size_t at = t * each.layout.tap_stride + input * each.layout.input_stride;
      if (error == 0.0 || std::fabs(error) >= 1.0) continue;  // on a level, or clipped
      const int move = error > 0.0 ? -1 : 1;
      const int to = code_at(codes, at, each.step.is_signed) + move;
      const auto place = static_cast<float>(to);
      if (place < each.step.low() || place > each.step.high()) continue;
      std::vector<std::byte> other = codes;
      other[at] = static_cast<std::byte>(to & 0xff);
      const double cost = read_window(each, values, other, input).cost - now.cost;
      EXPECT_GE(cost, -1e-3);
      double& least = move > 0 ? up : down;
      least = std::min(least, cost);
    }
    const double rounding = 1e-5 * static_cast<double>(now.errors.size());
    EXPECT_NEAR(found.sums[input], sum, rounding);
    if (std::isfinite(up)) {
      EXPECT_NEAR(found.up_costs[input], up, 1e-2);
    }
    if (std::isfinite(down)) {
      EXPECT_NEAR(found.down_costs[input], down, 1e-2);
    }
  }
}

TEST(TapErrorsTest, ErrorsOfOneSignBecomeErrorsOfBothSigns) {
  // All nine taps lie 0.4 above level 3: rounded to nearest they lack 3.6 steps together.
  const std::vector<float> values(9, 3.4F);
  const LinearStep step{.top = 15};
  std::vector<std::byte> codes(9);
  const TapErrors errors = cancel_tap_errors(values, step, make_layout(3, 3, 1, false), codes);
  EXPECT_NEAR(errors.sums[0], -0.6, 1e-5);  // three of nine at level 4
}

TEST(TapErrorsTest, ValuesOnALevelAndBeyondTheGridKeepTheNearestCode) {
  // The outlier lacks 1e9 steps, which no other tap can make up for.
  const std::vector<float> values = {2.0F, 2.0F, 5.0F, 1e9F, 0.0F, 0.0F, 7.0F, 1.0F, 15.0F};
  const LinearStep step{.top = 15};
  std::vector<std::byte> codes(9);
  const TapErrors errors = cancel_tap_errors(values, step, make_layout(3, 3, 1, false), codes);
  const std::vector<int> expected = {2, 2, 5, 15, 0, 0, 7, 1, 15};
  for (std::size_t i = 0; i < codes.size(); ++i)
    EXPECT_EQ(code_at(codes, i, false), expected[i]) << i;
  EXPECT_TRUE(std::isinf(errors.up_costs[0]));
  EXPECT_TRUE(std::isinf(errors.down_costs[0]));
}

}  // namespace
}  // namespace visionpress
