#include "codecs/family.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codecs/decode.h"
#include "codecs/linear.h"
#include "codecs/linear_grid.h"
#include "kernels/isa.h"

namespace visionpress {
namespace {

std::size_t count_of(const Shape& shape) { return static_cast<std::size_t>(*element_count(shape)); }

std::vector<float> make_weights(const Shape& shape, unsigned seed = 11) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.01F, 0.08F);
  std::vector<float> weights(count_of(shape));
  for (float& value : weights) value = normal(random);
  return weights;
}

Form make_form(std::string_view name, bool is_signed) {
  Form form = parse_form(name).value_or(Form());
  form.is_signed = is_signed && form.encoding == Encoding::Linear;
  return form;
}

EncodedWeight encode(const Form& form, FloatView weights, const Shape& shape,
                     const EncodeOptions& options) {
  auto encoded = find_family(form)->encode(weights, shape, form, options);
  EXPECT_TRUE(encoded) << encoded.error().message;
  return encoded ? *encoded : EncodedWeight();
}

EncodedWeight encode(std::string_view name, FloatView weights, const Shape& shape,
                     const EncodeOptions& options, bool is_signed = false) {
  return encode(make_form(name, is_signed), weights, shape, options);
}

void expect_identical(const EncodedWeight& a, const EncodedWeight& b) {
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.code.scales, b.code.scales);
  EXPECT_EQ(a.code.offsets, b.code.offsets);
  EXPECT_EQ(a.code.table, b.code.table);
}

void expect_identical(const EncodeError& a, const EncodeError& b) {
  EXPECT_EQ(a.snr_db, b.snr_db);
  EXPECT_EQ(a.max_abs, b.max_abs);
  EXPECT_EQ(a.max_steps, b.max_steps);
  EXPECT_EQ(a.saturated, b.saturated);
}

/// Half a step and what float32 arithmetic adds to it, with u = 2^-24 the unit roundoff.
/// Encoding: w - offset, 1 / scale and their product are rounded once each, so the place before
/// rounding to a code is off by at most 3u of itself, at most 3 * 255 u steps. The step itself was
/// rounded, so the range's end lies within 255 u steps of code 255. Decoding rounds scale * code
/// (255 u steps) and the sum (u of the value, at most of the channel's largest magnitude).
double half_step_bound(double scale, double largest) {
  constexpr double kUnit = 0x1p-24;
  return scale * (0.5 + 5.0 * 255.0 * kUnit) + largest * kUnit;
}

void expect_within_half_a_step(const std::vector<float>& weights, const EncodedWeight& encoded) {
  const auto decoded = load_weight(encoded.view());
  ASSERT_TRUE(decoded) << decoded.error().message;
  std::size_t inner = 1;
  for (std::size_t i = static_cast<std::size_t>(encoded.code.axis) + 1; i < encoded.shape.size();
       ++i) {
    inner *= static_cast<std::size_t>(encoded.shape[i]);
  }
  const std::size_t channels = encoded.code.scales.size();
  std::vector<double> largest(channels, 0.0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double& value = largest[i / inner % channels];
    value = std::max(value, std::fabs(static_cast<double>(weights[i])));
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::size_t c = i / inner % channels;
    const double distance =
        std::fabs(static_cast<double>(weights[i]) - static_cast<double>((*decoded)[i]));
    ASSERT_LE(distance, half_step_bound(static_cast<double>(encoded.code.scales[c]), largest[c]))
        << "element " << i << " of channel " << c;
  }
}

/// Every code is as near to its value as any code of the grid, apart from float32's rounding.
void expect_nearest_codes(const std::vector<float>& weights, const EncodedWeight& encoded) {
  const WeightCode& code = encoded.code;
  const LinearCodes codes{.bits = code.bits, .is_signed = code.is_signed};
  const std::size_t inner = weights.size() / std::max<std::size_t>(code.scales.size(), 1);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto scale = static_cast<double>(code.scales[i / inner]);
    const double offset = code.offsets.empty() ? 0.0 : static_cast<double>(code.offsets[i / inner]);
    const int found = code.is_signed ? static_cast<std::int8_t>(encoded.codes[i])
                                     : std::to_integer<int>(encoded.codes[i]);
    const double place = (static_cast<double>(weights[i]) - offset) / scale;
    const double nearest = std::fabs(place - codes.nearest(place));
    // 3u of the place, as in half_step_bound; the offset can make the place's terms larger.
    const double rounding = 0x1p-22 * (std::fabs(place) + std::fabs(offset / scale) + 1.0);
    ASSERT_LE(std::fabs(place - found), nearest + rounding) << "element " << i;
  }
}

