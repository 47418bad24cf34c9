#include "kernels/weight_codes.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/half.h"
#include "kernels/isa.h"

namespace visionpress {
namespace {

constexpr Isa kForced[] = {Isa::Scalar, Isa::Avx2, Isa::Avx3, Isa::Best};
// 16 lanes are one step of every vector loop; AVX2 has 8 a vector.
constexpr std::size_t kSizes[] = {0,  1,  2,  3,  7,  8,  9,  15,   16,
                                  17, 31, 32, 33, 63, 64, 65, 1000, 1027};

class IsaRestorer {
 public:
  IsaRestorer() = default;
  IsaRestorer(const IsaRestorer&) = delete;
  IsaRestorer& operator=(const IsaRestorer&) = delete;
  ~IsaRestorer() { force_isa(before_); }

 private:
  Isa before_ = active_isa();
};

std::vector<float> make_values(std::size_t count, float spread) {
  std::mt19937 random(static_cast<unsigned>(count) + 7);  // fixed seed: the count
  std::normal_distribution<float> normal(0.1F * spread, spread);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// The same floats one byte off any alignment.
std::vector<std::byte> misalign(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * 4 + 1);
  if (!values.empty()) std::memcpy(bytes.data() + 1, values.data(), values.size() * 4);
  return bytes;
}

FloatView view_misaligned(const std::vector<std::byte>& bytes) {
  return FloatView(Bytes(bytes).subspan(1));
}

void expect_same(const ErrorSums& a, const ErrorSums& b) {
  EXPECT_EQ(a.signal, b.signal);
  EXPECT_EQ(a.noise, b.noise);
  EXPECT_EQ(a.max_abs, b.max_abs);
  EXPECT_EQ(a.max_steps, b.max_steps);
  EXPECT_EQ(a.saturated, b.saturated);
}

LinearStep step_for(const std::vector<float>& values, bool is_signed) {
  const ValueRange range = find_range_ref(values);
  LinearStep step;
  step.is_signed = is_signed;
  step.offset = is_signed ? 0.0F : range.min;
  const float span =
      is_signed ? std::max(-range.min, range.max) / 127.0F : (range.max - range.min) / 255.0F;
  if (span > 0.0F) step.scale = span;
  return step;
}

TEST(WeightCodesTest, HalvesOfEveryIsaAreThoseOfTheReferenceAtEverySize) {
  const IsaRestorer restorer;
  for (const float spread : {0.05F, 1e-5F, 6e4F}) {  // common, subnormal halves, saturating
    for (const std::size_t size : kSizes) {
      const std::vector<float> values = make_values(size, spread);
      const std::vector<std::byte> unaligned = misalign(values);
      std::vector<std::byte> expected(size * 2);
      const ErrorSums expected_sums = encode_halves_ref(values, expected);
      for (const Isa isa : kForced) {
        force_isa(isa);
        SCOPED_TRACE(testing::Message() << active_isa_name() << " size " << size);
        std::vector<std::byte> codes(size * 2);
        const ErrorSums sums = encode_halves(view_misaligned(unaligned), codes);
        EXPECT_EQ(codes, expected);
        expect_same(sums, expected_sums);
      }
    }
  }
}

TEST(WeightCodesTest, HalvesRoundToNearestEvenOnEveryBinadeEdgeAndTie) {
  const IsaRestorer restorer;
  std::vector<float> values;
  for (std::uint32_t half = 0; half < 0x7c00U; half += 13) {
    const float low = half_to_float(static_cast<std::uint16_t>(half));
    const float high = half_to_float(static_cast<std::uint16_t>(std::min(half + 1, 0x7bffU)));
    const float middle = low + (high - low) / 2.0F;
    for (const float value :
         {low, middle, std::nextafter(middle, 0.0F), std::nextafter(middle, high)}) {
      values.push_back(value);
      values.push_back(-value);
    }
  }
  for (const Isa isa : kForced) {
    force_isa(isa);
    std::vector<std::byte> codes(values.size() * 2);
    const ErrorSums sums = encode_halves(values, codes);
    EXPECT_LE(sums.max_steps, 0.5F);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(load_le<std::uint16_t>(codes, i * 2), float_to_half(values[i])) << values[i];
    }
  }
}

TEST(WeightCodesTest, ValuesBeyondTheLargestHalfSaturateAndAreCounted) {
  const IsaRestorer restorer;
  const std::vector<float> values = {65504.0F, -65504.0F, 65505.0F, -1e30F, 65520.0F, 1.0F};
  for (const Isa isa : kForced) {
    force_isa(isa);
    std::vector<std::byte> codes(values.size() * 2);
    const ErrorSums sums = encode_halves(values, codes);
    EXPECT_EQ(sums.saturated, 3U);
    EXPECT_EQ(load_le<std::uint16_t>(codes, 4), 0x7bffU);
    EXPECT_EQ(load_le<std::uint16_t>(codes, 6), 0xfbffU);
    EXPECT_EQ(load_le<std::uint16_t>(codes, 8), 0x7bffU);
  }
}

TEST(WeightCodesTest, EveryHalfDecodesExactlyOnEveryIsa) {
  const IsaRestorer restorer;
  std::vector<std::byte> codes(1 + 0x10000 * 2);
  for (std::uint32_t half = 0; half < 0x10000U; ++half) {
    store_le(MutableBytes(codes), 1 + half * 2, static_cast<std::uint16_t>(half));
  }
  for (const Isa isa : kForced) {
    force_isa(isa);
    std::vector<float> out(0x10000);
    decode_halves(Bytes(codes).subspan(1), out);
    for (std::uint32_t half = 0; half < 0x10000U; ++half) {
      const float expected = half_to_float(static_cast<std::uint16_t>(half));
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(out[half])) << half;
      } else {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(out[half]), std::bit_cast<std::uint32_t>(expected));
      }
    }
  }
}

