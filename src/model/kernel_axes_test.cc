#include "model/kernel_axes.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

constexpr std::int64_t kHeight = 3;
constexpr std::int64_t kWidth = 2;

struct Case {
  const char* name = "";
  KernelLayout layout = KernelLayout::Oihw;
  Shape shape = {};
  std::int64_t groups = 1;
  std::int64_t out = 0;  ///< of all groups
  std::int64_t in = 0;   ///< of one group
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"OIHW", KernelLayout::Oihw, {6, 5, kHeight, kWidth}, 2, 6, 5},
      {"IOHW", KernelLayout::Iohw, {10, 3, kHeight, kWidth}, 2, 6, 5},
      {"OHWI", KernelLayout::Ohwi, {6, kHeight, kWidth, 5}, 2, 6, 5},
      {"1HWO", KernelLayout::Hwo, {1, kHeight, kWidth, 8}, 4, 8, 1},
      {"HWIO", KernelLayout::Hwio, {kHeight, kWidth, 5, 6}, 1, 6, 5},
      {"HWOI", KernelLayout::Hwoi, {kHeight, kWidth, 6, 5}, 1, 6, 5},
      {"HWIM", KernelLayout::Hwim, {kHeight, kWidth, 4, 2}, 4, 8, 1},
  };
  return kCases;
}

TEST(KernelAxesTest, SizesAreThoseOfTheConvolution) {
  for (const Case& each : cases()) {
    const KernelSizes sizes = kernel_sizes(each.shape, each.layout, each.groups);
    const KernelSizes expected{.groups = each.groups,
                               .out = each.out,
                               .in_per_group = each.in,
                               .height = kHeight,
                               .width = kWidth};
    EXPECT_EQ(sizes, expected) << each.name;
  }
}

TEST(KernelAxesTest, RowsAndColumnsReachEveryElementOnce) {
  for (const Case& each : cases()) {
    const KernelSizes sizes = kernel_sizes(each.shape, each.layout, each.groups);
    const auto strides = kernel_strides(sizes, each.layout);
    std::vector<int> reached(static_cast<std::size_t>(*element_count(each.shape)));
    for (std::int64_t g = 0; g < sizes.groups; ++g) {
      for (std::int64_t o = 0; o < sizes.out / sizes.groups; ++o) {
        for (std::int64_t i = 0; i < sizes.in_per_group; ++i) {
          for (std::int64_t y = 0; y < kHeight; ++y) {
            for (std::int64_t x = 0; x < kWidth; ++x) {
              const std::int64_t at = g * strides[0] + o * strides[1] + i * strides[2] +
                                      y * strides[3] + x * strides[4];
              ASSERT_LT(at, static_cast<std::int64_t>(reached.size())) << each.name;
              ++reached[static_cast<std::size_t>(at)];
            }
          }
        }
      }
    }
    for (const int times : reached) EXPECT_EQ(times, 1) << each.name;
  }
}

TEST(KernelAxesTest, OutputChannelsAreTheRowsOfTheKernel) {
  for (const Case& each : cases()) {
    Conv2d conv;
    conv.kernel_layout = each.layout;
    const auto split = find_output_channels(conv, each.shape);
    if (each.layout == KernelLayout::Iohw) {
      EXPECT_FALSE(split);
      continue;
    }
    ASSERT_TRUE(split) << each.name;
    EXPECT_EQ(split->channels, static_cast<std::size_t>(each.out)) << each.name;
    EXPECT_EQ(split->outer * split->channels * split->inner,
              static_cast<std::size_t>(*element_count(each.shape)));
    // Output channel c of row (g, o) begins where the strides say.
    const KernelSizes sizes = kernel_sizes(each.shape, each.layout, each.groups);
    const auto strides = kernel_strides(sizes, each.layout);
    const std::int64_t rows = sizes.out / sizes.groups;
    for (std::int64_t c = 0; c < sizes.out; ++c) {
      EXPECT_EQ(static_cast<std::int64_t>(split->inner) * c,
                c / rows * strides[0] + c % rows * strides[1])
          << each.name;
    }
  }
}