/// A second implementation of the scheme, without kernels, threads or layouts.
EncodedWeight encode_naively(const std::vector<float>& weights, const Shape& shape, int axis,
                             bool symmetric, bool per_channel) {
  std::size_t inner = 1;
  std::size_t channels = 1;
  if (per_channel) {
    for (std::size_t i = static_cast<std::size_t>(axis) + 1; i < shape.size(); ++i) {
      inner *= static_cast<std::size_t>(shape[i]);
    }
    channels = static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
  }
  EncodedWeight result;
  result.codes.resize(weights.size());
  for (std::size_t c = 0; c < channels; ++c) {
    float min = std::numeric_limits<float>::infinity();
    float max = -min;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (i / inner % channels != c) continue;
      min = std::min(min, weights[i]);
      max = std::max(max, weights[i]);
    }
    const double span = symmetric ? std::max(-static_cast<double>(min), static_cast<double>(max))
                                  : static_cast<double>(max) - static_cast<double>(min);
    const auto scale = span > 0.0 ? static_cast<float>(span / (symmetric ? 127.0 : 255.0)) : 1.0F;
    const float offset = symmetric ? 0.0F : min;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (i / inner % channels != c) continue;
      const float place = (weights[i] - offset) * (1.0F / scale);
      result.codes[i] = static_cast<std::byte>(static_cast<int>(std::nearbyint(place)) & 0xff);
    }
    result.code.scales.push_back(scale);
    if (!symmetric) result.code.offsets.push_back(offset);
  }
  return result;
}

const Shape kShapes[] = {{1, 1},        {2, 1},        {1, 7},        {3, 5, 1, 1}, {16, 3, 3, 3},
                         {5, 17, 2, 2}, {1, 3, 3, 33}, {2, 8, 16, 1}, {3, 70000},   {1, 140001}};

TEST(FamilyTest, OfferedNamesAreUniqueAndFoundAndHaveAFamily) {
  std::set<std::string> names;
  for (const OfferedForm& offered : all_offered()) {
    const std::string name = name_of(offered.form);
    EXPECT_TRUE(names.insert(name).second) << name;
    ASSERT_NE(find_offered(name), nullptr);
    EXPECT_EQ(find_offered(name)->form, offered.form);
    EXPECT_FALSE(offered.help.empty());
    ASSERT_NE(find_family(offered.form), nullptr) << name;
    EXPECT_EQ(find_family(offered.form)->encoding, offered.form.encoding);
  }
  EXPECT_EQ(names,
            (std::set<std::string>{
                "fp16", "linear-1", "linear-2", "linear-3", "linear-4", "linear-5", "linear-6",
                "linear-7", "linear-8", "linear-8-tensor", "palette-1", "palette-2", "palette-3",
                "palette-4", "palette-5", "palette-6", "palette-7", "palette-8"}));
  EXPECT_EQ(find_offered("linear-9"), nullptr);
  EXPECT_EQ(find_offered("float32"), nullptr);
  EXPECT_EQ(find_offered(""), nullptr);
  EXPECT_EQ(find_family(Form{}), nullptr);
}

