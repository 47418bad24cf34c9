#include "kernels/fixed_point.h"

#include <limits>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(FixedPoint, AShiftRoundsHalvesAwayFromZero) {
  EXPECT_EQ(shift_rounding_away(5, 1), 3);    // 2.5
  EXPECT_EQ(shift_rounding_away(-5, 1), -3);  // -2.5
  EXPECT_EQ(shift_rounding_away(5, 2), 1);    // 1.25
  EXPECT_EQ(shift_rounding_away(-7, 2), -2);  // -1.75
  EXPECT_EQ(shift_rounding_away(-6, 2), -2);  // -1.5
  EXPECT_EQ(shift_rounding_away(-9, 0), -9);
  EXPECT_EQ(shift_rounding_away(std::numeric_limits<std::int32_t>::min(), 31), -1);
}

TEST(FixedPoint, AHighProductRoundsToTheNearestAndHalvesUpwards) {
  constexpr std::int32_t kHalf = 1 << 30;       // of 2^31
  EXPECT_EQ(multiply_high(3, kHalf), 2);        // 1.5
  EXPECT_EQ(multiply_high(-3, kHalf), -1);      // -1.5
  EXPECT_EQ(multiply_high(7, kHalf / 2), 2);    // 1.75
  EXPECT_EQ(multiply_high(-7, kHalf / 2), -2);  // -1.75
}

TEST(FixedPoint, TheOneProductThatDoesNotFitIsTheLargestNumber) {
  constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
  EXPECT_EQ(multiply_high(kLowest, kLowest), std::numeric_limits<std::int32_t>::max());
}

TEST(FixedPoint, AFactorIsAMantissaOf31BitsAndAnExponent) {
  const FixedFactor half = make_fixed_factor(0.5);  // 0.5 * 2^0
  EXPECT_EQ(half.mantissa, 1 << 30);
  EXPECT_EQ(half.exponent, 0);
  const FixedFactor three = make_fixed_factor(3.0);  // 0.75 * 2^2
  EXPECT_EQ(three.mantissa, 3 << 29);
  EXPECT_EQ(three.exponent, 2);
  // 1 - 2^-33 rounds to 1, which takes the next exponent.
  const FixedFactor one = make_fixed_factor(1.0 - 0x1.0p-33);
  EXPECT_EQ(one.mantissa, 1 << 30);
  EXPECT_EQ(one.exponent, 1);
  EXPECT_EQ(make_fixed_factor(0x1.0p-33).mantissa, 0);
}

TEST(FixedPoint, ANumberTimesAFactorIsRoundedTwice) {
  EXPECT_EQ(multiply_by(100, make_fixed_factor(3.0)), 300);
  EXPECT_EQ(multiply_by(-101, make_fixed_factor(0.25)), -25);  // -25.25
  // 5 * 0.3 = 1.5: 5 times 0.6 is 3 after the first rounding, then 3 / 2 rounds away from zero.
  EXPECT_EQ(multiply_by(5, make_fixed_factor(0.3)), 2);
  // 7 * 0.21 = 1.47: 7 times 0.84 is 5.88, so 6, and 6 / 4 rounds to 2, which one rounding does not
  // give.
  EXPECT_EQ(multiply_by(7, make_fixed_factor(0.21)), 2);
}

TEST(FixedPoint, HalvesMayMoveUpwardsInstead) {
  const FixedFactor half = make_fixed_factor(0.25);  // 0.5 * 2^-1
  EXPECT_EQ(multiply_by(-10, half), -3);             // -2.5
  EXPECT_EQ(multiply_upwards(-10, half), -2);
  EXPECT_EQ(multiply_by(10, half), 3);
  EXPECT_EQ(multiply_upwards(10, half), 3);
  EXPECT_EQ(multiply_upwards(100, make_fixed_factor(3.0)), 300);
}

}  // namespace
}  // namespace visionpress
