#include "lower/shape_rules.h"

#include <limits>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

using Shapes = std::vector<Shape>;

/// One call of a rule. For an operator with parameters, the inputs after the first are constants.
struct Question {
  Op op;
  Shapes inputs;
  Layout layout = Layout::ChannelsLast;
  std::size_t outputs = 1;
  bool may_be_empty = false;
};

Result<Shapes> ask(const Question& question) {
  std::vector<RuleInput> inputs;
  for (const Shape& shape : question.inputs)
    inputs.push_back({shape, !inputs.empty(), std::nullopt});
  return infer_results(question.op,
                       {inputs, question.outputs, question.layout, question.may_be_empty});
}

void expect_shapes(const Question& question, const Shapes& expected) {
  const auto found = ask(question);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, expected);
}

void expect_refused(const Question& question, const std::string& words,
                    ErrorKind kind = ErrorKind::Malformed) {
  const auto found = ask(question);
  ASSERT_FALSE(found) << to_string(found->front());
  EXPECT_EQ(found.error().message, words);
  EXPECT_EQ(found.error().kind, kind);
}

constexpr Layout kFirst = Layout::ChannelsFirst;

Conv2d same_conv(KernelLayout layout, std::int64_t stride = 2) {
  Conv2d conv;
  conv.stride = {stride, stride};
  conv.padding.rule = PadRule::SameUpper;
  conv.kernel_layout = layout;
  return conv;
}

TEST(ShapeRules, AConvolutionHasTheSizesOfItsWindowInBothLayouts) {
  expect_shapes({same_conv(KernelLayout::Oihw), {{1, 3, 9, 8}, {5, 3, 3, 3}}, kFirst},
                {{1, 5, 5, 4}});
  expect_shapes({same_conv(KernelLayout::Ohwi), {{1, 9, 8, 3}, {5, 3, 3, 3}}}, {{1, 5, 4, 5}});
  Conv2d dilated;
  dilated.dilation = {2, 3};
  dilated.kernel_layout = KernelLayout::Hwio;
  expect_shapes({dilated, {{2, 9, 9, 3}, {3, 3, 3, 7}}}, {{2, 5, 3, 7}});
  Conv2d depthwise = same_conv(KernelLayout::Hwim, 1);
  depthwise.groups = 0;
  expect_shapes({depthwise, {{1, 4, 4, 3}, {3, 3, 3, 2}}}, {{1, 4, 4, 6}});
}

TEST(ShapeRules, AConvolutionOverOpenPixelsStaysOpen) {
  expect_shapes({same_conv(KernelLayout::Hwio), {{-1, -1, 8, 3}, {3, 3, 3, 7}}}, {{-1, -1, 4, 7}});
  // The channels of the kernel give the size that the file leaves open.
  expect_shapes({same_conv(KernelLayout::Hwio), {{1, 8, 8, -1}, {3, 3, 3, 7}}}, {{1, 4, 4, 7}});
}

TEST(ShapeRules, AConvolutionRefusesWhatDoesNotFit) {
  expect_refused({same_conv(KernelLayout::Hwio), {{1, 8, 8, 4}, {3, 3, 3, 7}}},
                 "kernel [3,3,3,7] does not fit 4 input channels in 1 groups");
  expect_refused({Conv2d{}, {{1, 3, 2, 8}, {5, 3, 3, 3}}, kFirst},
                 "window of 3 over 2 pixels with padding 0 and 0");
  expect_refused({Conv2d{}, {{1, 8, 8}, {5, 3, 3, 3}}},
                 "input [1,8,8] and kernel [5,3,3,3] need four axes each");
  expect_refused({Conv2d{}, {{1, 8, 8, 3}}}, "its kernel is not a constant",
                 ErrorKind::Unsupported);
  Conv2d huge;
  huge.groups = std::int64_t{1} << 62;
  huge.kernel_layout = KernelLayout::Iohw;
  expect_refused({huge, {{1, 8, 4, 4}, {8, 8, 1, 1}}, kFirst},
                 "kernel [8,8,1,1] does not fit 8 input channels in 4611686018427387904 groups");
}