TEST(FamilyTest, TheOutlineOfAFormIsTheCodeThatItsFamilyMakes) {
  for (const char* name : {"fp16", "linear-8", "linear-8-tensor", "linear-3", "linear-5-tensor",
                           "linear-1", "linear-1-tensor", "palette-8", "palette-1"}) {
    for (const Shape& shape : kShapes) {
      for (const bool is_signed : {false, true}) {
        const EncodedWeight encoded =
            encode(name, make_weights(shape), shape, EncodeOptions(), is_signed);
        const auto outline = outline_code(shape, make_form(name, is_signed), 0);
        ASSERT_TRUE(outline);
        EXPECT_EQ(outline->encoding, encoded.code.encoding);
        EXPECT_EQ(outline->bits, encoded.code.bits);
        EXPECT_EQ(outline->is_signed, encoded.code.is_signed);
        EXPECT_EQ(outline->axis, encoded.code.axis);
        EXPECT_EQ(outline->scales.size(), encoded.code.scales.size()) << name;
        EXPECT_EQ(outline->offsets.size(), encoded.code.offsets.size()) << name;
        EXPECT_EQ(outline->table.size(), encoded.code.table.size()) << name;
        const std::size_t width = encoded.code.encoding == Encoding::Float16 ? 2 : 1;
        EXPECT_EQ(encoded.codes.size(), count_of(shape) * width);
      }
    }
  }
}

TEST(FamilyTest, LinearCodesOfFewBitsAreTheNearestOfTheirGrid) {
  for (const bool is_signed : {false, true}) {
    for (int bits = 1; bits <= 7; ++bits) {
      for (const Shape& shape : kShapes) {
        SCOPED_TRACE(testing::Message()
                     << bits << " bits of " << to_string(shape) << (is_signed ? ", signed" : ""));
        const std::vector<float> weights = make_weights(shape);
        Form form = make_form("linear-8", is_signed);
        form.bits = bits;
        const EncodedWeight encoded = encode(form, weights, shape, EncodeOptions());
        ASSERT_TRUE(check_weight(encoded.view()));  // no code is beyond the bits
        expect_nearest_codes(weights, encoded);
      }
    }
  }
}

TEST(FamilyTest, FormsThatTheFamilyDoesNotHaveAreRefused) {
  const std::vector<float> weights = make_weights({4, 8});
  Form form = make_form("linear-4-block-4", false);
  const auto blocks = find_family(form)->encode(weights, {4, 8}, form, EncodeOptions());
  ASSERT_FALSE(blocks);
  EXPECT_EQ(blocks.error().message, "linear codes are not made in blocks (linear-4-block-4)");
  form = make_form("linear-8", false);
  form.bits = 9;
  const auto wide = linear_family().encode(weights, {4, 8}, form, EncodeOptions());
  ASSERT_FALSE(wide);
  EXPECT_EQ(wide.error().message, "linear codes have 1..8 bits, not those of linear-9");
}

TEST(FamilyTest, LinearCodesAreThoseOfTheNaiveEncoderOnEveryAxis) {
  for (const Shape& shape : kShapes) {
    const std::vector<float> weights = make_weights(shape);
    for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
      // The naive encoder walks all values once per channel.
      if (shape[static_cast<std::size_t>(axis)] > 1000) continue;
      for (const bool symmetric : {false, true}) {
        EncodeOptions options;
        options.channel_axis = axis;
        SCOPED_TRACE(testing::Message() << to_string(shape) << " axis " << axis);
        expect_identical(encode("linear-8", weights, shape, options, symmetric),
                         encode_naively(weights, shape, axis, symmetric, true));
        expect_identical(encode("linear-8-tensor", weights, shape, options, symmetric),
                         encode_naively(weights, shape, axis, symmetric, false));
      }
    }
  }
}

TEST(FamilyTest, BytesAndErrorsAreTheSameForEveryIsaAndThreadCount) {
  const Isa before = active_isa();
  for (const OfferedForm& offered : all_offered()) {
    for (const Shape& shape : kShapes) {
      const std::vector<float> weights = make_weights(shape);
      force_isa(Isa::Scalar);
      EncodeError expected_error;
      EncodeOptions options;
      options.error = &expected_error;
      const EncodedWeight expected = encode(offered.form, weights, shape, options);
      for (const Isa isa : {Isa::Scalar, Isa::Avx2, Isa::Avx3, Isa::Best}) {
        force_isa(isa);
        for (const int threads : {1, 2, 3}) {
          EncodeError error;
          options.error = &error;
          options.threads = threads;
          expect_identical(encode(offered.form, weights, shape, options), expected);
          expect_identical(error, expected_error);
        }
      }
    }
  }
  force_isa(before);
}

