#include "lower/fold.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

using Values = std::vector<double>;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// The result for vectors, of integers by default; empty: the operator is not folded.
Values fold_vectors(const Op& op, const std::vector<Values>& operands, const Shape& shape,
                    DType dtype = DType::Int32) {
  std::vector<Shape> shapes;
  for (const Values& values : operands) shapes.push_back({std::ssize(values)});
  std::vector<FoldOperand> views;
  for (std::size_t i = 0; i < operands.size(); ++i) views.push_back({shapes[i], operands[i]});
  return fold(op, views, shape, fold_type_of(dtype)).value_or(Values());
}

double reduce(ReduceKind kind, const Values& values) {
  Reduce op;
  op.kind = kind;
  op.axes = {0};
  const Values result = fold_vectors(op, {values}, {});
  return result.size() == 1 ? result[0] : -1.0;
}

TEST(Fold, EveryReductionOfAnUnknownSizeIsUnknown) {
  for (const ReduceKind kind : {ReduceKind::Sum, ReduceKind::Product, ReduceKind::Mean,
                                ReduceKind::Maximum, ReduceKind::Minimum}) {
    EXPECT_TRUE(std::isnan(reduce(kind, {1, kUnknown, 3}))) << static_cast<int>(kind);
  }
}

TEST(Fold, ReductionsOfIntegersAreIntegers) {
  EXPECT_EQ(reduce(ReduceKind::Maximum, {1, 7, 3}), 7.0);
  EXPECT_EQ(reduce(ReduceKind::Minimum, {4, 2, 3}), 2.0);
  EXPECT_EQ(reduce(ReduceKind::Product, {4, 2, 3}), 24.0);
  EXPECT_EQ(reduce(ReduceKind::Mean, {1, 2}), 1.0);
}

TEST(Fold, IntegersAreDividedTowardsZeroAndFloatsAreNot) {
  const Op divide = Binary{BinaryKind::Divide, FusedActivation::None};
  EXPECT_EQ(fold_vectors(divide, {{-7, 7}, {2, 2}}, {2}), (Values{-3, 3}));
  EXPECT_EQ(fold_vectors(divide, {{-7, 7}, {2, 2}}, {2}, DType::Float32), (Values{-3.5, 3.5}));
  const Op floored = Binary{BinaryKind::FloorDivide, FusedActivation::None};
  EXPECT_EQ(fold_vectors(floored, {{-7, 7}, {2, 2}}, {2}), (Values{-4, 3}));
}

TEST(Fold, AResultThatItsTypeDoesNotHoldIsNotComputed) {
  const Op multiply = Binary{BinaryKind::Multiply, FusedActivation::None};
  EXPECT_EQ(fold_vectors(multiply, {{65536}, {65536}}, {1}), Values());
  EXPECT_EQ(fold_vectors(multiply, {{65536}, {65536}}, {1}, DType::Int64), Values{4294967296.0});
  EXPECT_EQ(fold_vectors(multiply, {{16}, {16}}, {1}, DType::UInt8), Values());
  EXPECT_EQ(fold_vectors(multiply, {{16}, {-8}}, {1}, DType::Int8), Values{-128.0});
}

TEST(Fold, AModuloOfALargeQuotientStaysBelowItsDivisor) {
  const Op modulo = Binary{BinaryKind::FloorModulo, FusedActivation::None};
  const Values rests = fold_vectors(modulo, {{1e17, -7}, {0.3, 2}}, {2}, DType::Float32);
  ASSERT_EQ(rests.size(), 2U);
  EXPECT_GE(rests[0], 0.0);
  EXPECT_LT(rests[0], 0.3);
  EXPECT_EQ(rests[1], 1.0);
}

TEST(Fold, AnUnknownSizeLeavesTheOthersKnown) {
  const Op twice = Binary{BinaryKind::Multiply, FusedActivation::None};
  const Values result = fold_vectors(twice, {{1, kUnknown, 3}, {2}}, {3});
  ASSERT_EQ(result.size(), 3U);
  EXPECT_EQ(result[0], 2.0);
  EXPECT_TRUE(std::isnan(result[1]));
  EXPECT_EQ(result[2], 6.0);
}