TEST(ShapeRules, ATransposedConvolutionGrowsAnImage) {
  Conv2d conv = same_conv(KernelLayout::Hwoi);
  conv.transposed = true;
  expect_shapes({conv, {{1, 4, 5, 3}, {3, 3, 6, 3}}}, {{1, 8, 10, 6}});
  expect_shapes({conv, {{1, -1, 5, 3}, {3, 3, 6, 3}}}, {{1, -1, 10, 6}});
  conv.output_size = {7, 9};
  expect_shapes({conv, {{1, -1, 5, 3}, {3, 3, 6, 3}}}, {{1, 7, 9, 6}});
  conv.output_size = {1, 9};
  expect_refused({conv, {{1, 4, 5, 3}, {3, 3, 6, 3}}},
                 "transposed convolution of 4 pixels to 1 with padding 4");
}

TEST(ShapeRules, SizesThatNoSumHoldsAreRefused) {
  Conv2d conv = same_conv(KernelLayout::Hwoi, std::int64_t{1} << 40);
  conv.transposed = true;
  expect_refused({conv, {{1, std::int64_t{1} << 40, 5, 3}, {3, 3, 6, 3}}},
                 "window 3 with stride 1099511627776 over 1099511627776 pixels");
  conv.stride = {1, 1};
  conv.padding.rule = PadRule::Explicit;
  conv.padding.before = {std::numeric_limits<std::int64_t>::min(), 0};
  expect_refused({conv, {{1, 4, 5, 3}, {3, 3, 6, 3}}},
                 "padding of -9223372036854775808 and 0 pixels");
}

TEST(ShapeRules, APoolCountsItsWindows) {
  Pool2d pool;
  pool.kernel = {2, 2};
  pool.stride = {2, 2};
  expect_shapes({pool, {{1, 5, 7, 3}}}, {{1, 2, 3, 3}});
  expect_shapes({pool, {{-1, 5, -1, 3}}}, {{-1, 2, -1, 3}});
  pool.padding.rule = PadRule::IncludeLastPixel;
  expect_shapes({pool, {{1, 3, 5, 7}}, kFirst}, {{1, 3, 3, 4}});
  Pool2d global;
  global.global = true;
  expect_shapes({global, {{1, 3, 5, -1}}, kFirst}, {{1, 3, 1, 1}});
  expect_refused({pool, {{1, 3, 5}}}, "pooling needs four axes, not [1,3,5]");
  expect_refused({global, {{1, 0, 5, 3}}}, "window 0 with stride 1 over 0 pixels");
}

TEST(ShapeRules, AMatrixProductFlattensOrKeepsTheLeadingAxes) {
  FullyConnected op;
  expect_shapes({op, {{2, 3, 4, 5}, {7, 60}}}, {{2, 7}});
  expect_shapes({op, {{-1, 60}, {7, 60}}}, {{-1, 7}});
  op.keep_dims = true;
  expect_shapes({op, {{2, -1, 5}, {7, 5}}}, {{2, -1, 7}});
  expect_refused({op, {{2, 3, 4}, {7, 6}}}, "input [2,3,4] has no rows of 6 values");
  op.keep_dims = false;
  expect_refused({op, {{2, 3}, {7, 4}}}, "input [2,3] does not divide into rows of 4 values");
  expect_refused({op, {{2, 3}, {7}}}, "kernel [7] needs two axes");
  op.keep_spatial = true;
  expect_shapes({op, {{1, 3, 4, 5}, {7, 60}}, kFirst}, {{1, 7, 1, 1}});
}

