#include "kernels/integer_sums.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/each_isa_testonly.h"

namespace visionpress {
namespace {

TEST(IntegerSums, XnnpackRoundsTiesToEvenAndBuiltinAwayFromZero) {
  const std::int32_t offset = 0;
  const float scale = 0.25F;
  const FixedFactor factor = make_fixed_factor(0.25);
  SumsToCodes how;
  how.offsets = &offset;
  how.factors = &factor;
  how.zero = 10;
  const std::int32_t sums[] = {2, 6, -2, -10, 4000, -4000};
  const std::uint8_t away[] = {11, 12, 9, 7, 255, 0};
  const std::uint8_t even[] = {10, 12, 10, 8, 255, 0};
  for (std::size_t i = 0; i < 6; ++i) {
    how.scales = nullptr;
    EXPECT_EQ(code_of_sum(sums[i], 0, how), away[i]) << sums[i];
    how.scales = &scale;
    EXPECT_EQ(code_of_sum(sums[i], 0, how), even[i]) << sums[i];
  }
}

TEST(IntegerSums, CodesAreTheReferencesOnEachInstructionSet) {
  std::mt19937 random(3);
  std::uniform_int_distribution<std::int32_t> values(-40000, 40000);
  for (const std::size_t columns : kOddSizes) {
    std::vector<std::int32_t> sums(columns);
    std::vector<std::int32_t> offsets(columns);
    for (std::size_t c = 0; c < columns; ++c) {
      sums[c] = values(random);
      offsets[c] = values(random) / 10;
    }
    const std::vector<float> scales(columns, 0.003F);
    SumsToCodes how;
    how.offsets = offsets.data();
    how.scales = scales.data();
    how.zero = 128;
    how.low = 3;
    expect_the_reference_on_each_isa([&] {
      std::vector<std::uint8_t> codes(columns);
      sums_to_codes(sums.data(), 77, columns, how, codes.data());
      return std::vector<float>(codes.begin(), codes.end());
    });
  }
}

TEST(IntegerSums, TheFirstColumnsMayMoveHalvesUpwards) {
  const std::int32_t offsets[] = {0, 0};
  const FixedFactor factors[] = {make_fixed_factor(0.25), make_fixed_factor(0.25)};
  SumsToCodes how;
  how.offsets = offsets;
  how.factors = factors;
  how.upward_columns = 1;
  how.zero = 10;
  EXPECT_EQ(code_of_sum(-10, 0, how), 8);  // -2.5
  EXPECT_EQ(code_of_sum(-10, 1, how), 7);
}

TEST(IntegerSums, CodesOfRealValuesAreTheReferencesOnEachInstructionSet) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::mt19937 random(5);
  std::uniform_real_distribution<float> values(-30.0F, 30.0F);
  for (const std::size_t count : kOddSizes) {
    std::vector<float> x(count);
    for (std::size_t i = 0; i < count; ++i)
      x[i] = i % 3 == 0 ? std::round(values(random)) + 0.5F : values(random);
    x[count / 2] = count % 2 == 0 ? kNan : 1e12F;
    for (const bool is_product : {false, true}) {
      expect_the_reference_on_each_isa([&] {
        std::vector<std::uint8_t> codes(count);
        const auto convert = is_product ? codes_of_products : codes_of_quotients;
        convert(x.data(), count, 1.0F, 100, codes.data());
        return std::vector<float>(codes.begin(), codes.end());
      });
    }
  }
}

TEST(IntegerSums, SumsOfCodesAreTheReferencesOnEachInstructionSet) {
  std::mt19937 random(6);
  std::uniform_int_distribution<int> code(0, 255);
  for (const std::size_t count : kOddSizes) {
    std::vector<std::uint8_t> codes(count);
    for (auto& c : codes) c = static_cast<std::uint8_t>(code(random));
    expect_the_reference_on_each_isa(
        [&] { return std::vector<float>{static_cast<float>(sum_of_codes(codes.data(), count))}; });
  }
}

TEST(IntegerSums, SumsOfWindowsAreTheReferencesOnEachInstructionSet) {
  std::mt19937 random(8);
  for (const std::size_t segment : kOddSizes) {
    std::vector<std::uint8_t> codes(4 * segment + 5, 255);
    for (std::size_t i = segment; i < codes.size(); ++i)
      codes[i] = static_cast<std::uint8_t>(random() & 0xFFU);
    const std::uint8_t* starts[] = {codes.data(), codes.data() + 1, codes.data() + 5};
    const std::size_t offsets[] = {0, segment, 3 * segment};
    expect_the_reference_on_each_isa([&] {
      std::vector<std::int32_t> sums(3);
      sum_windows({starts, 3, offsets, 3, segment}, sums.data());
      return std::vector<float>(sums.begin(), sums.end());
    });
  }
}

TEST(IntegerSums, SumsOfTapsAreTheReferencesOnEachInstructionSet) {
  std::mt19937 random(4);
  std::uniform_int_distribution<int> code(0, 255);
  std::uniform_int_distribution<int> weight(-255, 255);
  for (const std::size_t channels : kOddSizes) {
    for (const std::size_t taps : {1U, 2U, 9U, 25U}) {
      std::vector<std::uint8_t> pixels(taps * channels);
      std::vector<std::int16_t> weights(taps * channels);
      for (auto& p : pixels) p = static_cast<std::uint8_t>(code(random));
      for (auto& w : weights) w = static_cast<std::int16_t>(weight(random));
      std::vector<const std::uint8_t*> rows;
      for (std::size_t t = 0; t < taps; ++t) rows.push_back(pixels.data() + t * channels);
      expect_the_reference_on_each_isa([&] {
        std::vector<std::int32_t> sums(channels);
        sum_depthwise_codes(rows.data(), weights.data(), taps, channels, sums.data());
        return std::vector<float>(sums.begin(), sums.end());
      });
    }
  }
}

}  // namespace
}  // namespace visionpress
