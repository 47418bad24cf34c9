#include "kernels/max_pool.h"

#include <limits>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

TEST(MaxPool, MaximaAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t channels : kOddSizes) {
    for (const std::size_t count : {0U, 1U, 4U, 9U}) {
      std::vector<float> x = make_random(count * channels, 1, 5.0F);
      // The first pixel, a pixel between others, and the last one hold NaN in some channel.
      constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
      if (count > 1) x[0] = kNan;
      if (count > 4) x[4 * channels + channels / 2] = kNan;
      if (count > 1) x.back() = kNan;
      std::vector<const float*> pixels;
      for (std::size_t p = 0; p < count; ++p) pixels.push_back(x.data() + p * channels);
      expect_the_reference_on_each_isa([&] {
        std::vector<float> y(channels);
        max_of_pixels(pixels.data(), count, channels, y.data());
        return y;
      });
    }
  }
}

TEST(MaxPool, TheLargestOfThreePixels) {
  const std::vector<float> a = {1, -5, 2};
  const std::vector<float> b = {0, -4, 2};
  const std::vector<float> c = {3, -6, 1};
  const float* const pixels[] = {a.data(), b.data(), c.data()};
  std::vector<float> y(3);
  max_of_pixels(pixels, 3, 3, y.data());
  EXPECT_EQ(y, (std::vector<float>{3, -4, 2}));
}

}  // namespace
}  // namespace visionpress