TEST(ShapeRules, AProductOfTwoValuesBroadcastsTheAxesBeforeTheMatrices) {
  expect_shapes({BatchMatMul{}, {{4, 1, 2, 3}, {5, 3, 6}}}, {{4, 5, 2, 6}});
  expect_shapes({BatchMatMul{true, true}, {{-1, 3, 2}, {6, -1}}}, {{-1, 2, 6}});
  // Rows and columns are those of the graph's order, whatever the layout.
  expect_shapes({BatchMatMul{}, {{1, 1, 2, 3}, {1, 1, 3, 6}}, kFirst}, {{1, 1, 2, 6}});
  expect_refused({BatchMatMul{}, {{2, 3}, {2, 3}}}, "product of [2,3] and [2,3]");
  expect_refused({BatchMatMul{true, false}, {{3}, {2, 3}}}, "product of [3] transposed and [2,3]");
}

TEST(ShapeRules, ElementwiseOperatorsKeepTheShape) {
  const Shape x = {-1, 4, 5};
  for (const Op& op : std::vector<Op>{Identity{}, Unary{}, Softmax{}})
    expect_shapes({op, {x}}, {x});
  expect_refused({Softmax{3, 1.0F}, {x}}, "axis 3 of a tensor with 3 axes");
  expect_refused({Unsupported{"it is not known"}, {x}}, "it is not known", ErrorKind::Unsupported);
  expect_refused({Identity{}, {}}, "it has no input");
}

TEST(ShapeRules, OperatorsPerChannelNeedChannels) {
  const Shape x = {1, -1, 5, 3};
  expect_shapes({BatchNorm{}, {x, {3}, {3}, {3}, {3}}}, {x});
  expect_shapes({InstanceNorm{}, {x, {3}, {3}}}, {x});
  expect_shapes({LocalResponseNorm{}, {x}}, {x});
  expect_shapes({Prelu{}, {x, {3}}}, {x});
  expect_refused({BatchNorm{}, {x, {3}}}, "batch norm needs four vectors");
  expect_refused({InstanceNorm{}, {x}}, "instance norm needs gamma and beta");
  expect_refused({LocalResponseNorm{.radius = -1}, {x}},
                 "a radius of -1 channels, expected 0 or more");
  expect_refused({Prelu{}, {x}}, "PReLU needs its slopes");
  expect_refused({Prelu{}, {{1, 0, 5, 3}, {3}}, kFirst}, "input [1,0,5,3] has no channels");
}

TEST(ShapeRules, OperandsBroadcastFromTheRight) {
  expect_shapes({Binary{}, {{2, 1, 4}, {3, 1}}}, {{2, 3, 4}});
  expect_shapes({Binary{}, {{2, 4}, {4}, {1, 1, 1}}}, {{1, 2, 4}});
  expect_shapes({Select{}, {{3, 1}, {4}, {}}}, {{3, 4}});
  expect_refused({Binary{}, {{2, 3}, {2}}}, "shapes [2,3] and [2] do not combine");
  expect_refused({Binary{}, {{2, 3}}}, "one input where two are needed");
  expect_refused({Select{}, {{2}, {2}}}, "it has 2 inputs, not 3");
}

TEST(ShapeRules, AnOpenOperandIsWhatTheOtherOneSays) {
  expect_shapes({Binary{}, {{-1, 4}, {5, 1}}}, {{5, 4}});
  expect_shapes({Binary{}, {{-1, 4}, {1, -1}}}, {{-1, 4}});
  expect_shapes({Binary{}, {{-1}, {0}}}, {{0}});
  expect_shapes({Binary{}, {{-1}, {1}}}, {{-1}});
}

TEST(ShapeRules, AConcatAddsAlongItsAxis) {
  expect_shapes({Concat{1}, {{2, 3, 4}, {2, 5, 4}}}, {{2, 8, 4}});
  expect_shapes({Concat{-1}, {{2, 3}, {-1, 5}, {2, -1}}}, {{2, -1}});
  expect_shapes({Concat{1}, {{-1, 3}, {2, 5}}}, {{2, 8}});
  expect_refused({Concat{1}, {{2, 3}, {3, 3}}}, "[3,3] does not join [2,3] along axis 1");
  expect_refused({Concat{0}, {{2, 3}, {2}}}, "[2] does not join [2,3] along axis 0");
  expect_refused({Concat{2}, {{2, 3}}}, "axis 2 of a tensor with 2 axes");
}

