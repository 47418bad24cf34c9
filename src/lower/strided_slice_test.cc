#include "lower/strided_slice.h"

#include <limits>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

constexpr std::int64_t kOpenEnd = std::numeric_limits<std::int64_t>::max();
using Sizes = std::vector<std::int64_t>;

TEST(StridedSlice, AxesBehindTheNamedOnesAreWhole) {
  const auto plan = plan_strided_slice({{1}, {3}, {2}, {}}, 2);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->slice.begin, (Sizes{1, 0}));
  EXPECT_EQ(plan->slice.end, (Sizes{3, kOpenEnd}));
  EXPECT_EQ(plan->slice.stride, (Sizes{2, 1}));
  EXPECT_TRUE(plan->reverse.axes.empty());
}

TEST(StridedSlice, AnAxisThatIsWalkedBackwardsIsReversedFirst) {
  // x[4:-6:-2]: of nine elements 4; counted from the other end, from -5 up to 5.
  const auto plan = plan_strided_slice({{4}, {-6}, {-2}, {}}, 1);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->reverse.axes, std::vector<int>{0});
  EXPECT_EQ(plan->slice.begin, Sizes{-5});
  EXPECT_EQ(plan->slice.end, Sizes{5});
  EXPECT_EQ(plan->slice.stride, Sizes{2});
}

TEST(StridedSlice, AnEllipsisStandsForTheAxesBetween) {
  StridedBounds bounds = {{0, 0, 2}, {0, 0, 3}, {1, 1, 1}, {}};
  bounds.masks.ellipsis = 0b010;
  bounds.masks.shrink = 0b001;
  const auto plan = plan_strided_slice(bounds, 4);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->slice.begin, (Sizes{0, 0, 0, 2}));
  EXPECT_EQ(plan->slice.squeeze_axes, std::vector<int>{0});
}

TEST(StridedSlice, NewAxesAreCountedInTheResult) {
  StridedBounds bounds = {{1, 0, 0}, {2, 0, 0}, {1, 1, 1}, {}};
  bounds.masks.new_axis = 0b010;
  const auto plan = plan_strided_slice(bounds, 2);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->new_axes.axes, std::vector<int>{1});
}

TEST(StridedSlice, BoundsThatDoNotFitAreRefused) {
  EXPECT_EQ(plan_strided_slice({{0, 0}, {1, 1}, {1, 1}, {}}, 1).error().message,
            "it indexes 2 axes of 1");
  EXPECT_EQ(plan_strided_slice({{0}, {1}, {0}, {}}, 1).error().message, "a stride is 0");
  EXPECT_EQ(plan_strided_slice({{0}, {1}, {}, {}}, 1).error().message,
            "1 begins, 1 ends and 0 strides");
  StridedBounds bounds = {{0, 0}, {0, 0}, {1, 1}, {}};
  bounds.masks.ellipsis = 0b11;
  EXPECT_EQ(plan_strided_slice(bounds, 3).error().message,
            "2 of its indices are an ellipsis, at most one may be");
}

}  // namespace
}  // namespace visionpress