TEST(FamilyTest, EveryDecodedWeightLiesWithinHalfAStep) {
  for (const Shape& shape : kShapes) {
    for (const float shift : {0.0F, 5.0F, -300.0F}) {
      std::vector<float> weights = make_weights(shape);
      for (float& value : weights) value += shift;
      for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
        for (const bool symmetric : {false, true}) {
          EncodeOptions options;
          options.channel_axis = axis;
          for (const char* name : {"linear-8", "linear-8-tensor"}) {
            expect_within_half_a_step(weights, encode(name, weights, shape, options, symmetric));
          }
        }
      }
    }
  }
}

TEST(FamilyTest, TheEndsOfTheFloatRangeStayWithinHalfAStepToo) {
  const float huge = std::numeric_limits<float>::max();
  const float tiny = std::numeric_limits<float>::denorm_min();
  for (const auto& weights : {std::vector<float>{0.0F, huge / 2.0F, huge / 4.0F, 1.0F},
                              std::vector<float>{0.0F, tiny, tiny, tiny},
                              std::vector<float>{-tiny, tiny * 255.0F, 0.0F, tiny}}) {
    EncodeOptions options;
    expect_within_half_a_step(weights, encode("linear-8", weights, {1, 4}, options));
    expect_within_half_a_step(weights, encode("linear-8", weights, {1, 4}, options, true));
  }
}

TEST(FamilyTest, AConstantChannelDecodesExactly) {
  const std::vector<float> weights(6, 0.1F);
  EncodeError error;
  EncodeOptions options;
  options.error = &error;
  const EncodedWeight encoded = encode("linear-8", weights, {2, 3}, options);
  EXPECT_EQ(*load_weight(encoded.view()), weights);
  EXPECT_EQ(encoded.code.scales, (std::vector<float>{1.0F, 1.0F}));
  EXPECT_EQ(error.max_abs, 0.0);
  EXPECT_EQ(error.snr_db, std::numeric_limits<double>::infinity());
}

TEST(FamilyTest, ASymmetricZeroChannelHasScaleOne) {
  const EncodedWeight encoded = encode("linear-8", std::vector<float>{0.0F, -0.0F, 1.0F, -2.0F},
                                       {2, 2}, EncodeOptions(), true);
  EXPECT_EQ(encoded.code.scales, (std::vector<float>{1.0F, 2.0F / 127.0F}));
  EXPECT_TRUE(encoded.code.offsets.empty());
  EXPECT_TRUE(encoded.code.is_signed);
}

TEST(FamilyTest, AVectorHasOneScale) {
  const EncodedWeight encoded = encode("linear-8", make_weights({40}), {40}, EncodeOptions());
  EXPECT_EQ(encoded.code.scales.size(), 1U);
}

TEST(FamilyTest, WeightsOfAMegabyteOfHalvesSaturateAndAreCounted) {
  std::vector<float> weights(70000, 1.0F);
  weights[5] = 1e6F;
  weights[69999] = -7e4F;
  EncodeError error;
  EncodeOptions options;
  options.error = &error;
  const EncodedWeight encoded = encode("fp16", weights, {70000}, options);
  EXPECT_EQ(error.saturated, 2U);
  const auto values = load_weight(encoded.view());
  EXPECT_EQ((*values)[5], 65504.0F);
  EXPECT_EQ((*values)[69999], -65504.0F);
  expect_identical(*measure_error(weights, encoded.view(), 2), [&] {
    EncodeError measured = error;
    measured.snr_db = measure_error(weights, encoded.view(), 1)->snr_db;
    return measured;
  }());
}

TEST(FamilyTest, HalvesOfNormalRangeLieWithinHalfAUnit) {
  const std::vector<float> weights = make_weights({300, 300});
  EncodeError error;
  EncodeOptions options;
  options.error = &error;
  (void)encode("fp16", weights, {300, 300}, options);
  EXPECT_LE(error.max_steps, 0.5);
  EXPECT_GT(error.max_steps, 0.4);
  EXPECT_GT(error.snr_db, 70.0);
}

