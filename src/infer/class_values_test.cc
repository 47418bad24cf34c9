#include "infer/class_values.h"

#include <array>
#include <limits>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(ClassValues, OfASoftmaxAreNotOdd) {
  ClassValues values;
  EXPECT_EQ(values.describe_oddity(), "");
  values.add(std::array{0.25F, 0.75F});
  values.add(std::array{0.5F, 0.49F});  // rounded to 8 bits
  EXPECT_EQ(values.describe_oddity(), "");
}

TEST(ClassValues, OutsideOfZeroToOneAreNotProbabilities) {
  ClassValues values;
  values.add(std::array{0.25F, 0.75F});
  values.add(std::array{-1.5F, 7.0F});
  EXPECT_EQ(values.describe_oddity(),
            "the classes' values are not probabilities: they go from -1.5 to 7; the network does "
            "not end with a softmax");
}

TEST(ClassValues, ThatDoNotSumToOneStandForThemselves) {
  ClassValues values;
  values.add(std::array{0.5F, 0.5F});
  values.add(std::array{0.9F, 0.8F});  // a sigmoid for each class
  EXPECT_EQ(values.describe_oddity(),
            "the classes' values sum to 1.7, not to 1: each stands for itself");
}

TEST(ClassValues, ThatAreNotFiniteSayNothing) {
  ClassValues values;
  values.add(std::array{std::numeric_limits<float>::quiet_NaN(), 7.0F});
  values.add({});
  EXPECT_EQ(values.describe_oddity(), "");
}

}  // namespace
}  // namespace visionpress