TEST(KernelAxesTest, AMatrixHasItsRowsWhereItsOperatorSays) {
  FullyConnected matrix;
  EXPECT_EQ(find_output_channels(matrix, {4, 7})->channels, 4U);
  matrix.kernel_is_in_out = true;
  EXPECT_EQ(find_output_channels(matrix, {4, 7})->channels, 7U);
  EXPECT_FALSE(find_output_channels(matrix, {4, 7, 1}));
  EXPECT_FALSE(find_output_channels(matrix, {0, 7}));
  EXPECT_FALSE(find_output_channels(Conv2d{}, {3, 3}));
  EXPECT_FALSE(find_output_channels(Identity{}, {4, 7}));
}

TEST(KernelAxesTest, TheTapsOfAChannelLieWhereTheStridesSay) {
  for (const Case& each : cases()) {
    Conv2d conv;
    conv.kernel_layout = each.layout;
    Shape shape = each.shape;
    KernelAxes axes = kernel_axes(each.layout);
    int axis = axes.out;
    if (each.layout == KernelLayout::Hwim) {
      EXPECT_FALSE(find_channel_taps(conv, shape, axes.in));  // two results per channel
      shape = {kHeight, kWidth, 8, 1};
      axis = axes.in;
    }
    const auto taps = find_channel_taps(conv, shape, axis);
    // Only transposed convolutions have this layout.
    if (each.layout == KernelLayout::Iohw) continue;
    ASSERT_TRUE(taps) << each.name;
    EXPECT_EQ(taps->height, static_cast<std::size_t>(kHeight)) << each.name;
    EXPECT_EQ(taps->width, static_cast<std::size_t>(kWidth)) << each.name;
    EXPECT_EQ(taps->inputs, static_cast<std::size_t>(each.in)) << each.name;
    // The elements of channel 1, in the order in which the kernel stores them.
    const KernelSizes sizes = kernel_sizes(shape, each.layout, each.groups);
    const AxisSplit split = split_at(shape, static_cast<std::size_t>(axis));
    const auto strides = kernel_strides(sizes, each.layout);
    const std::int64_t rows = sizes.out / sizes.groups;
    for (std::size_t i = 0; i < split.outer * split.inner; ++i) {
      const std::size_t tap =
          taps->inputs_last ? i / taps->inputs : i % (taps->height * taps->width);
      const std::size_t input =
          taps->inputs_last ? i % taps->inputs : i / (taps->height * taps->width);
      const auto expected = 1 / rows * strides[0] + 1 % rows * strides[1] +
                            static_cast<std::int64_t>(input) * strides[2] +
                            static_cast<std::int64_t>(tap / taps->width) * strides[3] +
                            static_cast<std::int64_t>(tap % taps->width) * strides[4];
      const std::size_t at = (i / split.inner * split.channels + 1) * split.inner + i % split.inner;
      ASSERT_EQ(static_cast<std::int64_t>(at), expected) << each.name << ", value " << i;
    }
  }
}

TEST(KernelAxesTest, ChannelsWhoseValuesDoNotMakeOneResultHaveNoTaps) {
  Conv2d conv;
  EXPECT_FALSE(find_channel_taps(conv, {6, 5, 3, 2}, 1));  // not the output channels
  EXPECT_FALSE(find_channel_taps(conv, {6, 5}, 0));
  EXPECT_FALSE(find_channel_taps(conv, {6, 0, 3, 2}, 0));
  conv.transposed = true;
  EXPECT_FALSE(find_channel_taps(conv, {6, 5, 3, 2}, 0));
  EXPECT_FALSE(find_channel_taps(Identity{}, {6, 5}, 0));
  FullyConnected matrix;
  EXPECT_EQ(find_channel_taps(matrix, {4, 7}, 0)->inputs, 7U);
  EXPECT_FALSE(find_channel_taps(matrix, {4, 7}, 1));
  matrix.kernel_is_in_out = true;
  EXPECT_EQ(find_channel_taps(matrix, {4, 7}, 1)->inputs, 4U);
}

}  // namespace
}  // namespace visionpress
