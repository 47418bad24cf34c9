#include "codecs/sum_rounding.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codecs/decode.h"
#include "codecs/family.h"
#include "kernels/isa.h"

namespace visionpress {
namespace {

struct Kernel {
  const char* name = "";
  Shape shape = {};
  int axis = 0;
  ChannelTaps taps = {};
};

const std::vector<Kernel>& kernels() {
  static const std::vector<Kernel> kKernels = {
      {"OIHW", {5, 37, 3, 3}, 0, {3, 3, 37, false}},
      {"OHWI", {5, 3, 3, 37}, 0, {3, 3, 37, true}},
      {"HWIO", {5, 1, 37, 6}, 3, {5, 1, 37, true}},
      {"depthwise, 1HWO", {1, 5, 5, 40}, 3, {5, 5, 1, true}},
      {"matrix, out x in", {4, 300}, 0, {1, 1, 300, false}},
      {"matrix, in x out", {300, 4}, 1, {1, 1, 300, false}},
  };
  return kKernels;
}

std::vector<float> make_weights(const Shape& shape) {
  std::mt19937 random(23);
  std::normal_distribution<float> normal(0.01F, 0.08F);
  std::vector<float> weights(static_cast<std::size_t>(*element_count(shape)));
  for (float& value : weights) value = normal(random);
  return weights;
}

Form make_form(int bits, bool is_signed) {
  return {.encoding = Encoding::Linear,
          .bits = bits,
          .granularity = Granularity::Channel,
          .is_signed = is_signed};
}

EncodedWeight encode(const Kernel& kernel, FloatView weights, const Form& form, bool cancels = true,
                     int threads = 1) {
  EncodeOptions options{.channel_axis = kernel.axis, .threads = threads};
  if (cancels) options.taps = kernel.taps;
  auto encoded = find_family(form)->encode(weights, kernel.shape, form, options);
  EXPECT_TRUE(encoded) << encoded.error().message;
  return encoded ? *encoded : EncodedWeight();
}

/// Errors of each channel in steps, and their sums.
struct Errors {
  std::vector<double> all = {};
  std::vector<double> sums = {};
};

Errors measure(const Kernel& kernel, FloatView weights, const EncodedWeight& encoded) {
  const std::vector<float> decoded = load_weight(encoded.view()).value();
  const AxisSplit split = split_at(kernel.shape, static_cast<std::size_t>(kernel.axis));
  Errors errors;
  errors.sums.resize(split.channels);
  // The codes -1 and +1 of one signed bit are two scales apart.
  const double steps = encoded.code.is_signed && encoded.code.bits == 1 ? 2.0 : 1.0;
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    const std::size_t channel = i / split.inner % split.channels;
    const double error = (static_cast<double>(decoded[i]) - static_cast<double>(weights[i])) /
                         static_cast<double>(encoded.code.scales[channel]) / steps;
    errors.all.push_back(error);
    errors.sums[channel] += error;
  }
  return errors;
}

TEST(SumRoundingTest, ErrorsOfAChannelAddUpToHalfAStep) {
  for (const Kernel& kernel : kernels()) {
    const std::vector<float> weights = make_weights(kernel.shape);
    for (int bits = 2; bits <= 7; ++bits) {
      for (const bool is_signed : {false, true}) {
        const Form form = make_form(bits, is_signed);
        const Errors nearest = measure(kernel, weights, encode(kernel, weights, form, false));
        const Errors errors = measure(kernel, weights, encode(kernel, weights, form));
        for (std::size_t c = 0; c < errors.sums.size(); ++c) {
          // One change per input: a depthwise channel has one input, and what its first stage
          // leaves may be more than that.
          const double most = kernel.taps.inputs > 1 ? 0.501 : std::fabs(nearest.sums[c]) + 1.0;
          EXPECT_LE(std::fabs(errors.sums[c]), most)
              << kernel.name << ", " << bits << " bits, channel " << c;
        }
      }
    }
  }
}

TEST(SumRoundingTest, SumsOfInputsAreSmallerThanThoseOfTheNearestCodes) {
  const Kernel& kernel = kernels()[0];
  const std::vector<float> weights = make_weights(kernel.shape);
  const auto mean_square = [&](bool cancels) {
    const Errors errors =
        measure(kernel, weights, encode(kernel, weights, make_form(4, false), cancels));
    double sum = 0.0;
    for (std::size_t i = 0; i < errors.all.size(); i += 9) {
      double of_input = 0.0;
      for (std::size_t t = 0; t < 9; ++t) of_input += errors.all[i + t];
      sum += of_input * of_input;
    }
    return sum / (static_cast<double>(errors.all.size()) / 9.0);
  };
  // Nine errors that are evenly spread over -1/2..1/2 have sums of variance 9/12.
  EXPECT_GT(mean_square(false), 0.6);
  EXPECT_LT(mean_square(true), 0.25);
}

TEST(SumRoundingTest, NoCodeIsFurtherThanTheOtherNeighbour) {
  for (const Kernel& kernel : kernels()) {
    const std::vector<float> weights = make_weights(kernel.shape);
    for (int bits = 1; bits <= 7; ++bits) {
      for (const bool is_signed : {false, true}) {
        const Form form = make_form(bits, is_signed);
        const EncodedWeight nearest = encode(kernel, weights, form, false);
        const EncodedWeight encoded = encode(kernel, weights, form);
        EXPECT_EQ(encoded.code.scales, nearest.code.scales);
        EXPECT_EQ(encoded.code.offsets, nearest.code.offsets);
        const Errors before = measure(kernel, weights, nearest);
        const Errors after = measure(kernel, weights, encoded);
        for (std::size_t i = 0; i < weights.size(); ++i) {
          const bool is_clipped = std::fabs(before.all[i]) > 0.501;
          ASSERT_LE(std::fabs(after.all[i]), is_clipped ? std::fabs(before.all[i]) + 1e-9 : 1.001)
              << kernel.name << ", " << bits << " bits, value " << i;
        }
      }
    }
  }
}

TEST(SumRoundingTest, CodesAndErrorsAreTheSameForEveryIsaAndThreadCount) {
  const Isa before = active_isa();
  for (const Kernel& kernel : kernels()) {
    const std::vector<float> weights = make_weights(kernel.shape);
    for (int bits = 1; bits <= 7; ++bits) {
      const Form form = make_form(bits, bits % 2 == 0);
      force_isa(Isa::Scalar);
      const EncodedWeight expected = encode(kernel, weights, form);
      for (const Isa isa : {Isa::Scalar, Isa::Avx2, Isa::Avx3, Isa::Best}) {
        force_isa(isa);
        for (const int threads : {1, 2, 3}) {
          const EncodedWeight encoded = encode(kernel, weights, form, true, threads);
          EXPECT_EQ(encoded.codes, expected.codes) << kernel.name << ", " << bits << " bits";
          EXPECT_EQ(encoded.code.scales, expected.code.scales);
        }
      }
    }
  }
  force_isa(before);
}

TEST(SumRoundingTest, TheLossIsThatOfTheCodesThatAreKept) {
  const Kernel& kernel = kernels()[1];
  const std::vector<float> weights = make_weights(kernel.shape);
  for (const bool is_signed : {false, true}) {
    for (int bits = 1; bits <= 7; ++bits) {
      EncodeError error;
      const EncodeOptions options{.channel_axis = 0, .taps = kernel.taps, .error = &error};
      const Form form = make_form(bits, is_signed);
      const EncodedWeight encoded =
          find_family(form)->encode(weights, kernel.shape, form, options).value();
      const EncodeError measured = measure_error(weights, encoded.view(), 1).value();
      EXPECT_NEAR(error.snr_db, measured.snr_db, 1e-9);
      EXPECT_EQ(error.max_abs, measured.max_abs);
    }
  }
}

TEST(SumRoundingTest, DeadAndConstantChannelsStayExact) {
  const Kernel& kernel = kernels()[0];
  std::vector<float> weights = make_weights(kernel.shape);
  const std::size_t per_channel = weights.size() / 5;
  for (std::size_t i = 0; i < per_channel; ++i) {
    weights[i] = 0.0F;
    weights[2 * per_channel + i] = 0.37F;
  }
  for (int bits = 1; bits <= 7; ++bits) {
    const EncodedWeight encoded = encode(kernel, weights, make_form(bits, false));
    const std::vector<float> decoded = load_weight(encoded.view()).value();
    for (std::size_t i = 0; i < per_channel; ++i) {
      EXPECT_EQ(decoded[i], 0.0F);
      EXPECT_EQ(decoded[2 * per_channel + i], 0.37F);
    }
  }
}

TEST(SumRoundingTest, NotFiniteValuesAndTapsThatDoNotFitAreRefused) {
  const Kernel& kernel = kernels()[0];
  std::vector<float> weights = make_weights(kernel.shape);
  const Form form = make_form(4, false);
  EncodeOptions options{.taps = ChannelTaps{.height = 3, .width = 3, .inputs = 36}};
  const Family& family = *find_family(form);
  const auto wrong = family.encode(weights, kernel.shape, form, options);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::InvalidArgument);
  EXPECT_EQ(wrong.error().message, "3 x 3 taps of 36 inputs for channels of 333 values");
  options.taps = kernel.taps;
  weights[400] = std::numeric_limits<float>::quiet_NaN();
  const auto odd = family.encode(weights, kernel.shape, form, options);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().message, "value 400 is nan, expected a finite number");
}

TEST(SumRoundingTest, EightBitsStayTheNearestCodes) {
  for (const Kernel& kernel : kernels()) {
    const std::vector<float> weights = make_weights(kernel.shape);
    const Form form = make_form(8, false);
    EXPECT_EQ(encode(kernel, weights, form).codes, encode(kernel, weights, form, false).codes);
  }
}

}  // namespace
}  // namespace visionpress
