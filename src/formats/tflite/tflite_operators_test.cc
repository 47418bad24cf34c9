#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "formats/tflite/tflite_operators_testonly.h"
#include "formats/tflite/tflite_reader.h"
#include "run/executor.h"

namespace visionpress {
namespace {

using Code = tfl::BuiltinOperator;
using Options = tfl::BuiltinOptions;
using Type = tfl::TensorType;
using V = std::vector<float>;
using Builder = flatbuffers::FlatBufferBuilder;

struct Ran {
  Shape shape = {};
  V values = {};
};

/// All outputs of the file's one operator on this input; or the one message of what went wrong.
struct Outcome {
  std::vector<Ran> outputs = {};
  std::string error = {};
};

Outcome run_session(const Graph& graph, const V& input) {
  Outcome outcome;
  const auto executor = Executor::create(graph, {});
  if (!executor) return {{}, executor.error().message};
  auto session = executor->make_session();
  if (!session) return {{}, session.error().message};
  const auto ran = session->run(input);
  if (!ran) return {{}, ran.error().message};
  for (const OutputView& view : session->outputs())
    outcome.outputs.push_back({view.shape, {view.values.begin(), view.values.end()}});
  return outcome;
}

Outcome run_operator(const OneOperator& one, const V& input) {
  const std::vector<std::byte> file = build_operator_file(one);
  Diagnostics diagnostics;
  const auto model = read_tflite(file, diagnostics);
  if (!model) return {{}, model.error().message};
  for (const Node& node : (*model)->graph().nodes) {
    const auto* unsupported = std::get_if<Unsupported>(&node.op);
    if (unsupported != nullptr) return {{}, node.source_type + " is not run: " + unsupported->why};
  }
  return run_session((*model)->graph(), input);
}

void expect_output(const OneOperator& one, const V& input, const Shape& shape, const V& values) {
  const Outcome outcome = run_operator(one, input);
  ASSERT_EQ(outcome.error, "") << tfl::EnumNameBuiltinOperator(one.code);
  EXPECT_EQ(outcome.outputs[0].shape, shape) << tfl::EnumNameBuiltinOperator(one.code);
  EXPECT_EQ(outcome.outputs[0].values, values) << tfl::EnumNameBuiltinOperator(one.code);
}

OneOperator binary(Code code, FileValue a, FileValue b, Type result) {
  return {code, {std::move(a), std::move(b), {result, {3}}}, {0, 1}, {2}};
}

OneOperator unary(Code code, Type from, Type to) {
  return {code, {{from, {3}}, {to, {3}}}, {0}, {1}};
}

TEST(TfliteOperators, ComparisonsGiveOneAndNothing) {
  const V x = {1, 2, 3};
  const std::vector<std::pair<Code, V>> cases = {
      {Code::GREATER, {0, 0, 1}}, {Code::GREATER_EQUAL, {0, 1, 1}},
      {Code::LESS, {1, 0, 0}},    {Code::LESS_EQUAL, {1, 1, 0}},
      {Code::EQUAL, {0, 1, 0}},   {Code::NOT_EQUAL, {1, 0, 1}}};
  for (const auto& [code, expected] : cases) {
    for (const Type type : {Type::FLOAT32, Type::INT32, Type::INT64})
      expect_output(binary(code, {type, {3}}, {type, {}, {2}}, Type::BOOL), x, {3}, expected);
  }
}

TEST(TfliteOperators, LogicReadsTruthValuesAlone) {
  const FileValue truths = {Type::BOOL, {3}};
  const FileValue other = {Type::BOOL, {3}, {1, 0, 0}};
  expect_output(binary(Code::LOGICAL_AND, truths, other, Type::BOOL), {1, 1, 0}, {3}, {1, 0, 0});
  expect_output(binary(Code::LOGICAL_OR, truths, other, Type::BOOL), {1, 1, 0}, {3}, {1, 1, 0});
  expect_output(unary(Code::LOGICAL_NOT, Type::BOOL, Type::BOOL), {1, 1, 0}, {3}, {0, 0, 1});
  EXPECT_EQ(run_operator(unary(Code::LOGICAL_NOT, Type::FLOAT32, Type::BOOL), {}).error,
            "subgraphs[0].operators[0]: LOGICAL_NOT reads \"t0\" of float32, expected bool");
}

TEST(TfliteOperators, ArithmeticOfWholeNumbersStaysWhole) {
  const V x = {-7, 7, 9};
  const std::vector<std::pair<Code, V>> cases = {{Code::DIV, {-3, 3, 4}},
                                                 {Code::FLOOR_DIV, {-4, 3, 4}},
                                                 {Code::FLOOR_MOD, {1, 1, 1}},
                                                 {Code::POW, {49, 49, 81}},
                                                 {Code::SQUARED_DIFFERENCE, {81, 25, 49}},
                                                 {Code::MUL, {-14, 14, 18}}};
  for (const auto& [code, expected] : cases) {
    expect_output(binary(code, {Type::INT32, {3}}, {Type::INT32, {}, {2}}, Type::INT32), x, {3},
                  expected);
  }
  expect_output(unary(Code::SIGN, Type::FLOAT32, Type::FLOAT32), {-2, 0, 3}, {3}, {-1, 0, 1});
  expect_output(unary(Code::ROUND, Type::FLOAT32, Type::FLOAT32), {0.5F, 1.5F, -0.7F}, {3},
                {0, 2, -1});
}

TEST(TfliteOperators, BroadcastToRepeatsAxesOfOneElement) {
  const auto broadcast = [](std::vector<std::int32_t> from, std::vector<double> target,
                            std::vector<std::int32_t> to) {
    const FileValue shape = {Type::INT32, {std::int32_t(target.size())}, std::move(target)};
    return OneOperator{Code::BROADCAST_TO,
                       {{Type::FLOAT32, std::move(from)}, shape, {Type::FLOAT32, std::move(to)}},
                       {0, 1},
                       {2}};
  };
  expect_output(broadcast({3}, {2, 3}, {2, 3}), {1, 2, 3}, {2, 3}, {1, 2, 3, 1, 2, 3});
  expect_output(broadcast({2, 1}, {2, 2}, {2, 2}), {1, 2}, {2, 2}, {1, 1, 2, 2});
  expect_output(broadcast({1}, {1, 2, 2}, {1, 2, 2}), {5}, {1, 2, 2}, {5, 5, 5, 5});
  EXPECT_EQ(run_operator(broadcast({3}, {2, 2}, {2, 2}), {1, 2, 3}).error,
            "subgraphs[0].operators[0]: BROADCAST_TO repeats [3] to [2,2]");
}

TEST(TfliteOperators, ALocalResponseNormTakesItsOptions) {
  OneOperator one = {Code::LOCAL_RESPONSE_NORMALIZATION,
                     {{Type::FLOAT32, {1, 1, 1, 2}}, {Type::FLOAT32, {1, 1, 1, 2}}},
                     {0},
                     {1}};
  EXPECT_NE(run_operator(one, {3, 4}).error.find("has no options of its own kind"),
            std::string::npos);
  one.options = tfl::BuiltinOptions::LocalResponseNormalizationOptions;
  one.make_options = [](Builder& builder) {
    return tfl::CreateLocalResponseNormalizationOptions(builder, 1, 0.0F, 1.0F, 0.5F).Union();
  };
  expect_output(one, {3, 4}, {1, 1, 1, 2}, {0.6F, 0.8F});
  one.make_options = [](Builder& builder) {
    return tfl::CreateLocalResponseNormalizationOptions(builder, -1, 0.0F, 1.0F, 0.5F).Union();
  };
  EXPECT_NE(run_operator(one, {3, 4}).error.find("has radius -1"), std::string::npos);
}

TEST(TfliteOperators, ComposedOperatorsFollowTheirDefinitions) {
  const auto run = [](Code code, const V& input) {
    const FileValue value = {Type::FLOAT32, {1, 3}};
    const Outcome outcome = run_operator({code, {value, value}, {0}, {1}}, input);
    EXPECT_EQ(outcome.error, "");
    return outcome.outputs.empty() ? V(3, 0.0F) : outcome.outputs[0].values;
  };
  const V length = run(Code::L2_NORMALIZATION, {2, -1, 2});
  for (const std::size_t i : {0U, 1U, 2U}) EXPECT_NEAR(length[i], (V{2, -1, 2})[i] / 3.0F, 1e-6F);
  EXPECT_EQ(run(Code::L2_NORMALIZATION, {0, 0, 0}), (V{0, 0, 0}));
  const V logs = run(Code::LOG_SOFTMAX, {1000, 1000, 999});
  EXPECT_NEAR(logs[0], -std::log(2.0 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(logs[2], logs[0] - 1.0F, 1e-6);
  const V gelu = run(Code::GELU, {0, 1, -1});  // x times the share of a normal distribution below x
  EXPECT_EQ(gelu[0], 0.0F);
  EXPECT_NEAR(gelu[1], 0.841345, 1e-6);
  EXPECT_NEAR(gelu[2], -0.158655, 1e-6);
}

TEST(TfliteOperators, OperandsOfTwoTypesAreNamed) {
  const OneOperator one =
      binary(Code::GREATER, {Type::FLOAT32, {3}}, {Type::INT32, {}, {2}}, Type::BOOL);
  EXPECT_EQ(run_operator(one, {}).error,
            "subgraphs[0].operators[0]: GREATER has the inputs \"t0\" of float32 and \"t1\" of "
            "int32");
}

TEST(TfliteOperators, WholeNumbersThatNoFloatHoldsAreRefused) {
  const OneOperator one =
      binary(Code::ADD, {Type::INT32, {3}}, {Type::INT32, {}, {16777217}}, Type::INT32);
  EXPECT_EQ(run_operator(one, {1, 2, 3}).error,
            "ADD is not run: its input \"t1\" holds 16777217: whole numbers are run below "
            "16777216, where "
            "float32 holds each of them");
}

template <tfl::Activation kActivation>
flatbuffers::Offset<void> add_options(Builder& builder) {
  return tfl::CreateAddOptions(builder, kActivation).Union();
}

TEST(TfliteOperators, WhatLiteRtWouldLetOverflowEndsTheRun) {
  const OneOperator one =
      binary(Code::MUL, {Type::INT32, {3}}, {Type::INT32, {}, {5000}}, Type::INT32);
  EXPECT_NE(run_operator(one, {1, 2, 4000}).error.find("holds about 20000000"), std::string::npos);
  OneOperator clamped =
      binary(Code::ADD, {Type::INT32, {3}}, {Type::INT32, {}, {5000}}, Type::INT32);
  clamped.options = Options::AddOptions;
  clamped.make_options = add_options<tfl::Activation::RELU6>;
  EXPECT_EQ(run_operator(clamped, {1, 2, 3}).error,
            "ADD is not run: its fused activation clamps int32");
  EXPECT_EQ(run_operator(binary(Code::DIV, {Type::INT64, {3}}, {Type::INT64, {}, {2}}, Type::INT64),
                         {1, 2, 3})
                .error,
            "DIV is not run: it divides int64, LiteRT divides int32 alone");
}

TEST(TfliteOperators, AFusedTanhOrSignIsPassedOverAsInLiteRt) {
  OneOperator one =
      binary(Code::ADD, {Type::FLOAT32, {3}}, {Type::FLOAT32, {}, {1}}, Type::FLOAT32);
  one.options = Options::AddOptions;
  one.make_options = add_options<tfl::Activation::TANH>;
  expect_output(one, {-3, 0, 6}, {3}, {-2, 1, 7});
  one.make_options = add_options<tfl::Activation::SIGN_BIT>;
  expect_output(one, {-3, 0, 6}, {3}, {-2, 1, 7});
}

TEST(TfliteOperators, AFusedActivationThatLiteRtRefusesIsRefused) {
  OneOperator one = {Code::CONCATENATION,
                     {{Type::FLOAT32, {3}}, {Type::FLOAT32, {1}, {1}}, {Type::FLOAT32, {4}}},
                     {0, 1},
                     {2}};
  one.options = Options::ConcatenationOptions;
  one.make_options = [](Builder& builder) {
    return tfl::CreateConcatenationOptions(builder, 0, tfl::Activation::RELU).Union();
  };
  EXPECT_EQ(run_operator(one, {1, 2, 3}).error,
            "CONCATENATION is not run: its fused activation is number 1");
  OneOperator matrix = {
      Code::FULLY_CONNECTED,
      {{Type::FLOAT32, {1, 3}}, {Type::FLOAT32, {1, 3}, {1, 1, 1}}, {Type::FLOAT32, {1, 1}}},
      {0, 1},
      {2}};
  matrix.options = Options::FullyConnectedOptions;
  matrix.make_options = [](Builder& builder) {
    return tfl::CreateFullyConnectedOptions(builder, tfl::Activation::TANH).Union();
  };
  EXPECT_EQ(run_operator(matrix, {1, 2, 3}).error,
            "FULLY_CONNECTED is not run: its fused activation is number 4");
}

TEST(TfliteOperators, AFloorDivDividesInDouble) {
  expect_output(
      binary(Code::FLOOR_DIV, {Type::FLOAT32, {3}}, {Type::FLOAT32, {}, {0.1}}, Type::FLOAT32),
      {0.7F, 1, -1}, {3}, {6, 9, -10});
}

TEST(TfliteOperators, AFloatKernelTakesNoWholeNumbers) {
  EXPECT_EQ(run_operator(unary(Code::TANH, Type::INT32, Type::INT32), {1, 2, 3}).error,
            "TANH is not run: its input \"t0\" is int32");
}

TEST(TfliteOperators, CastsCutOffAndAskWhetherAValueIsNotZero) {
  const V x = {-1.5F, 0, 0.5F};
  expect_output(unary(Code::CAST, Type::FLOAT32, Type::INT32), x, {3}, {-1, 0, 0});
  expect_output(unary(Code::CAST, Type::FLOAT32, Type::BOOL), x, {3}, {1, 0, 1});
  expect_output(unary(Code::CAST, Type::INT64, Type::FLOAT32), {-1, 0, 2}, {3}, {-1, 0, 2});
  expect_output(unary(Code::CAST, Type::BOOL, Type::INT32), {1, 0, 1}, {3}, {1, 0, 1});
  EXPECT_EQ(run_operator(unary(Code::CAST, Type::FLOAT32, Type::FLOAT16), x).error,
            "CAST is not run: it casts to float16");
}

TEST(TfliteOperators, GatherTakesRowsAlongItsAxis) {
  OneOperator one = {Code::GATHER,
                     {{Type::FLOAT32, {2, 3}}, {Type::INT32, {2}, {2, 0}}, {Type::FLOAT32, {2, 2}}},
                     {0, 1},
                     {2},
                     Options::GatherOptions,
                     [](Builder& b) { return tfl::CreateGatherOptions(b, -1).Union(); }};
  const V x = {1, 2, 3, 4, 5, 6};
  expect_output(one, x, {2, 2}, {3, 1, 6, 4});
  one.tensors[1].values = {3, 0};
  EXPECT_EQ(run_operator(one, x).error,
            "subgraphs[0].operators[0] \"t2\" (GATHER): index 3 is outside 0..2");
  one.make_options = [](Builder& b) { return tfl::CreateGatherOptions(b, 2).Union(); };
  EXPECT_EQ(run_operator(one, x).error,
            "subgraphs[0].operators[0]: GATHER has axis 2, its tensor has 2 axes");
  one.make_options = [](Builder& b) { return tfl::CreateGatherOptions(b, 1, 2).Union(); };
  EXPECT_EQ(run_operator(one, x).error,
            "subgraphs[0].operators[0]: GATHER along axis 1 has 2 axes of batches");
  one.tensors[1].type = Type::FLOAT32;
  EXPECT_EQ(run_operator(one, x).error,
            "subgraphs[0].operators[0]: GATHER reads \"t1\" of float32, expected int32 or int64");
}

TEST(TfliteOperators, GatherWithinABatchTakesARowOfIndicesForEach) {
  OneOperator one = {
      Code::GATHER,
      {{Type::FLOAT32, {2, 3}}, {Type::INT32, {2, 1}, {2, 0}}, {Type::FLOAT32, {2, 1}}},
      {0, 1},
      {2},
      Options::GatherOptions,
      [](Builder& b) { return tfl::CreateGatherOptions(b, 1, 1).Union(); }};
  expect_output(one, {1, 2, 3, 4, 5, 6}, {2, 1}, {3, 4});
  one.make_options = [](Builder& b) { return tfl::CreateGatherOptions(b, 1, -1).Union(); };
  expect_output(one, {1, 2, 3, 4, 5, 6}, {2, 1}, {3, 4});
}

TEST(TfliteOperators, ScatterNdAddsUpdatesToZeros) {
  OneOperator one = {Code::SCATTER_ND,
                     {{Type::FLOAT32, {3}},
                      {Type::INT32, {3, 1}, {1, 3, 1}},
                      {Type::INT32, {1}, {4}},
                      {Type::FLOAT32, {4}}},
                     {1, 0, 2},
                     {3}};
  expect_output(one, {1, 2, 3}, {4}, {0, 4, 0, 2});
  one.tensors[1].values = {1, 4, 1};
  EXPECT_EQ(run_operator(one, {1, 2, 3}).error,
            "subgraphs[0].operators[0] \"t3\" (SCATTER_ND): index 4 is outside 0..3");
}

TEST(TfliteOperators, ReverseCumsumAndRankTakeTheirAxis) {
  const FileValue x = {Type::FLOAT32, {2, 3}};
  expect_output({Code::REVERSE_V2, {x, {Type::INT32, {1}, {1}}, x}, {0, 1}, {2}},
                {1, 2, 3, 4, 5, 6}, {2, 3}, {3, 2, 1, 6, 5, 4});
  OneOperator sum = {Code::CUMSUM, {x, {Type::INT32, {}, {-1}}, x}, {0, 1}, {2}};
  sum.options = Options::CumsumOptions;
  sum.make_options = [](Builder& b) { return tfl::CreateCumsumOptions(b, true, false).Union(); };
  expect_output(sum, {1, 2, 3, 4, 5, 6}, {2, 3}, {0, 1, 3, 0, 4, 9});
  expect_output({Code::RANK, {x, {Type::INT32, {}}}, {0}, {1}}, {1, 2, 3, 4, 5, 6}, {}, {2});
  expect_output({Code::ZEROS_LIKE, {x, x}, {0}, {1}}, {1, 2, std::nanf(""), 4, 5, 6}, {2, 3},
                V(6, 0.0F));
}

TEST(TfliteOperators, OneHotCodesHaveTheirAxisWhereTheOptionSays) {
  OneOperator one = {Code::ONE_HOT,
                     {{Type::INT32, {2}},
                      {Type::INT32, {}, {3}},
                      {Type::FLOAT32, {}, {5}},
                      {Type::FLOAT32, {}, {-1}},
                      {Type::FLOAT32, {2, 3}}},
                     {0, 1, 2, 3},
                     {4},
                     Options::OneHotOptions,
                     [](Builder& b) { return tfl::CreateOneHotOptions(b, -1).Union(); }};
  expect_output(one, {2, 7}, {2, 3}, {-1, -1, 5, -1, -1, -1});
  one.tensors[4].shape = {3, 2};
  one.make_options = [](Builder& b) { return tfl::CreateOneHotOptions(b, 0).Union(); };
  expect_output(one, {2, 0}, {3, 2}, {-1, 5, -1, -1, 5, -1});
}

TEST(TfliteOperators, AFakeQuantRoundsToTheStepsOfItsRange) {
  const FileValue x = {Type::FLOAT32, {4}};
  OneOperator one = {Code::FAKE_QUANT, {x, x}, {0}, {1}};
  one.options = Options::FakeQuantOptions;
  one.make_options = [](Builder& b) {
    return tfl::CreateFakeQuantOptions(b, -1.0F, 6.5F, 4, false).Union();
  };
  expect_output(one, {-9, 0.2F, 0.3F, 9}, {4}, {-1, 0, 0.5F, 6.5F});
}

TEST(TfliteOperators, AStridedSliceMayWalkBackwardsAndAddAxes) {
  OneOperator one = {
      Code::STRIDED_SLICE,
      {{Type::FLOAT32, {4}},
       {Type::INT32, {2}, {0, -1}},
       {Type::INT32, {2}, {0, -5}},
       {Type::INT32, {2}, {1, -2}},
       {Type::FLOAT32, {1, 2}}},
      {0, 1, 2, 3},
      {4},
      Options::StridedSliceOptions,
      [](Builder& b) { return tfl::CreateStridedSliceOptions(b, 0, 0, 0, 1, 0).Union(); }};
  expect_output(one, {1, 2, 3, 4}, {1, 2}, {4, 2});
}

TEST(TfliteOperators, SlopesOfOtherShapesThanChannelsBroadcast) {
  const OneOperator one = {
      Code::PRELU,
      {{Type::FLOAT32, {1, 2, 2}}, {Type::FLOAT32, {2, 1}, {0.5, 2}}, {Type::FLOAT32, {1, 2, 2}}},
      {0, 1},
      {2}};
  expect_output(one, {-2, 3, -4, 5}, {1, 2, 2}, {-1, 3, -8, 5});
}

TEST(TfliteOperators, GatherNdTakesWhatEachRowOfIndicesNames) {
  const OneOperator one = {
      Code::GATHER_ND,
      {{Type::FLOAT32, {2, 3}}, {Type::INT64, {2, 2}, {1, 0, 0, 2}}, {Type::FLOAT32, {2}}},
      {0, 1},
      {2}};
  expect_output(one, {1, 2, 3, 4, 5, 6}, {2}, {4, 3});
}

TEST(TfliteOperators, SelectChoosesElementsAndInItsFirstVersionRows) {
  OneOperator one = {Code::SELECT_V2,
                     {{Type::FLOAT32, {2, 2}},
                      {Type::BOOL, {2}, {1, 0}},
                      {Type::FLOAT32, {2, 2}, {9, 8, 7, 6}},
                      {Type::FLOAT32, {2, 2}}},
                     {1, 0, 2},
                     {3}};
  expect_output(one, {1, 2, 3, 4}, {2, 2}, {1, 8, 3, 6});
  one.code = Code::SELECT;
  expect_output(one, {1, 2, 3, 4}, {2, 2}, {1, 2, 7, 6});
  one.tensors[1].type = Type::INT32;
  EXPECT_EQ(run_operator(one, {}).error,
            "subgraphs[0].operators[0]: SELECT reads \"t1\" of int32, expected bool");
}

TEST(TfliteOperators, WhereGivesAsManyRowsAsItFinds) {
  const OneOperator one = {
      Code::WHERE, {{Type::BOOL, {2, 2}}, {Type::INT64, {1, 2}, {}, {-1, 2}}}, {0}, {1}};
  expect_output(one, {0, 1, 1, 0}, {2, 2}, {0, 1, 1, 0});
  expect_output(one, {0, 0, 0, 0}, {0, 2}, {});
}

TEST(TfliteOperators, TopKGivesValuesAndPlaces) {
  OneOperator one = {Code::TOPK_V2,
                     {{Type::FLOAT32, {2, 3}},
                      {Type::INT32, {}, {2}},
                      {Type::FLOAT32, {2, 2}},
                      {Type::INT32, {2, 2}}},
                     {0, 1},
                     {2, 3}};
  const Outcome outcome = run_operator(one, {1, 3, 2, 5, 4, 5});
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.outputs[0].values, (V{3, 2, 5, 5}));
  EXPECT_EQ(outcome.outputs[1].values, (V{1, 2, 0, 2}));
  one.outputs = {2};
  EXPECT_EQ(run_operator(one, {}).error,
            "subgraphs[0].operators[0]: TOPK_V2 has 2 inputs and 1 outputs, expected 2 and 2");
}

OneOperator suppression(bool gives_scores) {
  OneOperator one = {Code::NON_MAX_SUPPRESSION_V4,
                     {{Type::FLOAT32, {3, 4}},
                      {Type::FLOAT32, {3}, {0.5, 0.9, 0.8}},
                      {Type::INT32, {}, {4}},
                      {Type::FLOAT32, {}, {0.5}},
                      {Type::FLOAT32, {}, {0.1}},
                      {Type::FLOAT32, {}, {0.0}},
                      {Type::INT32, {4}},
                      {Type::FLOAT32, {4}},
                      {Type::INT32, {}}},
                     {0, 1, 2, 3, 4},
                     {6, 8}};
  if (!gives_scores) return one;
  one.code = Code::NON_MAX_SUPPRESSION_V5;
  one.inputs.push_back(5);
  one.outputs = {6, 7, 8};
  return one;
}

TEST(TfliteOperators, SuppressionFillsUpToItsMostAndCounts) {
  const V boxes = {5, 5, 6, 6, 0, 0, 1, 1, 0, 0, 1, 1};
  const Outcome four = run_operator(suppression(false), boxes);
  ASSERT_EQ(four.error, "");
  EXPECT_EQ(four.outputs[0].values, (V{1, 0, 0, 0}));
  EXPECT_EQ(four.outputs[1].values, (V{2}));
  const Outcome five = run_operator(suppression(true), boxes);
  ASSERT_EQ(five.error, "");
  EXPECT_EQ(five.outputs[0].values, (V{1, 0, 0, 0}));
  EXPECT_EQ(five.outputs[1].values, (V{0.9F, 0.5F, 0, 0}));
  EXPECT_EQ(five.outputs[2].values, (V{2}));
}

TEST(TfliteOperators, SuppressionsBeyondUsAreNamed) {
  OneOperator soft = suppression(true);
  soft.tensors[5].values = {0.5};
  EXPECT_EQ(run_operator(soft, {}).error,
            "NON_MAX_SUPPRESSION_V5 is not run: it softens scores by overlap");
  OneOperator negative = suppression(false);
  negative.tensors[2].values = {-1};
  EXPECT_EQ(run_operator(negative, {}).error,
            "subgraphs[0].operators[0]: NON_MAX_SUPPRESSION_V4 takes -1 boxes, expected "
            "0..16777216");
  OneOperator missing = suppression(false);
  missing.inputs = {0, 1, 2, 3};
  EXPECT_EQ(run_operator(missing, {}).error,
            "subgraphs[0].operators[0]: NON_MAX_SUPPRESSION_V4 needs 5 inputs, input 4 is missing");
}

TEST(TfliteOperators, PackAndUnpackAreEachOthersInverse) {
  OneOperator pack = {Code::PACK,
                      {{Type::INT32, {2}}, {Type::INT32, {2}, {7, 8}}, {Type::INT32, {2, 2}}},
                      {0, 1},
                      {2},
                      Options::PackOptions,
                      [](Builder& b) { return tfl::CreatePackOptions(b, 2, -1).Union(); }};
  expect_output(pack, {1, 2}, {2, 2}, {1, 7, 2, 8});
  OneOperator unpack = {Code::UNPACK,
                        {{Type::FLOAT32, {2, 2}}, {Type::FLOAT32, {2}}, {Type::FLOAT32, {2}}},
                        {0},
                        {1, 2},
                        Options::UnpackOptions,
                        [](Builder& b) { return tfl::CreateUnpackOptions(b, 2, 1).Union(); }};
  const Outcome parts = run_operator(unpack, {1, 7, 2, 8});
  ASSERT_EQ(parts.error, "");
  EXPECT_EQ(parts.outputs[0].values, (V{1, 2}));
  EXPECT_EQ(parts.outputs[1].values, (V{7, 8}));
  unpack.outputs = {1};
  EXPECT_EQ(run_operator(unpack, {}).error,
            "subgraphs[0].operators[0]: UNPACK has 1 inputs and 1 outputs, expected 1 and 2");
  pack.tensors[1].shape = {2, 1};
  EXPECT_EQ(run_operator(pack, {}).error, "subgraphs[0].operators[0]: PACK stacks [2] and [2,1]");
}

TEST(TfliteOperators, AddNSumsAllItsInputs) {
  OneOperator one = {Code::ADD_N,
                     {{Type::FLOAT32, {3}},
                      {Type::FLOAT32, {3}, {10, 20, 30}},
                      {Type::FLOAT32, {3}, {100, 200, 300}},
                      {Type::FLOAT32, {3}}},
                     {0, 1, 2},
                     {3}};
  expect_output(one, {1, 2, 3}, {3}, {111, 222, 333});
  one.inputs = {0, 1};
  expect_output(one, {1, 2, 3}, {3}, {11, 22, 33});
  one.tensors[1].type = Type::INT32;
  EXPECT_EQ(
      run_operator(one, {}).error,
      "subgraphs[0].operators[0]: ADD_N has the inputs \"t0\" of float32 and \"t1\" of int32");
  one.inputs = {0};
  EXPECT_EQ(run_operator(one, {}).error,
            "subgraphs[0].operators[0]: ADD_N needs 2 inputs, input 1 is missing");
}

TEST(TfliteOperators, BatchMatMulMultipliesWhatIsComputed) {
  OneOperator one = {
      Code::BATCH_MATMUL,
      {{Type::FLOAT32, {1, 2, 3}}, {Type::FLOAT32, {1, 2, 2}}},
      {0, 0},
      {1},
      Options::BatchMatMulOptions,
      [](Builder& b) { return tfl::CreateBatchMatMulOptions(b, false, true).Union(); }};
  expect_output(one, {1, 2, 3, 4, 5, 6}, {1, 2, 2}, {14, 32, 32, 77});
  one.make_options = [](Builder& b) {
    return tfl::CreateBatchMatMulOptions(b, true, false).Union();
  };
  one.tensors[1].shape = {1, 3, 3};
  expect_output(one, {1, 2, 3, 4, 5, 6}, {1, 3, 3}, {17, 22, 27, 22, 29, 36, 27, 36, 45});
  one.tensors.push_back({Type::INT8, {3, 2}, {1, 0, 2, 1, 0, 3}});
  one.inputs = {0, 2};
  EXPECT_EQ(run_operator(one, {}).error, "BATCH_MATMUL is not run: its input \"t2\" is int8");
}

TEST(TfliteOperators, AKernelMayBeComputed) {
  OneOperator one = {
      Code::FULLY_CONNECTED,
      {{Type::FLOAT32, {2, 3}}, {Type::FLOAT32, {2}, {1, -100}}, {Type::FLOAT32, {2, 2}}},
      {0, 0},
      {2},
      Options::FullyConnectedOptions,
      [](Builder& b) { return tfl::CreateFullyConnectedOptions(b).Union(); }};
  const V x = {1, 2, 3, 4, 5, 6};
  expect_output(one, x, {2, 2}, {14, 32, 32, 77});
  one.inputs = {0, 0, 1};
  expect_output(one, x, {2, 2}, {15, -68, 33, -23});
  one.make_options = [](Builder& b) {
    return tfl::CreateFullyConnectedOptions(b, tfl::Activation::RELU6).Union();
  };
  expect_output(one, x, {2, 2}, {6, 0, 6, 0});
  one.inputs = {0, 0};
  expect_output(one, x, {2, 2}, {6, 6, 6, 6});
}

TEST(TfliteOperators, SplitVMakesPartsOfItsSizes) {
  OneOperator one = {Code::SPLIT_V,
                     {{Type::FLOAT32, {2, 3}},
                      {Type::INT32, {2}, {2, 1}},
                      {Type::INT32, {}, {-1}},
                      {Type::FLOAT32, {2, 2}},
                      {Type::FLOAT32, {2, 1}}},
                     {0, 1, 2},
                     {3, 4}};
  for (const double rest : {1, -1}) {
    one.tensors[1].values = {2, rest};
    const Outcome parts = run_operator(one, {1, 2, 3, 4, 5, 6});
    ASSERT_EQ(parts.error, "");
    EXPECT_EQ(parts.outputs[0].shape, (Shape{2, 2}));
    EXPECT_EQ(parts.outputs[0].values, (V{1, 2, 4, 5}));
    EXPECT_EQ(parts.outputs[1].values, (V{3, 6}));
  }
  one.tensors[1].values = {2, -2};
  EXPECT_EQ(run_operator(one, {}).error,
            "subgraphs[0].operators[0]: SPLIT_V makes parts of [2,-2] for 2 outputs");
  one.tensors[1].values = {2, 2};
  EXPECT_EQ(run_operator(one, {}).error,
            "subgraphs[0].operators[0] \"t3\" (SPLIT_V): 3 elements do not split into [2,2]");
}

/// 3 x 4 pixels in blocks of 2 x 2, a row of zeros above.
TEST(TfliteOperators, BlocksBecomeImagesOfABatchAndBack) {
  OneOperator one = {Code::SPACE_TO_BATCH_ND,
                     {{Type::FLOAT32, {1, 3, 4, 1}},
                      {Type::INT32, {2}, {2, 2}},
                      {Type::INT32, {2, 2}, {1, 0, 0, 0}},
                      {Type::FLOAT32, {4, 2, 2, 1}}},
                     {0, 1, 2},
                     {3}};
  const V image = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const V blocks = {0, 0, 5, 7, 0, 0, 6, 8, 1, 3, 9, 11, 2, 4, 10, 12};
  expect_output(one, image, {4, 2, 2, 1}, blocks);
  one.code = Code::BATCH_TO_SPACE_ND;
  std::swap(one.tensors[0], one.tensors[3]);
  expect_output(one, blocks, {1, 3, 4, 1}, image);
  one.tensors[1].values = {2, 0};
  EXPECT_EQ(run_operator(one, {}).error,
            "subgraphs[0].operators[0]: BATCH_TO_SPACE_ND has blocks of [2,0] with [1,0,0,0] for "
            "[4,2,2,1]");
  one.tensors[1] = {Type::INT32, {1}, {2}};
  EXPECT_EQ(run_operator(one, {}).error,
            "subgraphs[0].operators[0]: BATCH_TO_SPACE_ND has blocks of [2] with [1,0,0,0] for "
            "[4,2,2,1]");
  one.tensors[1] = {Type::FLOAT32, {2}, {1, 1}};
  EXPECT_EQ(run_operator(one, {}).error, "BATCH_TO_SPACE_ND is not run: its blocks are computed");
}

TEST(TfliteOperators, OptionsThatAreMissingAreNamed) {
  for (const Code code : {Code::PACK, Code::UNPACK, Code::GATHER}) {
    const OneOperator one = {
        code,
        {{Type::FLOAT32, {2}}, {Type::INT32, {2}, {0, 1}}, {Type::FLOAT32, {2}}},
        {0, 1},
        {2}};
    EXPECT_EQ(run_operator(one, {}).error, std::string("subgraphs[0].operators[0]: ") +
                                               tfl::EnumNameBuiltinOperator(code) +
                                               " has no options of its own kind");
  }
}

TEST(TfliteOperators, TileFillRangeAndShapeMakeTheirValues) {
  OneOperator tile = {
      Code::TILE,
      {{Type::FLOAT32, {1, 2}}, {Type::INT32, {2}, {2, 2}}, {Type::FLOAT32, {2, 4}}},
      {0, 1},
      {2}};
  expect_output(tile, {1, 2}, {2, 4}, {1, 2, 1, 2, 1, 2, 1, 2});
  tile.tensors[1].values = {2, -1};
  EXPECT_EQ(run_operator(tile, {}).error,
            "subgraphs[0].operators[0]: TILE repeats [1,2] by [2,-1]");
  const OneOperator fill = {
      Code::FILL,
      {{Type::FLOAT32, {}}, {Type::INT32, {2}, {2, 2}}, {Type::FLOAT32, {2, 2}}},
      {1, 0},
      {2}};
  expect_output(fill, {4}, {2, 2}, {4, 4, 4, 4});
  OneOperator range = {Code::RANGE,
                       {{Type::FLOAT32, {1}},
                        {Type::INT32, {}, {5}},
                        {Type::INT32, {}, {-1}},
                        {Type::INT32, {}, {-2}},
                        {Type::INT32, {3}}},
                       {1, 2, 3},
                       {4}};
  expect_output(range, {0}, {3}, {5, 3, 1});
  range.tensors[3].values = {0};
  EXPECT_EQ(run_operator(range, {0}).error,
            "subgraphs[0].operators[0]: RANGE counts from 5 to -1 in steps of 0");
  range.tensors[3].values = {1};
  range.tensors[2].values = {5000000};
  EXPECT_EQ(run_operator(range, {0}).error,
            "RANGE is not run: it gives 4999995 values, 1 to 4194304 are run");
  const OneOperator shape = {Code::SHAPE, {{Type::FLOAT32, {2, 3}}, {Type::INT32, {2}}}, {0}, {1}};
  expect_output(shape, V(6, 0.0F), {2}, {2, 3});
}

TEST(TfliteOperators, AnAxisThatIsNamedTwiceIsSaid) {
  const OneOperator one = {
      Code::TRANSPOSE,
      {{Type::FLOAT32, {2, 3}}, {Type::INT32, {2}, {1, 1}}, {Type::FLOAT32, {3, 3}}},
      {0, 1},
      {2}};
  EXPECT_EQ(run_operator(one, V(6, 0.0F)).error,
            "subgraphs[0].operators[0]: TRANSPOSE orders the axes of [2,3] as [1,1], expected each "
            "once");
}

TEST(TfliteOperators, AReductionOverNoAxisReducesNothing) {
  OneOperator one = {Code::SUM,
                     {{Type::FLOAT32, {2, 2}}, {Type::INT32, {0}}, {Type::FLOAT32, {2, 2}}},
                     {0, 1},
                     {2}};
  expect_output(one, {1, 2, 3, 4}, {2, 2}, {1, 2, 3, 4});
  one.code = Code::ARG_MAX;
  EXPECT_EQ(run_operator(one, V(4, 0.0F)).error,
            "subgraphs[0].operators[0]: ARG_MAX has no axis, expected one");
}

TEST(TfliteOperators, ASliceOfAComputedSizeHasTheRowsOfEachRun) {
  OneOperator one = {Code::SLICE,
                     {{Type::INT32, {1}},
                      {Type::INT32, {3}, {7, 8, 9}},
                      {Type::INT32, {1}, {0}},
                      {Type::INT32, {1}}},
                     {1, 2, 0},
                     {3}};
  expect_output(one, {2}, {2}, {7, 8});
  expect_output(one, {-1}, {3}, {7, 8, 9});
  EXPECT_EQ(run_operator(one, {4}).error,
            "subgraphs[0].operators[0] \"t3\" (SLICE): it takes 4 elements of axis 0 of [3]");
  one.tensors[2].values = {1};
  EXPECT_EQ(run_operator(one, {1}).error, "SLICE is not run: its bounds are computed");
}

TEST(TfliteOperators, AComputedTargetShapeIsWhatTheFileStates) {
  // The input is both what is reshaped and, in a run, the target.
  OneOperator one = {
      Code::RESHAPE, {{Type::INT32, {2}}, {Type::INT32, {1, 1}, {}, {-1, 1}}}, {0, 0}, {1}};
  expect_output(one, {2, 1}, {2, 1}, {2, 1});
  one.tensors[1].signature = {-1, -1};
  EXPECT_EQ(run_operator(one, {2, 1}).error, "RESHAPE is not run: its target shape is computed");
}

OneOperator relu_of(const FileValue& input) {
  return {Code::RELU, {input, {Type::FLOAT32, input.shape, {}, input.signature}}, {0}, {1}};
}

ReadOptions sized(std::int64_t height, std::int64_t width) {
  ReadOptions options;
  options.input_size = std::array<std::int64_t, 2>{height, width};
  return options;
}

Shape input_shape_of(const OneOperator& one, const ReadOptions& options) {
  const std::vector<std::byte> file = build_operator_file(one);
  Diagnostics diagnostics;
  const auto model = read_tflite(file, options, diagnostics);
  EXPECT_TRUE(model) << model.error().to_string();
  if (!model) return {};
  return (*model)->graph().tensor((*model)->graph().inputs[0]).shape;
}

TEST(TfliteOpenSize, ASizeOfOneWithASignatureOfMinusOneIsOpen) {
  const OneOperator one = relu_of({Type::FLOAT32, {1, 1, 1, 3}, {}, {1, -1, -1, 3}});
  EXPECT_EQ(input_shape_of(one, {}), (Shape{1, -1, -1, 3}));
  EXPECT_EQ(input_shape_of(one, sized(4, 2)), (Shape{1, 4, 2, 3}));
  const Outcome outcome = run_operator(one, V(3));
  EXPECT_EQ(outcome.error,
            "input \"t0\" has the shape [1,-1,-1,3]: its size is open, --input-size WxH gives it");
}

TEST(TfliteOpenSize, AProposedSizeStandsUntilAnotherIsAskedFor) {
  const OneOperator one = relu_of({Type::FLOAT32, {1, 8, 6, 3}, {}, {-1, -1, -1, 3}});
  EXPECT_EQ(input_shape_of(one, {}), (Shape{1, 8, 6, 3}));
  EXPECT_EQ(input_shape_of(one, sized(4, 2)), (Shape{1, 4, 2, 3}));
}

TEST(TfliteOpenSize, ASizeOfOneThatIsFixedStays) {
  const OneOperator one = relu_of({Type::FLOAT32, {1, 1, 1, 3}, {}, {-1, 1, 1, 3}});
  EXPECT_EQ(input_shape_of(one, sized(4, 2)), (Shape{1, 1, 1, 3}));
  EXPECT_EQ(input_shape_of(relu_of({Type::FLOAT32, {1, 1, 1, 3}}), {}), (Shape{1, 1, 1, 3}));
}

TEST(TfliteOperators, ATensorWithoutAShapeIsNoScalar) {
  FileValue unknown;
  unknown.has_shape = false;
  const OneOperator one = {Code::MEAN,
                           {unknown, {Type::INT32, {1}, {1}}, {Type::FLOAT32, {1, 2}}},
                           {0, 1},
                           {2},
                           Options::ReducerOptions,
                           [](Builder& b) { return tfl::CreateReducerOptions(b).Union(); }};
  EXPECT_EQ(run_operator(one, V(1)).error, "MEAN is not run: its input \"t0\" has no shape");
}

TEST(TfliteOperators, OperatorsWithoutAResultAreCarried) {
  const std::vector<std::byte> file =
      build_operator_file({Code::CALL_ONCE, {{Type::FLOAT32, {1, 2}}}, {}, {}});
  Diagnostics diagnostics;
  const auto model = read_tflite(file, diagnostics);
  ASSERT_TRUE(model) << model.error().to_string();
  ASSERT_EQ((*model)->graph().nodes.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Unsupported>((*model)->graph().nodes[0].op));
  EXPECT_TRUE((*model)->rewrite({}, RewriteOptions{}));
}

TEST(TfliteOperators, AConstantOfACustomOperatorStays) {
  const std::vector<std::byte> file = build_operator_file(
      {Code::CUSTOM,
       {{Type::FLOAT32, {1, 2}}, {Type::FLOAT32, {2}, {1, 2}}, {Type::FLOAT32, {1, 2}}},
       {0, 1},
       {2}});
  Diagnostics diagnostics;
  const auto model = read_tflite(file, diagnostics);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ((*model)->graph().weights[0].fixed_because,
            "CUSTOM reads it, whose kernel may want a constant");
}

TEST(TfliteOperators, PixelsOfTheInputAreCastToFloats) {
  const OneOperator one = {Code::CAST, {{Type::UINT8, {1, 3}}, {Type::FLOAT32, {1, 3}}}, {0}, {1}};
  expect_output(one, {0, 128, 255}, {1, 3}, {0, 128, 255});
}

}  // namespace
}  // namespace visionpress
