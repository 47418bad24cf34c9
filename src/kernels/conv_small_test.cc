#include "kernels/conv_small.h"

#include <cmath>
#include <limits>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

/// A 3x3 convolution of 7 x 9 pixels, padded by one on each side.
std::vector<float> convolve(std::size_t stride, std::size_t out_channels,
                            const SmallConvOptions& options) {
  SmallConvShape shape;
  shape.in_height = 7;
  shape.in_width = 9;
  shape.in_channels = 3;
  const std::size_t out_height = (shape.in_height - 1) / stride + 1;
  shape.out_width = (shape.in_width - 1) / stride + 1;
  shape.out_channels = out_channels;
  shape.kernel_height = shape.kernel_width = 3;
  shape.stride_height = shape.stride_width = stride;
  shape.pad_top = shape.pad_left = 1;
  const std::vector<float> x = make_random(7 * 9 * 3, 1, 2.0F);
  const std::vector<float> kernel = make_random(27 * out_channels, 2, 1.0F);
  std::vector<float> packed(small_conv_packed_size(shape));
  pack_small_conv(shape, kernel, packed);
  std::vector<float> bias = make_random(out_channels, 3, 1.0F);
  bias.resize(small_conv_padded_channels(shape));
  const std::size_t pool = options.max_pool_2x2 ? 2 : 1;
  const std::size_t rows = out_height / pool;
  std::vector<float> scratch(small_conv_scratch_size(shape, options, rows));
  std::vector<float> y(rows * (shape.out_width / pool) * out_channels);
  conv_small(shape, options, {x.data(), packed.data(), bias.data(), scratch.data(), y.data()}, 0,
             rows);
  return y;
}

TEST(ConvSmall, IsTheReferencesOnEachInstructionSet) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const SumOrder order : {SumOrder::FusedBiasFirst, SumOrder::PlainBiasLast}) {
    for (const SmallConvActivation activation : {SmallConvActivation{1.0F, -kInfinity, kInfinity},
                                                 SmallConvActivation{0.1F, -0.3F, 6.0F}}) {
      for (const bool pools : {false, true}) {
        for (const std::size_t stride : {1U, 2U}) {
          for (const std::size_t out : {1U, 7U, 16U, 17U}) {
            expect_the_reference_on_each_isa([&] {
              return convolve(stride, out, {order, activation, pools});
            });
          }
        }
      }
    }
  }
}

// hn::Max alone loses NaN on x86 where it is the first operand, and keeps it where it is the
// second.
TEST(ConvSmall, AMaximumKeepsNanWhereverItLies) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  SmallConvShape shape;
  shape.in_height = 2;
  shape.in_width = 2;
  shape.in_channels = 1;
  shape.out_width = 2;
  shape.out_channels = 1;
  shape.kernel_height = shape.kernel_width = 1;
  shape.stride_height = shape.stride_width = 1;
  const SmallConvOptions options = {SumOrder::FusedBiasFirst, {1.0F, -infinity, infinity}, true};
  for (std::size_t at = 0; at < 4; ++at) {
    expect_the_reference_on_each_isa([&] {
      std::vector<float> x = {1, 2, 3, 4};
      x[at] = nan;
      std::vector<float> packed(small_conv_packed_size(shape));
      pack_small_conv(shape, std::vector<float>{1.0F}, packed);
      const std::vector<float> bias(small_conv_padded_channels(shape), 0.0F);
      std::vector<float> scratch(small_conv_scratch_size(shape, options, 1));
      std::vector<float> y(1);
      conv_small(shape, options, {x.data(), packed.data(), bias.data(), scratch.data(), y.data()},
                 0, 1);
      EXPECT_TRUE(std::isnan(y[0])) << at;
      return y;
    });
  }
}

TEST(ConvSmall, RunsTheReferenceWhereThatIsForced) {
  const ForcedIsa forced(Isa::Scalar);
  SmallConvShape shape;
  shape.out_channels = 5;
  EXPECT_EQ(small_conv_padded_channels(shape), 5U);  // no vector to fill
}

}  // namespace
}  // namespace visionpress
