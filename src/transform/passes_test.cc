#include "transform/passes.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "run/graph_build_testonly.h"
#include "transform/prepare_tflite.h"

namespace visionpress {
namespace {

/// Runs before and after a pass and compares; returns the graph after it.
OwnedGraph copy_of(const TestGraph& test) {
  OwnedGraph owned;
  owned.graph = test.graph;
  return owned;
}

std::vector<float> run_owned(const OwnedGraph& owned, const std::vector<float>& input) {
  TestGraph test(owned.graph.layout);
  test.graph = owned.graph;
  return run_graph(test, input, Arithmetic::Float).values;
}

void expect_near(const std::vector<float>& actual, const std::vector<float>& expected,
                 float tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], tolerance) << "value " << i;
  }
}

template <typename T>
std::size_t count_nodes(const Graph& graph) {
  std::size_t count = 0;
  for (const Node& node : graph.nodes) count += std::holds_alternative<T>(node.op) ? 1 : 0;
  return count;
}

constexpr std::size_t kInput = 6 * 6 * 3;

/// Two float32 sums of 27 products of at most 1, in different orders. Random signs keep the partial
/// sums below 4, so each of 54 roundings is at most 2^-23: 6.4e-6, rounded up.
constexpr float kSumTolerance = 1e-5F;

/// A plain 3x3 convolution of TensorFlow, 3 to 4 channels over 6 x 6 pixels.
Conv2d tensorflow_conv() {
  Conv2d conv;
  conv.kernel_layout = KernelLayout::Hwio;
  conv.padding.rule = PadRule::SameUpper;
  return conv;
}

struct ConvGraph : TestGraph {
  TensorId x = kNoTensor;
  TensorId y = kNoTensor;

  explicit ConvGraph(const Conv2d& conv = tensorflow_conv()) : TestGraph(Layout::ChannelsLast) {
    x = add_input({1, 6, 6, 3});
    y = add_node(conv, {x, add_weight({3, 3, 3, 4}, random_values(108, 1))});
    set_shapes();
  }
  /// What infer_shapes would say.
  void set_shapes() { graph.tensors[static_cast<std::size_t>(y)].shape = {1, 6, 6, 4}; }
};

TEST(FoldBatchNorm, ANormalizationBehindAConvolutionGoesIntoItsKernelAndBias) {
  ConvGraph test;
  test.add_node(BatchNorm{1e-3F}, {test.y, test.add_weight({4}, {1.0F, -2.0F, 0.5F, 3.0F}),
                                   test.add_weight({4}, {0.1F, 0.2F, -0.3F, 0.4F}),
                                   test.add_weight({4}, {0.5F, -0.5F, 0.25F, 0.0F}),
                                   test.add_weight({4}, {1.0F, 2.0F, 0.5F, 0.01F})});
  const std::vector<float> input = random_values(kInput, 2);
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(fold_batch_norm(owned));
  EXPECT_EQ(owned.graph.nodes.size(), 1U);
  EXPECT_EQ(owned.graph.nodes[0].outputs, test.graph.outputs);
  // 27 products of at most 1, scaled by at most 30: a few units in the last place of 100.
  expect_near(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values, 1e-4F);
}

TEST(FoldBatchNorm, ANormalizationThatStandsAloneBecomesAProductAndASum) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 6, 6, 3});
  test.add_node(
      BatchNorm{1e-3F},
      {x, test.add_weight({3}, {1.0F, -2.0F, 0.5F}), test.add_weight({3}, {0.1F, 0.2F, -0.3F}),
       test.add_weight({3}, {0.5F, 0.0F, 1.0F}), test.add_weight({3}, {1.0F, 2.0F, 0.5F})});
  const std::vector<float> input = random_values(kInput, 3);
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(fold_batch_norm(owned));
  EXPECT_EQ(count_nodes<BatchNorm>(owned.graph), 0U);
  EXPECT_EQ(count_nodes<Binary>(owned.graph), 2U);
  // Values below 4, four roundings of at most 2^-23.
  expect_near(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values, 1e-6F);
}

