#include "lower/quantized_range.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(QuantizedRange, ARangeThatHasZeroStays) {
  const QuantizedRange range = nudge_range(0.0F, 255.0F, 8, false);
  EXPECT_EQ(range.low, 0.0F);
  EXPECT_EQ(range.high, 255.0F);
  EXPECT_EQ(range.step, 1.0F);
}

TEST(QuantizedRange, ZeroBecomesAValueOfTheRange) {
  // Steps of 0.5 from -0.6: code 1.2 is 0, which rounds to 1.
  const QuantizedRange range = nudge_range(-0.6F, 6.9F, 4, false);
  EXPECT_FLOAT_EQ(range.step, 0.5F);
  EXPECT_FLOAT_EQ(range.low, -0.5F);
  EXPECT_FLOAT_EQ(range.high, 7.0F);
}

TEST(QuantizedRange, ANarrowRangeHasOneCodeLess) {
  EXPECT_FLOAT_EQ(nudge_range(-127.0F, 127.0F, 8, true).step, 1.0F);
  EXPECT_FLOAT_EQ(nudge_range(-127.0F, 127.0F, 8, true).low, -127.0F);
}

TEST(QuantizedRange, ARangeWithoutZeroIsMovedToIt) {
  const QuantizedRange range = nudge_range(1.0F, 16.0F, 4, false);
  EXPECT_EQ(range.low, 0.0F);
  EXPECT_EQ(range.high, 15.0F);
}

}  // namespace
}  // namespace visionpress
