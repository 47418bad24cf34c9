#include "kernels/ordered_sums.h"

#include <algorithm>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

/// Sums of three taps, of which the second lies outside the image.
std::vector<float> sum_pixel(std::size_t in_channels, std::size_t out_channels, SumOrder order) {
  const std::size_t stride = ordered_sums_stride(out_channels);
  const std::size_t rows = 3 * std::max<std::size_t>(in_channels, 1);
  const std::vector<float> dense = make_random(rows * out_channels, 1, 2.0F);
  std::vector<float> weights(rows * stride);
  for (std::size_t i = 0; i < dense.size(); ++i) {
    weights[i / out_channels * stride + i % out_channels] = dense[i];
  }
  std::vector<float> bias = make_random(out_channels, 2, 1.0F);
  bias.resize(stride);
  const std::size_t width = in_channels == 0 ? out_channels : in_channels;
  const std::vector<float> x = make_random(2 * width, 3, 3.0F);
  const float* const pixels[] = {x.data(), nullptr, x.data() + width};
  std::vector<float> y(out_channels);
  ordered_sums({pixels, 3, in_channels, out_channels, weights.data(), bias.data()}, order,
               y.data());
  return y;
}

TEST(OrderedSums, AreTheReferencesOnEachInstructionSet) {
  for (const SumOrder order :
       {SumOrder::FusedBiasFirst, SumOrder::PlainBiasLast, SumOrder::PlainBiasFirst}) {
    for (const std::size_t out : kOddSizes) {
      for (const std::size_t in : {0U, 1U, 5U}) {
        expect_the_reference_on_each_isa([=] { return sum_pixel(in, out, order); });
      }
    }
  }
}

TEST(OrderedSums, RunTheReferenceWhereThatIsForced) {
  const ForcedIsa forced(Isa::Scalar);
  EXPECT_EQ(ordered_sums_stride(5), 5U);  // no vector to fill
}

}  // namespace
}  // namespace visionpress
