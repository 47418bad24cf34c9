#include "kernels/depthwise.h"

#include <cmath>
#include <limits>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Job {
  std::size_t channels = 1;
  std::size_t pixels = 1;
  std::size_t stride = 1;
  std::size_t kernel = 3;
};

/// Pads a vector of one value per channel as the kernels read it.
std::vector<float> padded(std::vector<float> values) {
  values.resize(depthwise_stride(values.size()));
  return values;
}

/// Runs row(DepthwiseRow) over a window of kernel x kernel taps, which reads whole numbers if
/// `whole`.
template <typename Row>
std::vector<float> convolve(const Job& job, bool whole, const Row& run) {
  const std::size_t width = (job.pixels - 1) * job.stride + job.kernel;
  std::vector<float> x =
      make_random(width * job.kernel * job.channels + kDepthwiseSlack, 1, 255.0F);
  const std::size_t taps = job.kernel * job.kernel;
  const std::vector<float> kernel = make_random(taps * job.channels, 2, 128.0F);
  const std::size_t padded_channels = depthwise_stride(job.channels);
  std::vector<float> weights(taps * padded_channels);
  std::vector<std::size_t> offsets;
  for (std::size_t t = 0; t < taps; ++t) {
    offsets.push_back((t / job.kernel * width + t % job.kernel) * job.channels);
    for (std::size_t c = 0; c < job.channels; ++c)
      weights[t * padded_channels + c] = kernel[t * job.channels + c];
  }
  if (whole) {
    for (float& value : x) value = std::trunc(value);
    for (float& value : weights) value = std::trunc(value);
  }
  const std::vector<float> bias = padded(make_random(job.channels, 3, 1000.0F));
  std::vector<float> y(job.pixels * job.channels);
  run(DepthwiseRow{x.data(), offsets.data(), taps, job.channels, job.stride * job.channels,
                   job.pixels, weights.data(), bias.data(), y.data(), y.size()});
  return y;
}

TEST(Depthwise, FloatRowsAreTheReferencesOnEachInstructionSet) {
  for (const std::size_t channels : kOddSizes) {
    for (const Job& job : {Job{channels, 1, 1, 3}, Job{channels, 7, 2, 5}, Job{channels, 18, 1, 1},
                           Job{channels, 33, 1, 3}}) {
      expect_the_reference_on_each_isa([&] {
        return convolve(job, false, [](const DepthwiseRow& row) {
          depthwise_row(row, {0.5F, -30000.0F, 20000.0F});
        });
      });
    }
  }
}

TEST(Depthwise, CodesGiveTheReferencesFloatsOnEachInstructionSet) {
  for (const std::size_t channels : kOddSizes) {
    for (const Job& job :
         {Job{channels, 9, 1, 3}, Job{channels, 4, 2, 5}, Job{channels, 2, 1, 24}}) {
      expect_the_reference_on_each_isa([&] {
        return convolve(job, true, [&](const DepthwiseRow& row) {
          std::vector<float> first = make_random(channels, 4, 0.01F);
          first[channels / 2] = kInfinity;  // NaN where the sum is 0
          std::vector<float> for_nan(channels, 7.0F);
          first = padded(first);
          for_nan = padded(for_nan);
          const std::vector<float> second = padded(make_random(channels, 5, 3.0F));
          depthwise_code_row(row, {first.data(), second.data(), for_nan.data(), -800.0F, 900.0F});
        });
      });
    }
  }
}

TEST(Depthwise, ARowMayEndWithinItsLastPixel) {
  const Job job = {.channels = 12, .pixels = 5, .stride = 1, .kernel = 3};
  for (const std::size_t floats :
       {std::size_t{1}, std::size_t{11}, std::size_t{49}, std::size_t{60}}) {
    expect_the_reference_on_each_isa([&] {
      return convolve(job, false, [&](DepthwiseRow row) {
        row.y_floats = floats;
        depthwise_row(row, {1.0F, -kInfinity, kInfinity});
      });
    });
  }
}

TEST(Depthwise, FoldedPixelsFillWholeVectors) {
  const std::size_t lanes = depthwise_stride(1);
  for (const std::size_t channels : kOddSizes) {
    const std::size_t folded = channels * depthwise_fold(channels);
    if (channels <= lanes) {
      EXPECT_EQ(folded % lanes, 0U) << channels;
    }
  }
}

}  // namespace
}  // namespace visionpress
