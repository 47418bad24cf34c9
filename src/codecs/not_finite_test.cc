#include "codecs/not_finite.h"

#include <bit>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

WeightRef floats(const std::vector<float>& values) {
  WeightRef stored;
  stored.shape = {static_cast<std::int64_t>(values.size())};
  stored.payload = std::as_bytes(std::span(values));
  return stored;
}

TEST(NotFinite, FloatsAreCountedByKind) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {
      1.0F, std::numeric_limits<float>::quiet_NaN(), -kInfinity, kInfinity, 3.0e38F, 0.0F};
  const NotFiniteCount count = count_not_finite(floats(values));
  EXPECT_EQ(count.nan, 1U);
  EXPECT_EQ(count.infinite, 2U);
}

TEST(NotFinite, LargeWeightsAreCountedPartByPart) {
  std::vector<float> values(1000003, 1.0F);
  values.front() = std::numeric_limits<float>::infinity();
  values[600000] = std::numeric_limits<float>::quiet_NaN();
  values.back() = -std::numeric_limits<float>::infinity();
  for (const int threads : {1, 3}) {
    const NotFiniteCount count = count_not_finite(floats(values), threads);
    EXPECT_EQ(count.nan, 1U);
    EXPECT_EQ(count.infinite, 2U);
  }
}

TEST(NotFinite, HalvesAreCountedByKind) {
  const std::vector<std::uint16_t> halves = {0x7c00, 0xfc00, 0x7e00, 0x7bff, 0x0000};
  WeightRef stored;
  stored.shape = {5};
  stored.code.encoding = Encoding::Float16;
  stored.code.bits = 16;
  stored.payload = std::as_bytes(std::span(halves));
  const NotFiniteCount count = count_not_finite(stored);
  EXPECT_EQ(count.nan, 1U);
  EXPECT_EQ(count.infinite, 2U);
}

TEST(NotFinite, CodesAreAsFiniteAsTheirScales) {
  WeightRef stored;
  stored.shape = {4};
  stored.code.encoding = Encoding::Linear;
  stored.code.scales = {1.0F, std::numeric_limits<float>::infinity()};
  EXPECT_EQ(count_not_finite(stored).infinite, 1U);
}

TEST(NotFinite, TheGraphsLineNamesTheWeights) {
  const std::vector<float> good = {1.0F, 2.0F};
  const std::vector<float> bad = {std::numeric_limits<float>::quiet_NaN(), 2.0F};
  Graph graph;
  for (const auto* values : {&good, &bad}) {
    Weight weight;
    weight.name = values == &good ? "good" : "bad";
    weight.stored = floats(*values);
    graph.weights.push_back(weight);
  }
  EXPECT_EQ(describe_not_finite(graph),
            "1 of 2 weights hold values that are not finite: \"bad\" (1 NaN)");
  graph.weights.pop_back();
  EXPECT_EQ(describe_not_finite(graph), "");
}

}  // namespace
}  // namespace visionpress