TEST(FoldBatchNorm, AConvolutionThatOthersReadKeepsItsKernel) {
  ConvGraph test;
  const TensorId norm = test.add_node(
      BatchNorm{}, {test.y, test.add_weight({4}, {1, 2, 3, 4}), test.add_weight({4}, {0, 0, 0, 0}),
                    test.add_weight({4}, {0, 0, 0, 0}), test.add_weight({4}, {1, 1, 1, 1})});
  test.add_node(Binary{BinaryKind::Add}, {norm, test.y});
  const std::vector<float> input = random_values(kInput, 4);
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(fold_batch_norm(owned));
  EXPECT_EQ(owned.graph.nodes[0].inputs, test.graph.nodes[0].inputs);
  // The sums, scaled by at most 4, plus themselves.
  expect_near(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values,
              5 * kSumTolerance);
}

TEST(FuseBias, AConstantAChannelBecomesTheBiasAndASecondOneIsAddedToIt) {
  ConvGraph test;
  const TensorId once =
      test.add_node(Binary{BinaryKind::Add}, {test.y, test.add_weight({4}, {1, 2, 3, 4})});
  test.graph.tensors[static_cast<std::size_t>(once)].shape = {1, 6, 6, 4};
  test.add_node(Binary{BinaryKind::Add},
                {test.add_weight({1, 1, 1, 4}, {0.5F, 0.25F, -1.0F, 0.0F}), once});
  const std::vector<float> input = random_values(kInput, 5);
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(fuse_bias(owned));
  ASSERT_EQ(owned.graph.nodes.size(), 1U);
  EXPECT_EQ(owned.graph.nodes[0].inputs.size(), 3U);
  expect_near(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values,
              kSumTolerance);
}

TEST(FuseBias, APlaneOfConstantsStaysASum) {
  ConvGraph test;
  test.add_node(Binary{BinaryKind::Add},
                {test.y, test.add_weight({1, 6, 6, 4}, random_values(144, 6))});
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(fuse_bias(owned));
  EXPECT_EQ(owned.graph.nodes.size(), 2U);
}

TEST(FuseLeakyRelu, AProductWithASlopeAndAMaximumGiveTheSameBitsAsOneOperator) {
  ConvGraph test;
  const TensorId scaled =
      test.add_node(Binary{BinaryKind::Multiply}, {test.add_literal({}, {0.1F}), test.y});
  test.add_node(Binary{BinaryKind::Maximum}, {scaled, test.y});
  const std::vector<float> input = random_values(kInput, 7);
  OwnedGraph owned = copy_of(test);
  fuse_leaky_relu(owned);
  ASSERT_EQ(owned.graph.nodes.size(), 2U);
  const auto* unary = std::get_if<Unary>(&owned.graph.nodes[1].op);
  ASSERT_NE(unary, nullptr);
  EXPECT_EQ(unary->kind, UnaryKind::LeakyRelu);
  EXPECT_EQ(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values);
}

TEST(FuseLeakyRelu, ASlopeAboveOneIsNoLeakyRelu) {
  ConvGraph test;
  const TensorId scaled =
      test.add_node(Binary{BinaryKind::Multiply}, {test.y, test.add_literal({}, {1.5F})});
  test.add_node(Binary{BinaryKind::Maximum}, {test.y, scaled});
  OwnedGraph owned = copy_of(test);
  fuse_leaky_relu(owned);
  EXPECT_EQ(owned.graph.nodes.size(), 3U);
}

/// The constant in another shape, as a reader shows what stands behind a Reshape.
TensorId show_as(TestGraph& test, TensorId constant, Shape shape) {
  Tensor view = test.graph.tensor(constant);
  view.shape = std::move(shape);
  return test.graph.add_tensor(std::move(view));
}

