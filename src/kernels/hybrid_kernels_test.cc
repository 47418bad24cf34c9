#include "kernels/hybrid_kernels.h"

#include <cmath>
#include <limits>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> as_floats(const std::vector<std::uint8_t>& codes) {
  return {codes.begin(), codes.end()};
}

/// Random values, halves that lie between two codes, and what no code can hold.
std::vector<float> make_activations(std::size_t count) {
  std::vector<float> x = make_random(count, 1, 300.0F);
  for (std::size_t i = 0; i < count; i += 3) x[i] = std::floor(x[i]) + 0.5F;
  if (count > 8) x[5] = kInfinity;
  if (count > 8) x[count - 1] = -kInfinity;
  return x;
}

TEST(HybridKernels, CodesAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t count : kOddSizes) {
    std::vector<float> x = make_activations(count);
    for (const bool is_tail : {false, true}) {
      expect_the_reference_on_each_isa([&] {
        std::vector<std::uint8_t> codes(count);
        quantize_away(x.data(), count, {0.5F, 3, -127, is_tail}, codes.data());
        return as_floats(codes);
      });
      expect_the_reference_on_each_isa([&] {
        std::vector<float> rounded(count);
        round_away(x.data(), count, {0.5F, 3, -128, is_tail}, rounded.data());
        return rounded;
      });
    }
    if (count > 8) x[6] = kNan;
    expect_the_reference_on_each_isa([&] {
      std::vector<std::uint8_t> codes(count);
      quantize_even(x.data(), count, 0.5F, -7, codes.data());
      return as_floats(codes);
    });
  }
}

TEST(HybridKernels, TheRangeLeavesNanOutWhereverItStands) {
  for (const std::size_t count : kOddSizes) {
    for (std::size_t at = 0; at < count; ++at) {
      std::vector<float> x = make_random(count, 2, 5.0F);
      x[at] = kNan;
      float least = 0.0F;
      float most = 0.0F;
      for (const float value : x) {
        if (value < least) least = value;
        if (value > most) most = value;
      }
      const auto range = [&] {
        std::vector<float> ends(2);
        range_with_zero(x.data(), count, &ends[0], &ends[1]);
        return ends;
      };
      EXPECT_EQ(range(), (std::vector<float>{least, most})) << at << " of " << count;
      expect_the_reference_on_each_isa(range);
    }
  }
}

TEST(HybridKernels, RoundedValuesAreTheCodesWithoutTheirZero) {
  const std::vector<float> x = make_random(67, 7, 300.0F);
  const AwayRounding rounding = {0.5F, 3, -128, false};
  std::vector<std::uint8_t> codes(x.size());
  std::vector<float> rounded(x.size());
  quantize_away(x.data(), x.size(), rounding, codes.data());
  round_away(x.data(), x.size(), rounding, rounded.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(rounded[i], static_cast<float>(codes[i]) - 128.0F - 3.0F) << i;
  }
}

TEST(HybridKernels, MaximaOfBlocksAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t channels : kOddSizes) {
    constexpr std::size_t kPixels = 3;
    const std::vector<float> rows = make_random(4 * kPixels * channels, 8, 9.0F);
    expect_the_reference_on_each_isa([&] {
      std::vector<float> y(kPixels * channels);
      FloatRows out = {y.data(), channels, 0.0F, 0.0F};
      max_of_blocks(rows.data(), rows.data() + 2 * kPixels * channels, channels, kPixels, out);
      y.push_back(out.low);
      y.push_back(out.high);
      return y;
    });
  }
}

}  // namespace
}  // namespace visionpress