TEST(Fold, ASliceTakesItsStrideAndCountsFromTheEnd) {
  const Op slice = Slice{{-4}, {100}, {2}, {}};
  EXPECT_EQ(fold_vectors(slice, {{0, 1, 2, 3, 4}}, {2}), (Values{1, 3}));
}

TEST(Fold, FloatsAreRoundedAsFloat32) {
  const Op sum = Binary{BinaryKind::Add, FusedActivation::None};
  EXPECT_EQ(fold_vectors(sum, {{16777216}, {1}}, {1}, DType::Float32), (Values{16777216}));
}

TEST(Fold, IntegersThatADoubleCannotHoldAreNotComputed) {
  const Op product = Binary{BinaryKind::Multiply, FusedActivation::None};
  EXPECT_TRUE(fold_vectors(product, {{1e9}, {1e9}}, {1}, DType::Int64).empty());
}

TEST(Fold, ReductionsAlongAnAxisLeaveTheOthers) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6};
  const Shape shape = {2, 3};
  const auto sums = fold(Reduce{ReduceKind::Sum, {0}, false}, {{shape, values}}, {3},
                         fold_type_of(DType::Float32));
  ASSERT_TRUE(sums);
  EXPECT_EQ(*sums, (std::vector<double>{5, 7, 9}));
  const auto means = fold(Reduce{ReduceKind::Mean, {1}, true}, {{shape, values}}, {2, 1},
                          fold_type_of(DType::Float32));
  ASSERT_TRUE(means);
  EXPECT_EQ(*means, (std::vector<double>{2, 5}));
}

TEST(Fold, ATileRepeatsAlongEachAxis) {
  const std::vector<double> values = {1, 2};
  const Shape shape = {1, 2};
  const auto tiled = fold(Tile{{2, 2}}, {{shape, values}}, {2, 4}, fold_type_of(DType::Float32));
  ASSERT_TRUE(tiled);
  EXPECT_EQ(*tiled, (std::vector<double>{1, 2, 1, 2, 1, 2, 1, 2}));
}

TEST(Fold, AGatherTakesPlacesOfAnyAxis) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6};
  const Shape shape = {2, 3};
  const std::vector<double> places = {2, 0};
  const Shape two = {2};
  for (const int axis : {1, -1}) {
    const auto taken =
        fold(Gather{axis}, {{shape, values}, {two, places}}, {2, 2}, fold_type_of(DType::Int64));
    ASSERT_TRUE(taken);
    EXPECT_EQ(*taken, (Values{3, 1, 6, 4}));
  }
  const auto outside =
      fold(Gather{0}, {{shape, values}, {two, places}}, {2, 3}, fold_type_of(DType::Int64));
  EXPECT_FALSE(outside);
}

TEST(Fold, ASelectChoosesElementByElement) {
  EXPECT_EQ(fold_vectors(Select{}, {{1, 0, 1}, {5}, {7, 8, 9}}, {3}), (Values{5, 8, 5}));
  EXPECT_TRUE(fold_vectors(Select{}, {{1, kUnknown, 1}, {5}, {7, 8, 9}}, {3}).empty());
}

TEST(Fold, AnEpsilonIsAddedBeforeTheRoot) {
  const Op root = Unary{UnaryKind::Rsqrt, 0.0F, 0.25F};
  EXPECT_EQ(fold_vectors(root, {{0.0}}, {1}, DType::Float32), (Values{2.0}));
}

TEST(Fold, WhatHasAnActivationIsLeftToTheRun) {
  const Op sum = Binary{BinaryKind::Add, FusedActivation::Relu};
  EXPECT_TRUE(fold_vectors(sum, {{1}, {-2}}, {1}).empty());
  const Op joined = Concat{0, FusedActivation::Relu};
  EXPECT_TRUE(fold_vectors(joined, {{1}, {-2}}, {2}).empty());
}

TEST(Fold, FunctionsThatNoSizeIsComputedByAreLeftToTheRun) {
  EXPECT_TRUE(fold_vectors(Unary{UnaryKind::Elu, 0, 0}, {{1}}, {1}, DType::Float32).empty());
}

}  // namespace
}  // namespace visionpress