TEST(SettleConstants, AConstantHasTheShapeInWhichItIsRead) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 6, 6, 3});
  const TensorId stored = test.add_weight({6}, {1, 2, 3, 4, 5, 6});
  const TensorId product =
      test.add_node(Binary{BinaryKind::Multiply}, {x, show_as(test, stored, {1, 6, 1, 1})});
  test.add_node(Binary{BinaryKind::Add}, {product, show_as(test, stored, {6, 1})});
  const std::vector<float> input = random_values(kInput, 16);
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(settle_constants(owned));
  for (const Node& node : owned.graph.nodes) {
    const Tensor& constant = owned.graph.tensor(node.inputs[1]);
    EXPECT_EQ(owned.graph.weights[*constant.weight].stored.shape, constant.shape);
  }
  EXPECT_EQ(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values);
}

TEST(SettleConstants, CodesAChannelAreDecodedBeforeTheyAreShownInAnotherShape) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 6, 6, 3});
  const TensorId stored = test.add_int8_weight({2, 3}, {1, 2, 3, 4, 5, 6}, {0.5F, 0.25F});
  test.add_node(Binary{BinaryKind::Multiply}, {x, show_as(test, stored, {1, 6, 1, 1})});
  const std::vector<float> input = random_values(kInput, 17);
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(settle_constants(owned));
  const Tensor& constant = owned.graph.tensor(owned.graph.nodes[0].inputs[1]);
  EXPECT_EQ(owned.graph.weights[*constant.weight].stored.code.encoding, Encoding::Float32);
  EXPECT_EQ(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values);
}

TEST(SettleConstants, AKernelThatAReaderMadeBecomesAWeight) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 6, 6, 3});
  test.add_node(tensorflow_conv(),
                {x, test.add_literal({3, 3, 3, 4}, std::vector<float>(108, 0.25F))});
  const std::vector<float> input = random_values(kInput, 18);
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(settle_constants(owned));
  EXPECT_TRUE(owned.graph.tensor(owned.graph.nodes[0].inputs[1]).weight);
  EXPECT_EQ(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values);
}

TEST(FuseActivation, ARelu6GoesIntoTheConvolutionThatItAloneReads) {
  ConvGraph test;
  test.add_node(Unary{UnaryKind::Relu6}, {test.y});
  const std::vector<float> input = random_values(kInput, 8);
  OwnedGraph owned = copy_of(test);
  fuse_activation(owned);
  ASSERT_EQ(owned.graph.nodes.size(), 1U);
  EXPECT_EQ(std::get<Conv2d>(owned.graph.nodes[0].op).activation, FusedActivation::Relu6);
  EXPECT_EQ(owned.graph.nodes[0].outputs, test.graph.outputs);
  EXPECT_EQ(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values);
}

TEST(FuseActivation, AnOutputBeforeTheReluIsNotLost) {
  ConvGraph test;
  const TensorId relu = test.add_node(Unary{UnaryKind::Relu}, {test.y});
  test.graph.outputs = {relu, test.y};
  OwnedGraph owned = copy_of(test);
  fuse_activation(owned);
  EXPECT_EQ(owned.graph.nodes.size(), 2U);
}

/// Pad, then a convolution without padding.
struct PaddedGraph : TestGraph {
  PaddedGraph(std::int64_t before, std::int64_t after, std::int64_t stride)
      : TestGraph(Layout::ChannelsLast) {
    const TensorId x = add_input({1, 6, 6, 3});
    Pad pad;
    pad.before = {0, before, before, 0};
    pad.after = {0, after, after, 0};
    const TensorId padded = add_node(pad, {x});
    Conv2d conv;
    conv.kernel_layout = KernelLayout::Hwio;
    conv.stride = {stride, stride};
    add_node(conv, {padded, add_weight({3, 3, 3, 4}, random_values(108, 9))});
  }
};

