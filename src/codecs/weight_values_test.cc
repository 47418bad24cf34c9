#include "codecs/weight_values.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "codecs/decode.h"
#include "codecs/family.h"
#include "codecs/fp16.h"

namespace visionpress {
namespace {

std::vector<float> make_normal(std::size_t count, float sigma, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, sigma);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

EncodedWeight encode_linear8(const char* name, const std::vector<float>& values, const Shape& shape,
                             int axis) {
  EncodeOptions options;
  options.channel_axis = axis;
  Form form = *parse_form(name);
  form.is_signed = true;
  auto encoded = find_family(form)->encode(values, shape, form, options);
  EXPECT_TRUE(encoded);
  return std::move(*encoded);
}

TEST(WeightValuesTest, HalvesAreMeasuredAsTheyAreEncoded) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{4097}, std::size_t{200001}}) {
    for (const float sigma : {0.1F, 1e-6F}) {
      const std::vector<float> values = make_normal(count, sigma, 7);
      EncodeError expected;
      EncodeOptions options;
      options.error = &expected;
      const Form form = *parse_form("fp16");
      ASSERT_TRUE(
          find_family(form)->encode(values, {static_cast<std::int64_t>(count)}, form, options));
      const EncodeError measured = measure_halves(values, 2);
      // Both add the same numbers, but in pieces of different sizes; doubles then agree to nine
      // digits.
      EXPECT_NEAR(measured.snr_db, expected.snr_db, 1e-9 * std::abs(expected.snr_db) + 1e-9);
      EXPECT_EQ(measured.max_steps, expected.max_steps);
      EXPECT_EQ(measured.saturated, expected.saturated);
    }
  }
}

TEST(WeightValuesTest, TheMiddleChannelShowsWhatOneLargeChannelHides) {
  // One channel is a thousand times larger than the others and there is one scale, so the SNR of
  // the whole weight looks fine.
  constexpr std::size_t kChannels = 16;
  constexpr std::size_t kInner = 100;
  std::vector<float> values = make_normal(kChannels * kInner, 0.001F, 3);
  for (std::size_t i = 0; i < kInner; ++i) values[i] *= 1000.0F;
  const Shape shape = {kChannels, kInner};
  const EncodedWeight one = encode_linear8("linear-8-tensor", values, shape, 0);
  const auto whole = measure_error(values, one.view(), 1);
  ASSERT_TRUE(whole);
  EXPECT_GT(whole->snr_db, 30.0);
  const auto channels = measure_channels(values, one.view(), 0, 2);
  ASSERT_TRUE(channels);
  EXPECT_LT(channels->median_snr_db, 3.0);
  EXPECT_GT(channels->lost_share, 0.9);
  const EncodedWeight each = encode_linear8("linear-8", values, shape, 0);
  const auto mended = measure_channels(values, each.view(), 0, 2);
  ASSERT_TRUE(mended);
  EXPECT_GT(mended->median_snr_db, 35.0);
  EXPECT_LT(mended->lost_share, 0.1);
}

TEST(WeightValuesTest, ChannelsOfAnyAxisAreTheSameChannels) {
  constexpr std::int64_t kChannels = 5;
  constexpr std::int64_t kInner = 7000;  // more than one decoded part holds
  const std::vector<float> values = make_normal(kChannels * kInner, 0.1F, 11);
  std::vector<float> turned(values.size());
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t i = 0; i < kInner; ++i) turned[i * kChannels + c] = values[c * kInner + i];
  }
  const auto first = measure_channels(
      values, encode_linear8("linear-8", values, {kChannels, kInner}, 0).view(), 0, 2);
  const auto last = measure_channels(
      turned, encode_linear8("linear-8", turned, {kInner, kChannels}, 1).view(), 1, 1);
  ASSERT_TRUE(first && last);
  EXPECT_DOUBLE_EQ(first->median_snr_db, last->median_snr_db);
  EXPECT_DOUBLE_EQ(first->lost_share, last->lost_share);
}

TEST(WeightValuesTest, ConstantChannelsAndZerosLoseNothing) {
  std::vector<float> values(3 * 8, 0.0F);
  for (std::size_t i = 8; i < 16; ++i) values[i] = 0.25F;
  const Shape shape = {3, 8};
  const auto error =
      measure_channels(values, encode_linear8("linear-8", values, shape, 0).view(), 0, 1);
  ASSERT_TRUE(error);
  EXPECT_GT(error->median_snr_db, 100.0);
  EXPECT_EQ(error->lost_share, 0.0);
  const std::vector<float> zeros(24, 0.0F);
  const auto nothing =
      measure_channels(zeros, encode_linear8("linear-8", zeros, shape, 0).view(), 0, 1);
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(std::isinf(nothing->median_snr_db));
}

}  // namespace
}  // namespace visionpress
