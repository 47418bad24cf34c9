#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

/// The message of what went wrong in building or in the run; empty where nothing did.
std::string error_of(const TestGraph& test, const std::vector<float>& input) {
  const auto executor = Executor::create(test.graph, {});
  if (!executor) return executor.error().message;
  auto session = executor->make_session();
  if (!session) return session.error().message;
  const auto ran = session->run(input);
  return ran ? "" : ran.error().message;
}

struct OneNode {
  Op op = {};
  DType result = DType::Int32;
  std::vector<std::vector<float>> others = {};  ///< operands behind x, each of one value
};

std::string error_of(const OneNode& one, const std::vector<float>& x) {
  TestGraph test(Layout::ChannelsLast);
  std::vector<TensorId> inputs = {test.add_input({std::ssize(x)})};
  for (const auto& values : one.others) {
    inputs.push_back(test.add_node(Identity{}, {test.add_literal({1}, values)}));
  }
  test.add_node(one.op, inputs);
  test.graph.tensors.back().dtype = one.result;
  return error_of(test, x);
}

Binary binary(BinaryKind kind) { return {kind, FusedActivation::None}; }

TEST(WholeNumbers, AResultThatFloat32DoesNotHoldEndsTheRun) {
  const OneNode product = {binary(BinaryKind::Multiply), DType::Int32, {{4097}}};
  EXPECT_EQ(error_of(product, {4095}), "");
  EXPECT_EQ(
      error_of(product, {4097}),
      "nodes[1] (TEST): its result \"value1\" of int32 holds about 16785408: whole numbers are "
      "run below 16777216, where float32 holds each of them, and inside their type");
  const OneNode sum = {binary(BinaryKind::Add), DType::Int64, {{1}}};
  EXPECT_EQ(error_of(sum, {16777214}), "");
  EXPECT_NE(error_of(sum, {16777216}), "");  // 16777217 rounds to 16777216
}

TEST(WholeNumbers, FloatsAreNotHeldToThem) {
  EXPECT_EQ(error_of({binary(BinaryKind::Multiply), DType::Float32, {{0.5F}}}, {3e9F}), "");
}

TEST(WholeNumbers, AResultBeyondItsTypeEndsTheRun) {
  const Unary cast = {UnaryKind::Truncate, 0.0F, 0.0F};
  EXPECT_EQ(error_of({cast, DType::UInt8}, {0, 255.9F}), "");
  EXPECT_NE(error_of({cast, DType::UInt8}, {256}).find("of uint8 holds 256:"), std::string::npos);
  EXPECT_NE(error_of({cast, DType::UInt8}, {-1}), "");
  EXPECT_EQ(error_of({cast, DType::Int8}, {-128, 127}), "");
  EXPECT_NE(error_of({cast, DType::Int8}, {128}), "");
  EXPECT_NE(error_of({cast, DType::Int16}, {-32769}), "");
  EXPECT_NE(error_of({cast, DType::Int32}, {std::numeric_limits<float>::quiet_NaN()}), "");
  EXPECT_NE(error_of({binary(BinaryKind::FloorDivide), DType::Int32, {{0}}}, {7}), "");
  EXPECT_NE(error_of({binary(BinaryKind::Divide), DType::Int32, {{2}}}, {7}), "");
}

TEST(WholeNumbers, ASumOfManyIsCheckedOnItsWay) {
  const OneNode sum = {binary(BinaryKind::Add), DType::Int32, {{1}, {-16777215}}};
  EXPECT_EQ(
      error_of(sum, {16777215}),
      "nodes[2] (TEST): it adds 3 tensors of whole numbers up to 33554431 in all: whole numbers "
      "are run below 16777216, where float32 holds each of them");
  EXPECT_EQ(error_of({binary(BinaryKind::Add), DType::Int32, {{1}, {2}}}, {5}), "");
}

TEST(WholeNumbers, AConstantStepIsCheckedBeforeAnyRun) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1});
  const TensorId product = test.add_node(
      binary(BinaryKind::Multiply), {test.add_literal({1}, {5000}), test.add_literal({1}, {5000})});
  test.graph.tensors.back().dtype = DType::Int32;
  test.add_node(binary(BinaryKind::Add), {x, product});
  EXPECT_NE(error_of(test, {1}).find("holds about 25000000"), std::string::npos);
}

TEST(WholeNumbers, AConstantOfDigitsThatAreLostIsNamed) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1});
  const TensorId large = test.add_literal({1}, {16777216});
  test.graph.tensors.back().dtype = DType::Int32;
  test.add_node(binary(BinaryKind::Greater), {x, large});
  EXPECT_NE(error_of(test, {1}).find("constant \"literal\" of int32 holds about 16777216: whole"),
            std::string::npos);
}

TEST(WholeNumbers, WhatOnlyMovesThemRunsInThem) {
  Pool2d pool;
  pool.kernel = {1, 2};
  Resize nearest;
  nearest.size = {1, 4};
  for (const Op& op : {Op(pool), Op(nearest)}) {
    TestGraph test(Layout::ChannelsLast);
    test.add_node(op, {test.add_input({1, 1, 2, 1})});
    test.graph.tensors.back().dtype = DType::Int32;
    EXPECT_EQ(error_of(test, {3, 7}), "");
  }
  Resize bilinear = nearest;
  bilinear.kind = ResizeKind::Bilinear;
  TestGraph test(Layout::ChannelsLast);
  test.add_node(bilinear, {test.add_input({1, 1, 2, 1})});
  test.graph.tensors.back().dtype = DType::Int32;
  EXPECT_NE(error_of(test, {3, 7}).find("it computes in int32"), std::string::npos);
}

TEST(WholeNumbers, ProductsOfMatricesAreNotRunInThem) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({2, 2});
  test.add_node(BatchMatMul{}, {x, test.add_literal({2, 2}, {1, 2, 3, 4})});
  test.graph.tensors.back().dtype = DType::Int32;
  EXPECT_EQ(error_of(test, {1, 2, 3, 4}),
            "nodes[0] (TEST): it computes in int32, which is run in float32");
}

TEST(WholeNumbers, IndicesAreNotRoundedToHalf) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 2051});
  Reduce argmax;
  argmax.kind = ReduceKind::ArgMax;
  argmax.axes = {1};
  test.add_node(argmax, {x});
  test.graph.tensors.back().dtype = DType::Int64;
  std::vector<float> values(2051, 0.0F);
  values[2049] = 1.0F;
  EXPECT_EQ(run_graph(test, values, Arithmetic::Float16).values, std::vector<float>{2049});
}

TEST(WholeNumbers, AnIndexOfAnExtremeAmongNanEndsTheRun) {
  Reduce reduce = {.kind = ReduceKind::ArgMin, .axes = {0}};
  reduce.keeps_nan = true;  // TensorFlow's
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error_of(OneNode{reduce}, {3, 1, 2}), "");
  EXPECT_NE(error_of(OneNode{reduce}, {3, nan, 2}).find("its input holds NaN"), std::string::npos);
}

}  // namespace
}  // namespace visionpress
