#include "formats/tflite/tflite_builder.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "formats/tflite/tflite_reader.h"
#include "run/graph_build_testonly.h"
#include "tflite_schema_generated.h"
#include "transform/prepare_tflite.h"

namespace visionpress {
namespace {

/// A built file as one piece.
std::vector<std::byte> join(const FilePieces& file) {
  std::vector<std::byte> bytes;
  for (const Bytes piece : file.pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
  return bytes;
}

struct Built {
  std::vector<std::byte> bytes = {};
  std::unique_ptr<SourceModel> source = {};
};

Shape input_shape_of(const TestGraph& test) {
  Shape shape = test.graph.tensor(test.graph.inputs[0]).shape;
  if (shape[0] < 0) shape[0] = 1;
  return shape;
}

/// Prepares, builds and reads the graph. Fails the test on an error.
Built build(const TestGraph& test, bool open_batch = false) {
  Built built;
  PrepareOptions options;
  options.input_shape = input_shape_of(test);
  options.open_batch = open_batch;
  const auto prepared = prepare_for_tflite(test.graph, options);
  if (!prepared) {
    ADD_FAILURE() << prepared.error().message;
    return built;
  }
  const auto file = build_tflite(prepared->graph);
  if (!file) {
    ADD_FAILURE() << file.error().message;
    return built;
  }
  built.bytes = join(*file);
  Diagnostics diagnostics;
  auto source = read_tflite(built.bytes, diagnostics);
  if (!source) {
    ADD_FAILURE() << source.error().message;
    return built;
  }
  built.source = std::move(*source);
  return built;
}

void expect_same_values(const TestGraph& test, const char* what) {
  const auto count = static_cast<std::size_t>(*element_count(input_shape_of(test)));
  const std::vector<float> input = random_values(count, 3);
  const Built built = build(test);
  if (built.source == nullptr) return;
  TestGraph read(Layout::ChannelsLast);
  read.graph = built.source->graph();
  const RunResult expected = run_graph(test, input, Arithmetic::Float);
  const RunResult actual = run_graph(read, input, Arithmetic::Float);
  EXPECT_EQ(actual.shape, expected.shape) << what;
  ASSERT_EQ(actual.values.size(), expected.values.size()) << what;
  for (std::size_t i = 0; i < actual.values.size(); ++i) {
    // The two may sum in another order: a few units in the last place of values below 16.
    ASSERT_NEAR(actual.values[i], expected.values[i], 1e-5F) << what << ", value " << i;
  }
}

/// One node over an image of 6 x 6 pixels and 4 channels.
TEST(TfliteBuilder, OperatorsOfOneInputGiveTheSameValuesWhenReadBack) {
  Pool2d max_pool;
  max_pool.kernel = {3, 3};
  max_pool.stride = {2, 2};
  max_pool.padding.rule = PadRule::SameUpper;
  Pool2d average = max_pool;
  average.kind = PoolKind::Average;
  Pool2d global = average;
  global.global = true;
  Pool2d padded = max_pool;
  padded.padding = {PadRule::Explicit, {1, 0}, {1, 2}};
  Pad pad;
  pad.before = {0, 1, 2, 0};
  pad.after = {0, 2, 0, 1};
  Pad valued = pad;
  valued.value = -1.5F;
  Pad mirrored = pad;
  mirrored.mode = PadMode::Reflect;
  mirrored.after = {0, 2, 0, 0};
  Slice slice;
  slice.begin = {0, 1, -3, 0};
  slice.end = {1, 5, -1, 4};
  slice.stride = {1, 1, 1, 1};
  Slice strided = slice;
  strided.stride = {1, 2, 1, 1};
  strided.end = {1, 6, -1, 4};
  Slice squeezed = slice;
  squeezed.end = {1, 2, -1, 4};
  squeezed.squeeze_axes = {1};
  Resize bilinear;
  bilinear.kind = ResizeKind::Bilinear;
  bilinear.size = {9, 11};
  bilinear.grid = ResizeGrid::HalfPixel;
  Resize nearest;
  nearest.size = {12, 12};
  Reduce mean;
  mean.axes = {1, 2};
  mean.keep_dims = false;
  Reduce maximum;
  maximum.kind = ReduceKind::Maximum;
  maximum.axes = {-1};
  const std::vector<std::pair<const char*, Op>> nodes = {
      {"max pool", max_pool},
      {"average pool", average},
      {"global pool", global},
      {"padded pool", padded},
      {"pad", pad},
      {"pad with a value", valued},
      {"mirrored pad", mirrored},
      {"slice", slice},
      {"strided slice", strided},
      {"squeezed slice", squeezed},
      {"bilinear", bilinear},
      {"nearest", nearest},
      {"mean", mean},
      {"reduce max", maximum},
      {"softmax", Softmax{-1, 2.0F}},
      {"local response norm", LocalResponseNorm{-1, 1, 2.0F, 0.5F, 0.75F}},
      {"transpose", Transpose{{0, 2, 3, 1}}},
      {"reshape", Reshape{{1, -1, 8}}},
      {"space to depth", SpaceDepth{SpaceDepthKind::SpaceToDepth, 2}},
      {"depth to space", SpaceDepth{SpaceDepthKind::DepthToSpace, 2}},
      {"space to batch", SpaceBatch{SpaceBatchKind::SpaceToBatch, {2, 3}, {1, 0}, {1, 3}}},
      {"space to batch along one axis", SpaceBatch{SpaceBatchKind::SpaceToBatch, {2}, {0}, {0}}},
      {"batch to space", SpaceBatch{SpaceBatchKind::BatchToSpace, {1, 1}, {1, 0}, {0, 2}}},
      {"relu", Unary{UnaryKind::Relu}},
      {"leaky relu", Unary{UnaryKind::LeakyRelu, 0.2F}},
      {"sigmoid", Unary{UnaryKind::Sigmoid}},
      {"tanh", Unary{UnaryKind::Tanh}},
      {"scaled tanh", Unary{UnaryKind::ScaledTanh, 2.0F, 0.5F}},
      {"hard swish", Unary{UnaryKind::HardSwish}},
      {"hard sigmoid", Unary{UnaryKind::HardSigmoid, 0.2F, 0.5F}},
      {"softplus", Unary{UnaryKind::Softplus}},
      {"softsign", Unary{UnaryKind::Softsign}},
      {"elu", Unary{UnaryKind::Elu, 1.0F}},
      {"linear", Unary{UnaryKind::Linear, 2.0F, -1.0F}},
      {"clip", Unary{UnaryKind::Clip, -0.25F, 0.5F}},
      {"threshold", Unary{UnaryKind::Threshold, 0.1F}},
      {"exp", Unary{UnaryKind::Exp}},
      {"square", Unary{UnaryKind::Square}},
      {"abs", Unary{UnaryKind::Abs}},
      {"negate", Unary{UnaryKind::Negate}},
      {"floor", Unary{UnaryKind::Floor}},
      {"ceil", Unary{UnaryKind::Ceil}},
  };
  for (const auto& [what, op] : nodes) {
    TestGraph test(Layout::ChannelsLast);
    test.add_node(op, {test.add_input({1, 6, 6, 4})});
    expect_same_values(test, what);
  }
}

TEST(TfliteBuilder, PartsOfTheirOwnSizesAreTheSameWhenReadBack) {
  for (const std::vector<std::int64_t>& sizes : {std::vector<std::int64_t>{}, {1, 3}, {-1, 1}}) {
    TestGraph test(Layout::ChannelsLast);
    test.add_node(Split{3, sizes}, {test.add_input({1, 6, 6, 4})});
    test.graph.nodes[0].outputs.push_back(test.add_value("rest"));
    test.graph.outputs = test.graph.nodes[0].outputs;
    expect_same_values(test, to_string(sizes).c_str());
  }
}

TEST(TfliteBuilder, ProductsOfComputedMatricesAreTheSameWhenReadBack) {
  for (const bool turned : {false, true}) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 6, 6, 4});
    test.add_node(BatchMatMul{turned, !turned}, {x, x});
    expect_same_values(test, turned ? "a turned" : "b turned");
  }
}

