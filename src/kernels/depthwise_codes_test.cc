#include "kernels/depthwise_codes.h"

#include <random>
#include <vector>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

struct Sizes {
  std::size_t taps = 1;
  std::size_t channels = 1;
  std::size_t pixels = 1;  ///< per step
  std::int32_t zero_point = 0;
};

std::vector<float> convolve(const Sizes& sizes) {
  constexpr std::size_t kSteps = 3;
  std::mt19937 random(7);
  const std::size_t codes = sizes.channels * sizes.pixels;
  std::vector<std::uint8_t> weights(sizes.taps * sizes.channels);
  for (auto& w : weights) w = static_cast<std::uint8_t>(random() & 0xFFU);
  weights[0] = 127;
  std::vector<std::uint8_t> x(sizes.taps * 5 + kSteps * codes + codes + kDepthwiseCodeSlack);
  for (auto& code : x) code = static_cast<std::uint8_t>(random() & 0xFFU);
  std::fill_n(x.begin(), codes, std::uint8_t{255});
  std::vector<std::int32_t> offsets(sizes.channels);
  std::vector<float> scales(sizes.channels);
  for (std::size_t c = 0; c < sizes.channels; ++c) {
    offsets[c] = static_cast<std::int32_t>(random() % 2000) - 1000;
    scales[c] = 0.001F * static_cast<float>(c % 7 + 1);
  }
  SumsToCodes how;
  how.offsets = offsets.data();
  how.scales = scales.data();
  how.zero = 90;
  how.low = 2;
  how.high = 250;
  const DepthwiseCodeKernel kernel = pack_depthwise_codes(weights, sizes.taps, sizes.zero_point,
                                                          how, sizes.channels, sizes.pixels);
  std::vector<std::size_t> taps(sizes.taps);
  for (std::size_t t = 0; t < sizes.taps; ++t) taps[t] = 5 * t;
  std::vector<std::uint8_t> y(kSteps * codes);
  convolve_depthwise_codes(kernel, {x.data(), taps.data(), kSteps, codes, y.data()}, how);
  return {y.begin(), y.end()};
}

TEST(DepthwiseCodes, CodesAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t channels : kOddSizes) {
    for (const std::size_t taps : {1U, 2U, 3U, 4U, 9U, 25U}) {
      expect_the_reference_on_each_isa([&] { return convolve({taps, channels, 1, 0}); });
      expect_the_reference_on_each_isa([&] { return convolve({taps, channels, 1, -3}); });
    }
  }
}

TEST(DepthwiseCodes, AStepMayHoldSeveralPixels) {
  for (const std::size_t pixels : {2U, 8U, 11U}) {
    expect_the_reference_on_each_isa([&] { return convolve({9, 8, pixels, 0}); });
    expect_the_reference_on_each_isa([&] { return convolve({9, 24, pixels, 100}); });
  }
}

}  // namespace
}  // namespace visionpress