TEST(ShapeRules, AReshapeWorksOutItsOneOpenSize) {
  expect_shapes({Reshape{{-1, 6}}, {{2, 3, 4}}}, {{4, 6}});
  expect_shapes({Reshape{{-1, 6}}, {{-1, 3, 4}}}, {{-1, 6}});
  expect_shapes({Reshape{{2, 6}}, {{-1, 3}}}, {{2, 6}});
  expect_refused({Reshape{{3, 2}}, {{1, 4}}}, "reshape of 4 values to [3,2]");
  expect_refused({Reshape{{-1, -1}}, {{-1, 4}}}, "reshape of [-1,4] to [-1,-1]");
  expect_refused({Reshape{{1, -2}}, {{1, 4}}}, "reshape to [1,-2]");
}

TEST(ShapeRules, AReshapeThatKeepsAnOpenSizeSharesOutTheRest) {
  expect_shapes({Reshape{{0, -1}, true}, {{2, 3, 4}}}, {{2, 12}});
  expect_shapes({Reshape{{0, -1}, true}, {{-1, 3, 4}}}, {{-1, 12}});
  expect_shapes({Reshape{{0, -1}, true}, {{-1, -1, 4}}}, {{-1, -1}});
  expect_refused({Reshape{{0, 5}, true}, {{-1, 3}}}, "reshape of 3 values to [1,5]");
  expect_refused({Reshape{{1, 0}, true}, {{3}}}, "reshape of [3] keeps axis 1");
}

TEST(ShapeRules, AComputedTargetMustBeKnown) {
  std::vector<RuleInput> inputs = {{{2, 6}, false, std::nullopt}, {{2}, false, {{3, -1}}}};
  const auto known = infer_results(Reshape{}, {inputs});
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_EQ(*known, (Shapes{{3, 4}}));
  inputs[1].values.reset();
  const auto computed = infer_results(Reshape{}, {inputs});
  ASSERT_FALSE(computed);
  EXPECT_EQ(computed.error().message, "its target shape is computed");
}

TEST(ShapeRules, AxesOfSizeOneComeAndGo) {
  expect_shapes({Squeeze{{1, -1}}, {{2, 1, 3, 1}}}, {{2, 3}});
  expect_shapes({Squeeze{}, {{2, 1, 3, 1}}}, {{2, 3}});
  expect_shapes({Squeeze{{0}}, {{-1, 3}}}, {{3}});
  expect_refused({Squeeze{}, {{-1, 3}}},
                 "the number of axes of its result depends on sizes known only in the run",
                 ErrorKind::Unsupported);
  expect_refused({Squeeze{{0}}, {{2, 3}}}, "axis 0 of [2,3] is not of size 1");
  expect_shapes({ExpandDims{{0, -1}}, {{2, -1}}}, {{1, 2, -1, 1}});
  expect_refused({ExpandDims{{4}}, {{2}}}, "axis 4 of 2");
  expect_refused({ExpandDims{{0, -3}}, {{2}}}, "an axis is expanded twice");
}

TEST(ShapeRules, ATransposeMovesSizes) {
  expect_shapes({Transpose{{0, 3, 1, 2}}, {{1, -1, 5, 3}}}, {{1, 3, -1, 5}});
  expect_refused({Transpose{{0, 1}}, {{1, 2, 3}}}, "permutation of 2 axes for [1,2,3]");
  expect_refused({Transpose{{0, 0}}, {{1, 2}}}, "an axis is permuted twice");
}

TEST(ShapeRules, APadAddsToKnownSizesAlone) {
  Pad pad;
  pad.before = {1, 2};
  pad.after = {0, 3};
  expect_shapes({pad, {{4, -1}}}, {{5, -1}});
  pad.mode = PadMode::Reflect;
  expect_refused({pad, {{4, 3}}}, "padding 2 and 3 of 3 elements");
  expect_refused({pad, {{4}}}, "padding of 2 axes for a tensor with 1");
  pad.before = {-1, 0};
  expect_refused({pad, {{4, 9}}}, "padding -1 and 0 of 4 elements");
}