TEST(TfliteBuilder, PlacesOfTheLargestAndLeastAreTheSameWhenReadBack) {
  for (const ReduceKind kind : {ReduceKind::ArgMax, ReduceKind::ArgMin}) {
    Reduce op;
    op.kind = kind;
    op.axes = {-1};
    op.keep_dims = false;
    TestGraph test(Layout::ChannelsLast);
    const TensorId places = test.add_node(op, {test.add_input({1, 6, 6, 4})});
    test.graph.tensors[static_cast<std::size_t>(places)].dtype = DType::Int64;
    expect_same_values(test, kind == ReduceKind::ArgMax ? "largest" : "least");
  }
}

TEST(TfliteBuilder, ConvolutionsAndMatricesOfTensorFlowGiveTheSameValuesWhenReadBack) {
  struct Case {
    const char* what;
    KernelLayout layout;
    Shape kernel;
    std::int64_t groups;
    SpatialPadding padding;
    std::array<std::int64_t, 2> stride;
    std::array<std::int64_t, 2> dilation;
  };
  const SpatialPadding same = {PadRule::SameUpper, {0, 0}, {0, 0}};
  const SpatialPadding own = {PadRule::Explicit, {2, 1}, {0, 1}};
  for (const Case& c :
       {Case{"same", KernelLayout::Hwio, {3, 3, 4, 5}, 1, same, {2, 1}, {1, 1}},
        Case{"valid", KernelLayout::Hwio, {1, 1, 4, 5}, 1, {}, {1, 1}, {1, 1}},
        Case{"own padding", KernelLayout::Hwio, {3, 3, 4, 5}, 1, own, {1, 1}, {1, 1}},
        Case{"dilated", KernelLayout::Hwio, {3, 3, 4, 5}, 1, same, {1, 1}, {2, 2}},
        Case{"depthwise", KernelLayout::Hwim, {3, 3, 4, 2}, 0, same, {1, 1}, {1, 1}},
        Case{"dilated depthwise", KernelLayout::Hwim, {3, 3, 4, 1}, 0, same, {1, 1}, {2, 2}}}) {
    Conv2d conv;
    conv.kernel_layout = c.layout;
    conv.groups = c.groups;
    conv.padding = c.padding;
    conv.stride = c.stride;
    conv.dilation = c.dilation;
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 6, 6, 4});
    const auto count = static_cast<std::size_t>(*element_count(c.kernel));
    test.add_node(conv, {x, test.add_weight(c.kernel, random_values(count, 5))});
    expect_same_values(test, c.what);
  }
  TestGraph test(Layout::ChannelsLast);
  FullyConnected matrix;
  matrix.kernel_is_in_out = true;
  const TensorId x = test.add_input({1, 7});
  test.add_node(matrix, {x, test.add_weight({7, 3}, random_values(21, 6)),
                         test.add_weight({3}, {1.0F, 2.0F, 3.0F})});
  expect_same_values(test, "matrix");
}