TEST(FusePadding, ZerosThatSameWouldPadGoIntoTheConvolution) {
  for (const auto& [before, after, stride] :
       {std::array<std::int64_t, 3>{1, 1, 1}, std::array<std::int64_t, 3>{0, 1, 2}}) {
    PaddedGraph test(before, after, stride);
    const std::vector<float> input = random_values(kInput, 10);
    OwnedGraph owned = copy_of(test);
    fuse_padding(owned);
    ASSERT_EQ(owned.graph.nodes.size(), 1U) << "stride " << stride;
    EXPECT_EQ(std::get<Conv2d>(owned.graph.nodes[0].op).padding.rule, PadRule::SameUpper);
    expect_near(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values,
                kSumTolerance);
  }
}

TEST(FusePadding, ZerosOnTheOtherSideStayAPad) {
  PaddedGraph test(1, 1, 2);  // SAME with stride 2 over 6 pixels pads after them alone
  OwnedGraph owned = copy_of(test);
  fuse_padding(owned);
  EXPECT_EQ(owned.graph.nodes.size(), 2U);
}

TEST(RemoveIdentities, AnOutputKeepsItsNameAndOthersReadWhatWasCopied) {
  ConvGraph test;
  const TensorId copy = test.add_node(Identity{}, {test.y});
  const TensorId relu = test.add_node(Unary{UnaryKind::Relu}, {copy});
  const TensorId named = test.add_node(Identity{}, {relu});
  test.graph.tensors[static_cast<std::size_t>(named)].name = "model_outputs";
  const std::vector<float> input = random_values(kInput, 11);
  OwnedGraph owned = copy_of(test);
  remove_identities(owned);
  ASSERT_EQ(owned.graph.nodes.size(), 2U);
  EXPECT_EQ(owned.graph.tensor(owned.graph.outputs[0]).name, "model_outputs");
  EXPECT_EQ(owned.graph.nodes[1].outputs, owned.graph.outputs);
  EXPECT_EQ(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values);
}

TEST(RemoveDeadNodes, WhatNoOutputNeedsGoes) {
  ConvGraph test;
  test.add_node(Unary{UnaryKind::Relu}, {test.y});
  const TensorId kept = test.add_node(Unary{UnaryKind::Tanh}, {test.y});
  test.graph.outputs = {kept};
  OwnedGraph owned = copy_of(test);
  remove_dead_nodes(owned);
  EXPECT_EQ(owned.graph.nodes.size(), 2U);
}

TEST(FoldConstants, WhatReadsOnlyConstantsIsComputedOnce) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 6, 6, 3});
  const TensorId sum = test.add_node(
      Binary{BinaryKind::Add}, {test.add_weight({3}, {1, 2, 3}), test.add_weight({3}, {4, 5, 6})});
  test.graph.tensors[static_cast<std::size_t>(sum)].shape = {3};
  test.add_node(Binary{BinaryKind::Multiply}, {x, sum});
  const std::vector<float> input = random_values(kInput, 12);
  OwnedGraph owned = copy_of(test);
  const auto folded = fold_constants(owned);
  ASSERT_TRUE(folded) << folded.error().message;
  ASSERT_EQ(owned.graph.nodes.size(), 1U);
  const Tensor& constant = owned.graph.tensor(owned.graph.nodes[0].inputs[1]);
  ASSERT_TRUE(constant.weight);
  for (std::size_t i = 0; i < input.size(); ++i) {
    EXPECT_EQ(run_owned(owned, input)[i], input[i] * (5.0F + 2.0F * static_cast<float>(i % 3)));
    if (i == 8) break;
  }
}