TEST(WeightCodesTest, RangesOfEveryIsaAreThoseOfTheReferenceAtEverySize) {
  const IsaRestorer restorer;
  for (const std::size_t size : kSizes) {
    std::vector<float> values = make_values(size, 1.0F);
    for (float& value : values) value += 10.0F;  // zero lies outside the range
    const ValueRange expected = find_range_ref(values);
    for (const Isa isa : kForced) {
      force_isa(isa);
      const ValueRange range = find_range(values);
      EXPECT_EQ(range.min, expected.min);
      EXPECT_EQ(range.max, expected.max);
      EXPECT_TRUE(range.finite);
    }
  }
}

TEST(WeightCodesTest, OneNanOrInfinityAnywhereMakesTheRangeNotFinite) {
  const IsaRestorer restorer;
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity()};
  for (const Isa isa : kForced) {
    force_isa(isa);
    for (const float value : bad) {
      for (std::size_t at = 0; at < 35; ++at) {
        std::vector<float> values(35, 0.5F);
        values[at] = value;
        EXPECT_FALSE(find_range(values).finite) << active_isa_name() << " at " << at;
      }
    }
  }
}

TEST(WeightCodesTest, RangesDoNotTellNegativeZeroFromZero) {
  const IsaRestorer restorer;
  for (const Isa isa : kForced) {
    force_isa(isa);
    const ValueRange range = find_range(std::vector<float>{0.0F, -0.0F, 1.0F, -0.0F});
    EXPECT_FALSE(std::signbit(range.min)) << active_isa_name();
  }
}

TEST(WeightCodesTest, LinearCodesOfEveryIsaAreThoseOfTheReferenceAtEverySize) {
  const IsaRestorer restorer;
  for (const bool is_signed : {false, true}) {
    for (const std::size_t size : kSizes) {
      const std::vector<float> values = make_values(size, 0.3F);
      const std::vector<std::byte> unaligned = misalign(values);
      const LinearStep step = step_for(values, is_signed);
      std::vector<std::byte> expected(size);
      const ErrorSums expected_sums = encode_linear_ref(values, step, expected);
      for (const Isa isa : kForced) {
        force_isa(isa);
        SCOPED_TRACE(testing::Message() << active_isa_name() << " size " << size);
        std::vector<std::byte> codes(size);
        const ErrorSums sums = encode_linear(view_misaligned(unaligned), step, codes);
        EXPECT_EQ(codes, expected);
        expect_same(sums, expected_sums);
        std::vector<float> back(size);
        std::vector<float> expected_back(size);
        decode_linear(codes, step, back);
        decode_linear_ref(codes, step, expected_back);
        EXPECT_EQ(back, expected_back);
        ErrorSums compared = compare_values(view_misaligned(unaligned), back);
        expect_same(compared, compare_values_ref(values, back));
        EXPECT_EQ(compared.noise, sums.noise);
      }
    }
  }
}

TEST(WeightCodesTest, LinearCodesRoundTiesToEven) {
  const IsaRestorer restorer;
  LinearStep step;  // scale 1, offset 0
  const std::vector<float> values = {0.5F, 1.5F, 2.5F, 2.4999F, 2.5001F, 254.5F, 255.0F};
  const std::vector<int> expected = {0, 2, 2, 2, 3, 254, 255};
  for (const Isa isa : kForced) {
    force_isa(isa);
    std::vector<std::byte> codes(values.size());
    (void)encode_linear(values, step, codes);
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(std::to_integer<int>(codes[i]), expected[i]) << values[i];
    }
  }
}

TEST(WeightCodesTest, SignedCodesNeverReachMinus128) {
  const IsaRestorer restorer;
  LinearStep step;
  step.is_signed = true;
  for (const Isa isa : kForced) {
    force_isa(isa);
    std::vector<std::byte> codes(2);
    (void)encode_linear(std::vector<float>{-128.0F, 128.0F}, step, codes);
    EXPECT_EQ(load_le<std::int8_t>(codes, 0), -127);
    EXPECT_EQ(load_le<std::int8_t>(codes, 1), 127);
  }
}

TEST(WeightCodesTest, ZeroPointsAreSubtractedBeforeTheScale) {
  const IsaRestorer restorer;
  std::vector<std::byte> codes(33, std::byte{200});
  LinearStep step;
  step.scale = 0.5F;
  step.zero_point = 128;
  for (const Isa isa : kForced) {
    force_isa(isa);
    std::vector<float> out(33);
    decode_linear(codes, step, out);
    EXPECT_EQ(out, std::vector<float>(33, 36.0F));
  }
}

}  // namespace
}  // namespace visionpress