TEST(TfliteBuilder, SumsOfSeveralOperandsAndActivationsGiveTheSameValuesWhenReadBack) {
  for (const BinaryKind kind : {BinaryKind::Add, BinaryKind::Average, BinaryKind::Maximum,
                                BinaryKind::Multiply, BinaryKind::Subtract}) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 6, 6, 4});
    const TensorId y = test.add_node(Unary{UnaryKind::Tanh}, {x});
    const TensorId z = test.add_weight({4}, {0.5F, -0.5F, 2.0F, 1.0F});
    test.add_node(Binary{kind, FusedActivation::Relu}, {x, y, z});
    expect_same_values(test, "three operands");
  }
}

/// A convolution with all that a converter's file has.
TestGraph& open_batch_graph(TestGraph& test) {
  const TensorId x = test.add_input({-1, 6, 6, 3});
  Conv2d conv;
  conv.kernel_layout = KernelLayout::Hwio;
  conv.padding.rule = PadRule::SameUpper;
  const TensorId y = test.add_node(conv, {x, test.add_weight({3, 3, 3, 4}, random_values(108, 7))});
  test.add_node(Unary{UnaryKind::LeakyRelu, 0.1F}, {y});
  return test;
}

TEST(TfliteBuilder, AnOpenBatchIsOneWithASignatureOfMinusOne) {
  TestGraph test(Layout::ChannelsLast);
  const Built built = build(open_batch_graph(test), true);
  ASSERT_NE(built.source, nullptr);
  const auto* model = tfl::GetModel(built.bytes.data());
  const auto* subgraph = model->subgraphs()->Get(0);
  const auto* input =
      subgraph->tensors()->Get(static_cast<flatbuffers::uoffset_t>(subgraph->inputs()->Get(0)));
  EXPECT_EQ(input->shape()->Get(0), 1);
  ASSERT_NE(input->shape_signature(), nullptr);
  EXPECT_EQ(input->shape_signature()->Get(0), -1);
  EXPECT_EQ(input->shape_signature()->Get(1), 6);
}