TEST(FamilyTest, TheErrorOfThePassIsTheErrorMeasuredAfterwards) {
  // The two encoders sum in different pieces, so the signal-to-noise ratio may differ in its last
  // digits.
  for (const OfferedForm& offered : all_offered()) {
    for (const Shape& shape : kShapes) {
      for (const bool symmetric : {false, true}) {
        const std::vector<float> weights = make_weights(shape);
        EncodeError error;
        EncodeOptions options;
        options.error = &error;
        options.channel_axis = static_cast<int>(shape.size()) - 1;
        const EncodedWeight encoded =
            encode(name_of(offered.form), weights, shape, options, symmetric);
        const auto measured = measure_error(weights, encoded.view(), 2);
        ASSERT_TRUE(measured) << measured.error().message;
        EXPECT_EQ(measured->max_abs, error.max_abs);
        EXPECT_DOUBLE_EQ(measured->max_steps, error.max_steps);
        if (std::isfinite(error.snr_db)) {
          EXPECT_NEAR(measured->snr_db, error.snr_db, 1e-9);
        } else {
          EXPECT_EQ(measured->snr_db, error.snr_db);
        }
        expect_identical(*measured, *measure_error(weights, encoded.view(), 1));
      }
    }
  }
}

TEST(FamilyTest, PerChannelErrorOfNormalWeightsIsThatOfUniformRounding) {
  // A step of range/255 over about 6.4 sigma of 4096 normal values and noise of step^2/12 give
  // about 43 dB.
  const std::vector<float> weights = make_weights({16, 4096});
  EncodeError error;
  EncodeOptions options;
  options.error = &error;
  (void)encode("linear-8", weights, {16, 4096}, options);
  EXPECT_GT(error.snr_db, 40.0);
  EXPECT_LT(error.snr_db, 46.0);
}

TEST(FamilyTest, NanAndInfinityAreRefusedWithTheirPlace) {
  for (const OfferedForm& offered : all_offered()) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      std::vector<float> weights = make_weights({40, 50});
      weights[1234] = bad;
      const auto encoded =
          find_family(offered.form)->encode(weights, {40, 50}, offered.form, EncodeOptions());
      ASSERT_FALSE(encoded) << name_of(offered.form);
      EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidArgument);
      EXPECT_EQ(encoded.error().message,
                fmt::format("value 1234 is {}, expected a finite number", bad));
    }
  }
}

TEST(FamilyTest, AChannelWhoseLastCodeCouldOverflowIsRefused) {
  const float huge = std::numeric_limits<float>::max();
  const std::vector<float> weights = {0.0F, 1.0F, 0.0F, huge};
  for (const bool symmetric : {false, true}) {
    const Form form = make_form("linear-8", symmetric);
    const auto encoded = find_family(form)->encode(weights, {2, 2}, form, EncodeOptions());
    ASSERT_FALSE(encoded);
    EXPECT_EQ(encoded.error().message,
              "the values of channel 1 reach over more than half of the largest float32");
  }
}

TEST(FamilyTest, AShapeThatDoesNotFitIsRefused) {
  for (const OfferedForm& offered : all_offered()) {
    const auto encoded =
        find_family(offered.form)->encode(make_weights({6}), {2, 4}, offered.form, EncodeOptions());
    ASSERT_FALSE(encoded) << name_of(offered.form);
    EXPECT_EQ(encoded.error().message, "6 values do not fill shape [2,4]");
  }
  EncodeOptions options;
  options.channel_axis = 2;
  const Form form = make_form("linear-8", false);
  const auto encoded = find_family(form)->encode(make_weights({6}), {2, 3}, form, options);
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().message, "channel axis 2 of shape [2,3]");
}

TEST(FamilyTest, AnEmptyWeightEncodesToNothing) {
  for (const OfferedForm& offered : all_offered()) {
    for (const Shape& shape : {Shape{0}, Shape{0, 3}, Shape{3, 0}}) {
      const EncodedWeight encoded = encode(offered.form, FloatView(), shape, EncodeOptions());
      EXPECT_TRUE(encoded.codes.empty());
      EXPECT_TRUE(load_weight(encoded.view())->empty());
    }
  }
}

TEST(FamilyTest, MeasuringAgainstAnotherNumberOfValuesIsRefused) {
  const EncodedWeight encoded = encode("fp16", make_weights({6}), {6}, EncodeOptions());
  const auto error = measure_error(make_weights({5}), encoded.view(), 1);
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().message, "5 values compared with a weight of shape [6]");
}

}  // namespace
}  // namespace visionpress
