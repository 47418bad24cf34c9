#include "kernels/winograd.h"

#include <cmath>
#include <limits>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

WinogradTiles tiles_of(std::size_t height, std::size_t width, std::size_t channels,
                       std::size_t columns, std::size_t pad) {
  return {height, width, channels, height + 2 * pad - 2, width + 2 * pad - 2, columns, pad, pad};
}

/// All 16 products of each tile, summed in double.
std::vector<float> multiply_tiles(const WinogradTiles& shape, const std::vector<float>& v,
                                  const std::vector<float>& kernel, std::size_t tiles) {
  std::vector<float> m(kWinogradPositions * tiles * shape.out_channels);
  for (std::size_t o = 0; o < shape.out_channels; ++o) {
    for (std::size_t c = 0; c < shape.in_channels; ++c) {
      std::array<float, 9> taps = {};
      for (std::size_t i = 0; i < taps.size(); ++i)
        taps[i] = kernel[(o * shape.in_channels + c) * taps.size() + i];
      const auto u = transform_winograd_kernel(taps);
      for (std::size_t p = 0; p < u.size(); ++p) {
        for (std::size_t t = 0; t < tiles; ++t)
          m[(p * tiles + t) * shape.out_channels + o] +=
              u[p] * v[(p * tiles + t) * shape.in_channels + c];
      }
    }
  }
  return m;
}

std::vector<float> convolve(const WinogradTiles& shape, std::size_t images,
                            const SmallConvActivation& activation) {
  const auto x =
      make_random(images * shape.in_height * shape.in_width * shape.in_channels, 1, 3.0F);
  const auto kernel = make_random(9 * shape.in_channels * shape.out_channels, 2, 1.0F);
  const auto bias = make_random(shape.out_channels, 3, 2.0F);
  const std::size_t tiles = images * shape.across() * shape.down();
  std::vector<float> v(kWinogradPositions * tiles * shape.in_channels);
  transform_winograd_input(shape, x.data(), {0, tiles}, v.data(), tiles);
  const std::vector<float> m = multiply_tiles(shape, v, kernel, tiles);
  std::vector<float> y(images * shape.out_height * shape.out_width * shape.out_channels);
  transform_winograd_output(shape,
                            {m.data(), tiles, 0, shape.out_channels, bias.data(), activation},
                            {0, tiles}, y.data());
  return y;
}

/// The same convolution by its definition, in double.
std::vector<double> convolve_directly(const WinogradTiles& shape, std::size_t images) {
  const auto x =
      make_random(images * shape.in_height * shape.in_width * shape.in_channels, 1, 3.0F);
  const auto kernel = make_random(9 * shape.in_channels * shape.out_channels, 2, 1.0F);
  const auto bias = make_random(shape.out_channels, 3, 2.0F);
  std::vector<double> y;
  for (std::size_t i = 0; i < images * shape.out_height * shape.out_width * shape.out_channels;
       ++i) {
    const std::size_t o = i % shape.out_channels;
    const std::size_t column = i / shape.out_channels % shape.out_width;
    const std::size_t row = i / shape.out_channels / shape.out_width % shape.out_height;
    const std::size_t image = i / shape.out_channels / shape.out_width / shape.out_height;
    double sum = bias[o];
    for (std::size_t tap = 0; tap < 9; ++tap) {
      const std::size_t in_row = row + tap / 3 - shape.pad_top;
      const std::size_t in_column = column + tap % 3 - shape.pad_left;
      if (in_row >= shape.in_height || in_column >= shape.in_width) continue;
      for (std::size_t c = 0; c < shape.in_channels; ++c) {
        const std::size_t pixel = (image * shape.in_height + in_row) * shape.in_width + in_column;
        sum += static_cast<double>(x[pixel * shape.in_channels + c]) *
               kernel[(o * shape.in_channels + c) * 9 + tap];
      }
    }
    y.push_back(sum);
  }
  return y;
}

TEST(Winograd, ResultsAreThoseOfTheConvolution) {
  for (const std::size_t height : {3U, 4U, 7U}) {
    for (const std::size_t channels : {1U, 17U}) {
      for (const std::size_t pad : {0U, 1U}) {
        const WinogradTiles shape = tiles_of(height, 6, channels, 5, pad);
        const std::vector<float> y = convolve(shape, 2, {1.0F, -kInfinity, kInfinity});
        const std::vector<double> right = convolve_directly(shape, 2);
        ASSERT_EQ(y.size(), right.size());
        for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], right[i], 1e-4) << i;
      }
    }
  }
}

TEST(Winograd, TransformsAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t channels : kOddSizes) {
    for (const SmallConvActivation activation : {SmallConvActivation{1.0F, -kInfinity, kInfinity},
                                                 SmallConvActivation{0.1F, -2.0F, 5.0F}}) {
      expect_the_reference_on_each_isa(
          [&] { return convolve(tiles_of(5, 4, channels, channels, 1), 2, activation); });
    }
  }
}

TEST(Winograd, APartOfTilesAndColumnsIsWrittenToItsPlace) {
  const WinogradTiles shape = tiles_of(6, 6, 1, 4, 1);
  const std::vector<float> m(kWinogradPositions * 2 * 2, 1.0F);  // two tiles, two columns
  const std::vector<float> bias = {10, 20, 30, 40};
  std::vector<float> y(36 * 4, 0.0F);
  transform_winograd_output(shape, {m.data(), 2, 1, 2, bias.data(), {1.0F, -kInfinity, kInfinity}},
                            {4, 6}, y.data());
  // A^T of sixteen ones gives 9 in the first result of a tile, -3, -3 and 1 in the others.
  const auto at = [&](std::size_t row, std::size_t column, std::size_t channel) {
    return y[(row * 6 + column) * 4 + channel];
  };
  EXPECT_EQ(at(2, 2, 1), 29.0F);
  EXPECT_EQ(at(2, 2, 2), 39.0F);
  EXPECT_EQ(at(2, 3, 1), 17.0F);
  EXPECT_EQ(at(3, 2, 1), 17.0F);
  EXPECT_EQ(at(3, 5, 2), 31.0F);
  EXPECT_EQ(at(2, 2, 0), 0.0F);
  EXPECT_EQ(at(2, 2, 3), 0.0F);
  EXPECT_EQ(at(2, 1, 1), 0.0F);
}

TEST(Winograd, KernelsAreRoundedOnce) {
  const auto u = transform_winograd_kernel({1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(u[0], 1.0F);
  EXPECT_EQ(u[1], 3.0F);  // (1 + 2 + 3) / 2
  EXPECT_EQ(u[2], 1.0F);  // (1 - 2 + 3) / 2
  EXPECT_EQ(u[3], 3.0F);
  EXPECT_EQ(u[4], 6.0F);    // (1 + 4 + 7) / 2
  EXPECT_EQ(u[5], 11.25F);  // the sum of all, by 4
  EXPECT_EQ(u[15], 9.0F);
}

}  // namespace
}  // namespace visionpress