TEST(TfliteBuilder, TheFileNamesItsRuntimeItsSignatureAndTwiceEachOperator) {
  TestGraph test(Layout::ChannelsLast);
  const Built built = build(open_batch_graph(test));
  ASSERT_NE(built.source, nullptr);
  const auto* model = tfl::GetModel(built.bytes.data());
  EXPECT_EQ(model->version(), 3U);
  ASSERT_EQ(model->operator_codes()->size(), 2U);
  const auto* leaky = model->operator_codes()->Get(1);
  EXPECT_EQ(leaky->builtin_code(), tfl::BuiltinOperator::LEAKY_RELU);
  EXPECT_EQ(leaky->deprecated_builtin_code(), 98);
  const auto* metadata = model->metadata()->Get(0);
  EXPECT_EQ(metadata->name()->str(), "min_runtime_version");
  const auto* runtime = model->buffers()->Get(metadata->buffer())->data();
  ASSERT_EQ(runtime->size(), 16U);
  EXPECT_STREQ(std::string(runtime->begin(), runtime->end()).c_str(), "1.13.1");
  const auto* signature = model->signature_defs()->Get(0);
  EXPECT_EQ(signature->signature_key()->str(), "serving_default");
  EXPECT_EQ(signature->inputs()->Get(0)->name()->str(), "input");
}

TEST(TfliteBuilder, PayloadsBeginAtMultiplesOfSixteenAndTheFirstBufferIsEmpty) {
  TestGraph test(Layout::ChannelsLast);
  const Built built = build(open_batch_graph(test));
  ASSERT_NE(built.source, nullptr);
  const auto* begin = view_as<const std::uint8_t>(built.bytes.data());
  const auto* buffers = tfl::GetModel(begin)->buffers();
  EXPECT_EQ(buffers->Get(0)->data(), nullptr);
  for (flatbuffers::uoffset_t i = 1; i < buffers->size(); ++i) {
    EXPECT_EQ((buffers->Get(i)->data()->data() - begin) % 16, 0) << "buffer " << i;
  }
}

TEST(TfliteBuilder, WhatTfliteHasNoOperatorForIsNamedInOneMessage) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 6, 6, 4});
  test.graph.tensors[0].shape = {1, 6, 6, 4};
  const TensorId y = test.add_node(Unary{UnaryKind::ThresholdedRelu}, {x});
  test.add_node(Unary{UnaryKind::Acosh}, {y});
  for (Tensor& tensor : test.graph.tensors) tensor.shape = {1, 6, 6, 4};
  const auto file = build_tflite(test.graph);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::Unsupported);
  EXPECT_EQ(file.error().message,
            "TFLite has no operator for: TEST \"node0\" (TFLite has no such function), TEST "
            "\"node1\" (TFLite has no such function)");
}

}  // namespace
}  // namespace visionpress