TEST(ShapeRules, ASliceOfAnOpenAxisIsOpen) {
  expect_shapes({Slice{{1, -3}, {9, -1}, {2, 1}, {}}, {{6, 8}}}, {{3, 2}});
  expect_shapes({Slice{{0, 0}, {1, 4}, {1, 1}, {0}}, {{-1, -1}}}, {{-1}});
  expect_refused({Slice{{4}, {4}, {1}, {}}, {{8}}}, "slice [4:4:1] of 8 elements");
  expect_shapes({Slice{{4}, {4}, {1}, {}}, {{8}}, Layout::ChannelsLast, 1, true}, {{0}});
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  expect_shapes({Slice{{kLeast}, {kLeast}, {1}, {}}, {{-1}}}, {{-1}});
  expect_refused({Slice{{0}, {4}, {0}, {}}, {{8}}}, "slice [0:4:0] of 8 elements");
  expect_refused({Slice{{0}, {4}, {1}, {}}, {{8, 2}}}, "begin of 1 axes for a tensor with 2");
}

TEST(ShapeRules, ASplitGivesOneShapePerPart) {
  expect_shapes({Split{1, {}}, {{2, 6}}, Layout::ChannelsLast, 3}, {{2, 2}, {2, 2}, {2, 2}});
  expect_shapes({Split{1, {1, -1}}, {{2, 6}}, Layout::ChannelsLast, 2}, {{2, 1}, {2, 5}});
  expect_shapes({Split{0, {1, -1}}, {{-1, 6}}, Layout::ChannelsLast, 2}, {{1, 6}, {-1, 6}});
  expect_shapes({Split{0, {}}, {{-1, 6}}, Layout::ChannelsLast, 2}, {{-1, 6}, {-1, 6}});
  expect_refused({Split{1, {}}, {{2, 5}}, Layout::ChannelsLast, 2},
                 "5 elements do not split into 2");
  expect_refused({Split{1, {2, 2}}, {{2, 3}}, Layout::ChannelsLast, 2},
                 "3 elements do not split into [2,2]");
}

TEST(ShapeRules, AReductionDropsItsAxesOrKeepsThemAsOne) {
  expect_shapes({Reduce{ReduceKind::Mean, {1, 2}, false}, {{-1, 4, -1, 3}}}, {{-1, 3}});
  expect_shapes({Reduce{ReduceKind::Mean, {-1}, true}, {{2, -1}}}, {{2, 1}});
  expect_shapes({Reduce{ReduceKind::Sum, {}, false}, {{2, -1}}}, {{}});
  expect_refused({Reduce{ReduceKind::ArgMax, {0, 1}, false}, {{2, 3}}},
                 "the index of an extreme over several axes", ErrorKind::Unsupported);
  expect_refused({Reduce{ReduceKind::Mean, {2}, false}, {{2, 3}}},
                 "axis 2 of a tensor with 2 axes");
}

TEST(ShapeRules, AResizeSetsOrScalesHeightAndWidth) {
  Resize resize;
  resize.size = {5, 6};
  expect_shapes({resize, {{1, -1, 4, 3}}}, {{1, 5, 6, 3}});
  resize.size = {0, 0};
  resize.scale = {2.0F, 0.5F};
  expect_shapes({resize, {{1, 3, 4, 7}}, kFirst}, {{1, 3, 8, 3}});
  expect_shapes({resize, {{1, -1, 4, 3}}}, {{1, -1, 2, 3}});
  expect_refused({resize, {{4, 3}}}, "resize of [4,3]");
  expect_refused({resize, {{1, 3, 1, 3}}}, "resize of [1,3,1,3] to 0");
}