TEST(FoldConstants, WholeNumbersAreComputedExactly) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 3});
  const auto add_int = [&test](std::int32_t value) {
    const TensorId id = test.add_value("int");
    Tensor& tensor = test.graph.tensors[static_cast<std::size_t>(id)];
    tensor.dtype = DType::Int32;
    tensor.constant = test.keep(std::as_bytes(std::span(&value, 1)));
    return id;
  };
  // A float does not hold 2^24 + 1; a quotient of integers is cut towards zero.
  const TensorId sum = test.add_node(Binary{BinaryKind::Add}, {add_int(1 << 24), add_int(1)});
  const TensorId half = test.add_node(Binary{BinaryKind::Divide}, {add_int(-7), add_int(2)});
  for (const TensorId id : {sum, half})
    test.graph.tensors[static_cast<std::size_t>(id)].dtype = DType::Int32;
  test.add_node(Identity{}, {x});
  test.graph.outputs = {sum, half, test.graph.outputs[0]};
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(fold_constants(owned));
  EXPECT_EQ(owned.graph.nodes.size(), 1U);
  EXPECT_EQ(load_le<std::int32_t>(owned.graph.tensor(sum).constant, 0), (1 << 24) + 1);
  EXPECT_EQ(load_le<std::int32_t>(owned.graph.tensor(half).constant, 0), -3);
}

TEST(FoldConstants, WhatIsLeftToTheRunStaysANode) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 3});
  const float nan = std::nanf("");
  const TensorId elu =
      test.add_node(Unary{UnaryKind::Elu, 1.0F, 0.0F}, {test.add_weight({3}, {1, 2, 3})});
  const TensorId odd = test.add_node(Binary{BinaryKind::Maximum},
                                     {test.add_weight({3}, {1, nan, 3}), test.add_weight({}, {2})});
  test.add_node(Binary{BinaryKind::Add}, {x, elu, odd});
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(fold_constants(owned));
  EXPECT_EQ(owned.graph.nodes.size(), 3U);
}

TEST(PrepareKernels, EveryLayoutBecomesTheOneOfTfliteWithTheSameValues) {
  struct Case {
    KernelLayout layout;
    Shape kernel;
    std::int64_t groups;
    bool transposed;
  };
  for (const Case& c : {Case{KernelLayout::Hwio, {3, 3, 3, 4}, 1, false},
                        Case{KernelLayout::Hwim, {3, 3, 3, 2}, 0, false},
                        Case{KernelLayout::Oihw, {4, 3, 3, 3}, 1, false},
                        Case{KernelLayout::Hwoi, {3, 3, 4, 3}, 1, true}}) {
    Conv2d conv = tensorflow_conv();
    conv.kernel_layout = c.layout;
    conv.groups = c.groups;
    conv.transposed = c.transposed;
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 6, 6, 3});
    const auto count = static_cast<std::size_t>(*element_count(c.kernel));
    test.add_node(conv, {x, test.add_weight(c.kernel, random_values(count, 13))});
    const std::vector<float> input = random_values(kInput, 14);
    OwnedGraph owned = copy_of(test);
    ASSERT_TRUE(prepare_kernels(owned, 2));
    const auto& prepared = std::get<Conv2d>(owned.graph.nodes[0].op);
    EXPECT_EQ(prepared.kernel_layout,
              c.layout == KernelLayout::Hwim ? KernelLayout::Hwo : KernelLayout::Ohwi);
    expect_near(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values,
                kSumTolerance);
  }
}

TEST(PrepareKernels, AMatrixIsTurnedAndCodesBecomeFloats) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 5});
  FullyConnected matrix;
  matrix.kernel_is_in_out = true;
  std::vector<std::int8_t> codes(15);
  std::iota(codes.begin(), codes.end(), std::int8_t{1});
  test.add_node(matrix, {x, test.add_int8_weight({5, 3}, codes, {0.5F})});
  const std::vector<float> input = random_values(5, 15);
  OwnedGraph owned = copy_of(test);
  ASSERT_TRUE(prepare_kernels(owned, 1));
  const Tensor& kernel = owned.graph.tensor(owned.graph.nodes[0].inputs[1]);
  EXPECT_EQ(kernel.shape, (Shape{3, 5}));
  EXPECT_EQ(owned.graph.weights[*kernel.weight].stored.code.encoding, Encoding::Float32);
  // Two sums of five products, partial sums below 16: ten roundings of at most 2^-21.
  expect_near(run_owned(owned, input), run_graph(test, input, Arithmetic::Float).values, 5e-6F);
}

}  // namespace
}  // namespace visionpress
