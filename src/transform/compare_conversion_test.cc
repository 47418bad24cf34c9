#include "transform/compare_conversion.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

const Shape kImage = {1, 6, 5, 3};

/// x * factor + 1, by a node of that kind after it.
struct Scaled : TestGraph {
  explicit Scaled(const std::vector<float>& factor, Op last = Identity{})
      : TestGraph(Layout::ChannelsLast) {
    const TensorId x = add_input(kImage);
    const TensorId product = add_node(Binary{BinaryKind::Multiply}, {x, add_weight({3}, factor)});
    const TensorId sum = add_node(Binary{BinaryKind::Add}, {product, add_literal({}, {1.0F})});
    add_node(std::move(last), {sum});
  }
};

ConversionOutcome compare(const Scaled& source, const Scaled& written) {
  const auto outcome = compare_conversion(source.graph, written.graph, kImage, 1);
  EXPECT_TRUE(outcome) << outcome.error().to_string();
  return outcome.value_or(ConversionOutcome());
}

TEST(CompareConversion, TheSameGraphDoesNotDiffer) {
  const Scaled source({0.5F, 1.0F, 2.0F});
  const ConversionOutcome outcome = compare(source, Scaled({0.5F, 1.0F, 2.0F}));
  EXPECT_EQ(outcome.not_done_because, "");
  EXPECT_EQ(outcome.difference.share, 0.0);
  EXPECT_EQ(outcome.values, 90U);
}

TEST(CompareConversion, AnotherFactorIsFound) {
  const ConversionOutcome outcome =
      compare(Scaled({0.5F, 1.0F, 2.0F}), Scaled({0.5F, 1.01F, 2.0F}));
  EXPECT_GT(outcome.difference.share, kMostConvertedDifference);
  EXPECT_EQ(outcome.difference.output, "value2");
}

TEST(CompareConversion, AnotherShapeIsSaid) {
  const Scaled source({0.5F, 1.0F, 2.0F});
  const Scaled written({0.5F, 1.0F, 2.0F}, Reshape{{90}});
  EXPECT_EQ(compare(source, written).difference.other_form,
            "output \"value2\" has the shape [90], its source's [1,6,5,3]");
}

TEST(CompareConversion, NaNInBothIsEqualAndCounted) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const ConversionOutcome outcome = compare(Scaled({nan, 1.0F, 2.0F}), Scaled({nan, 1.0F, 2.0F}));
  EXPECT_EQ(outcome.difference.share, 0.0);
  EXPECT_EQ(outcome.not_finite, 30U);
}

TEST(CompareConversion, NaNOnOneSideIsInfinitelyFar) {
  const ConversionOutcome outcome = compare(
      Scaled({0.5F, 1.0F, 2.0F}), Scaled({0.5F, std::numeric_limits<float>::quiet_NaN(), 2.0F}));
  EXPECT_TRUE(std::isinf(outcome.difference.share));
}

TEST(CompareConversion, AWrongFactorIsFoundBehindAFloorToo) {
  const Unary floor = {UnaryKind::Floor};
  const ConversionOutcome outcome =
      compare(Scaled({0.5F, 1.0F, 2.0F}, floor), Scaled({0.5F, 1.2F, 2.0F}, floor));
  EXPECT_GT(outcome.difference.share, kMostConvertedDifference);
}

TEST(CompareConversion, ASourceThatCannotBeRunIsNoFaultOfTheFile) {
  const Scaled source({0.5F, 1.0F, 2.0F}, Unsupported{"no"});
  const ConversionOutcome outcome = compare(source, Scaled({0.5F, 1.0F, 2.0F}));
  EXPECT_NE(outcome.not_done_because, "");
}

TEST(CompareConversion, AFileThatCannotBeRunThoughItsSourceCanIsAnError) {
  const Scaled source({0.5F, 1.0F, 2.0F});
  const Scaled written({0.5F, 1.0F, 2.0F}, Unsupported{"no"});
  EXPECT_FALSE(compare_conversion(source.graph, written.graph, kImage, 1));
}

TEST(CompareConversion, ARunThatEndsForTimeIsNoFaultOfTheFile) {
  const Stop stop = {std::chrono::steady_clock::now(), nullptr};
  const Scaled source({0.5F, 1.0F, 2.0F});
  const Scaled written({0.5F, 1.01F, 2.0F});
  for (const auto& outcome : {compare_conversion(source.graph, written.graph, kImage, 1, stop),
                              measure_conversion(source.graph, written.graph, kImage, 1, stop)}) {
    ASSERT_TRUE(outcome) << outcome.error().to_string();
    EXPECT_TRUE(outcome->was_stopped);
    EXPECT_EQ(outcome->not_done_because, "");
  }
}

}  // namespace
}  // namespace visionpress