TEST(ShapeRules, PixelsMoveBetweenSpaceAndDepth) {
  expect_shapes({SpaceDepth{SpaceDepthKind::SpaceToDepth, 2}, {{1, 4, -1, 3}}}, {{1, 2, -1, 12}});
  expect_shapes({SpaceDepth{SpaceDepthKind::PixelShuffle, 2}, {{1, 12, 4, 5}}, kFirst},
                {{1, 3, 8, 10}});
  expect_refused({SpaceDepth{SpaceDepthKind::DepthToSpace, 2}, {{1, 4, 4, 3}}},
                 "blocks of 2 in [1,4,4,3]");
  expect_refused({SpaceDepth{SpaceDepthKind::SpaceToDepth, 0}, {{1, 4, 4, 3}}},
                 "blocks of 0 in [1,4,4,3]");
}

TEST(ShapeRules, BlocksMoveBetweenSpaceAndBatch) {
  const SpaceBatch to_batch = {SpaceBatchKind::SpaceToBatch, {2, 2}, {1, 0}, {0, 0}};
  expect_shapes({to_batch, {{1, 3, 4, 5}}}, {{4, 2, 2, 5}});
  expect_shapes({to_batch, {{-1, -1, 4, 5}}}, {{-1, -1, 2, 5}});
  const SpaceBatch to_space = {SpaceBatchKind::BatchToSpace, {2, 2}, {1, 0}, {0, 0}};
  expect_shapes({to_space, {{4, 2, 2, 5}}}, {{1, 3, 4, 5}});
  expect_refused({to_batch, {{1, 4, 4, 5}}},
                 "blocks of [2,2] with [1,0] before and [0,0] after in [1,4,4,5]");
  expect_refused({to_space, {{3, 2, 2, 5}}},
                 "blocks of [2,2] with [1,0] before and [0,0] after in [3,2,2,5]");
  expect_refused({to_space, {{3, 2}}},
                 "blocks of [2,2] with [1,0] before and [0,0] after in 2 axes");
}

TEST(ShapeRules, ATileMultipliesSizes) {
  expect_shapes({Tile{{2, 3}}, {{-1, 4}}}, {{-1, 12}});
  expect_shapes({Tile{{0, 3}}, {{-1, 4}}}, {{0, 12}});
  expect_refused({Tile{{2}}, {{2, 4}}}, "1 multiples for [2,4]");
  expect_refused({Tile{{-1, 2}}, {{2, 4}}}, "[2,4] repeated [-1,2] times");
}

TEST(ShapeRules, AGatherPutsTheIndicesAxesInPlaceOfItsOwn) {
  expect_shapes({Gather{1}, {{2, 5, 3}, {-1, 4}}}, {{2, -1, 4, 3}});
  expect_refused({Gather{3}, {{2, 5, 3}, {4}}}, "axis 3 of a tensor with 3 axes");
  expect_refused({Gather{0}, {{2}}}, "it has 1 inputs, not 2");
  expect_shapes({GatherNd{}, {{2, 5, 3}, {-1, 2}}}, {{-1, 3}});
  expect_refused({GatherNd{}, {{2, 5}, {7, 3}}}, "indices of shape [7,3] into [2,5]");
  expect_refused({GatherNd{}, {{2, 5}, {7, -1}}},
                 "the number of axes of its result depends on sizes known only in the run",
                 ErrorKind::Unsupported);
}

TEST(ShapeRules, AGatherWithinBatchesKeepsTheirAxesOnce) {
  Gather gather;
  gather.axis = 2;
  gather.batch_axes = 1;
  expect_shapes({gather, {{2, 5, 3}, {2, 4}}}, {{2, 5, 4}});
  expect_shapes({gather, {{-1, 5, 3}, {2, 4}}}, {{2, 5, 4}});
  expect_refused({gather, {{2, 5, 3}, {3, 4}}},
                 "indices of shape [3,4] into [2,5,3] with 1 axes of batches");
  gather.batch_axes = 3;
  expect_refused({gather, {{2, 5, 3}, {2, 5, 3}}},
                 "indices of shape [2,5,3] into [2,5,3] with 3 axes of batches");
}

TEST(ShapeRules, ElementsAlongAnAxisHaveTheShapeOfTheirIndices) {
  expect_shapes({GatherElements{1, false}, {{2, 5}, {2, 7}}}, {{2, 7}});
  expect_refused({GatherElements{1, false}, {{2, 5}, {3, 7}}},
                 "indices of shape [3,7] into [2,5] along axis 1");
  expect_shapes({ScatterElements{1, ScatterKind::Add, false}, {{2, 5}, {2, 3}, {2, 3}}}, {{2, 5}});
  expect_refused({ScatterElements{1, ScatterKind::Add, false}, {{2, 5}, {2, 3}, {2, 4}}},
                 "updates of shape [2,4] at indices of shape [2,3] into [2,5]");
}

TEST(ShapeRules, AScatterKeepsTheShapeOfItsFirstOperand) {
  expect_shapes({ScatterNd{}, {{4, 5, 3}, {7, 2}, {7, 3}}}, {{4, 5, 3}});
  expect_shapes({ScatterNd{}, {{4, 5}, {-1, 1}, {-1, 5}}}, {{4, 5}});
  expect_refused({ScatterNd{}, {{4, 5}, {7, 3}, {7}}},
                 "updates of shape [7] at indices of shape [7,3] into [4,5]");
  expect_refused({ScatterNd{}, {{4, 5}, {7, 1}, {7, 4}}},
                 "updates of shape [7,4] at indices of shape [7,1] into [4,5]");
}

TEST(ShapeRules, AnAxisThatIsWalkedMustExist) {
  expect_shapes({Reverse{{0, -1}}, {{2, -1}}}, {{2, -1}});
  expect_refused({Reverse{{2}}, {{2, 3}}}, "axis 2 of a tensor with 2 axes");
  expect_shapes({CumulativeSum{-1, false, false}, {{2, -1}}}, {{2, -1}});
  expect_refused({CumulativeSum{2, false, false}, {{2, 3}}}, "axis 2 of a tensor with 2 axes");
}

TEST(ShapeRules, WhatIsCountedInTheRunIsOpen) {
  expect_shapes({Where{}, {{2, 3}}}, {{-1, 2}});
  expect_shapes({TakeRows{}, {{7, 3}, {2}}}, {{-1, 3}});
  expect_refused({TakeRows{}, {{7, 3}, {3}}}, "sizes of shape [3] for [7,3]");
  NonMaxSuppression op;
  op.max_outputs = 4;
  expect_shapes({op, {{9, 4}, {9}}, Layout::ChannelsLast, 3}, {{-1}, {}, {-1}});
  op.pad = true;
  expect_shapes({op, {{-1, 4}, {9}}, Layout::ChannelsLast, 2}, {{4}, {}});
  expect_refused({op, {{9, 4}, {8}}}, "boxes [9,4] with scores [8]");
  expect_refused({op, {{9, 5}, {9}}}, "boxes [9,5] with scores [9]");
  expect_refused({op, {{9, 4}}}, "it has 1 inputs, not 2");
}

TEST(ShapeRules, TheLargestAreTakenFromTheLastAxis) {
  expect_shapes({TopK{3}, {{2, 9}}}, {{2, 3}, {2, 3}});
  expect_shapes({TopK{3}, {{-1, -1}}}, {{-1, 3}, {-1, 3}});
  expect_shapes({TopK{-1}, {{2, 9}}}, {{2, 9}, {2, 9}});
  expect_refused({TopK{3}, {{9, 2}}}, "the 3 largest of [9,2]");
}

TEST(ShapeRules, TheShapeOfATensorHasOneEntryPerAxis) {
  expect_shapes({ShapeOf{}, {{-1, 5, 3}}}, {{3}});
  expect_shapes({ShapeOf{}, {{}}}, {{0}});
}

TEST(ShapeRules, AResultBeyond63BitsIsRefused) {
  const std::int64_t large = std::int64_t{1} << 31;
  expect_refused({Binary{}, {{large, large, 1}, {large}}},
                 "result of shape [2147483648,2147483648,2147483648]");
}

}  // namespace
}  // namespace visionpress
