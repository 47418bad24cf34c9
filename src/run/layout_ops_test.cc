// Operators that move values and compute none, each on values small enough to follow by hand, in
// both layouts where it matters.

#include <cmath>
#include <limits>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

TEST(LayoutOps, ConcatAndSplitAreInverse) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId x = test.add_input({1, 4, 1, 2});
  const TensorId a = test.add_value("a");
  test.add_node(Split{1}, {x});
  test.graph.nodes[0].outputs = {test.graph.outputs[0], a};
  test.add_node(Concat{1, FusedActivation::None}, {a, test.graph.nodes[0].outputs[0]});
  EXPECT_EQ(run_graph(test, {1, 2, 3, 4, 5, 6, 7, 8}).values,
            (std::vector<float>{5, 6, 7, 8, 1, 2, 3, 4}));
}

TEST(LayoutOps, ASplitMakesPartsOfTheSizesAskedFor) {
  for (const std::vector<std::int64_t>& sizes :
       {std::vector<std::int64_t>{1, 3}, {-1, 3}, {1, -1}}) {
    TestGraph test(Layout::ChannelsFirst);
    const TensorId x = test.add_input({1, 4, 1, 2});
    const TensorId a = test.add_value("a");
    test.add_node(Split{1, sizes}, {x});
    test.graph.nodes[0].outputs = {a, test.graph.outputs[0]};
    test.add_node(Concat{1, FusedActivation::None}, {test.graph.nodes[0].outputs[1], a});
    EXPECT_EQ(run_graph(test, {1, 2, 3, 4, 5, 6, 7, 8}).values,
              (std::vector<float>{3, 4, 5, 6, 7, 8, 1, 2}));
  }
}

TEST(LayoutOps, PartsThatDoNotMakeUpTheirAxisAreRefused) {
  for (const std::vector<std::int64_t>& sizes :
       {std::vector<std::int64_t>{1, 2}, {2, 3}, {-1, 5}, {4}, {-1, -1}}) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 4});
    test.add_node(Split{1, sizes}, {x});
    test.graph.nodes[0].outputs.push_back(test.add_value("b"));
    const auto executor = Executor::create(test.graph, {});
    ASSERT_FALSE(executor) << to_string(sizes);
    EXPECT_EQ(executor.error().message,
              "nodes[0] (TEST): 4 elements do not split into " + to_string(sizes));
  }
}

TEST(LayoutOps, AReshapeReadsTheLogicalOrder) {
  Reshape reshape;
  reshape.target = {1, -1};
  const RunResult flat = run_one(reshape, Layout::ChannelsFirst, {1, 2, 1, 2}, {1, 2, 3, 4});
  EXPECT_EQ(flat.shape, (Shape{1, 4}));
  EXPECT_EQ(flat.values, (std::vector<float>{1, 2, 3, 4}));
  reshape.target = {1, 1, 2, 2};
  EXPECT_EQ(run_one(reshape, Layout::ChannelsFirst, {1, 2, 1, 2}, {1, 2, 3, 4}).values,
            (std::vector<float>{1, 2, 3, 4}));
}

TEST(LayoutOps, AReshapeCanKeepSizesOfItsInput) {
  Reshape reshape;
  reshape.target = {0, -1, 1, 1};
  reshape.zero_keeps = true;
  const RunResult flat =
      run_one(reshape, Layout::ChannelsFirst, {2, 2, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(flat.shape, (Shape{2, 4, 1, 1}));
  EXPECT_EQ(flat.values, (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(LayoutOps, SqueezeExpandAndTransposeMoveAxes) {
  EXPECT_EQ(run_one(Squeeze{{1, 2}}, Layout::ChannelsLast, {1, 1, 1, 3}, {1, 2, 3}).shape,
            (Shape{1, 3}));
  EXPECT_EQ(run_one(ExpandDims{{0, -1}}, Layout::ChannelsLast, {1, 3}, {1, 2, 3}).shape,
            (Shape{1, 1, 3, 1}));
  const RunResult turned =
      run_one(Transpose{{0, 2, 3, 1}}, Layout::ChannelsFirst, {1, 2, 1, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(turned.shape, (Shape{1, 1, 3, 2}));
  EXPECT_EQ(turned.values, (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

TEST(LayoutOps, PadModesFillTheirBorders) {
  Pad pad;
  pad.before = {0, 0, 0, 2};
  pad.after = {0, 0, 0, 1};
  pad.value = 9;
  const auto run = [&](PadMode mode) {
    pad.mode = mode;
    return run_one(pad, Layout::ChannelsFirst, {1, 1, 1, 3}, {1, 2, 3}).values;
  };
  EXPECT_EQ(run(PadMode::Constant), (std::vector<float>{9, 9, 1, 2, 3, 9}));
  EXPECT_EQ(run(PadMode::Replicate), (std::vector<float>{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(run(PadMode::Reflect), (std::vector<float>{3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(run(PadMode::Symmetric), (std::vector<float>{2, 1, 1, 2, 3, 3}));
}

TEST(LayoutOps, APadMayFillEveryAxis) {
  Pad pad;
  pad.before = {0, 1, 0, 1};
  pad.after = {0, 0, 1, 0};
  pad.value = 9;
  EXPECT_EQ(run_one(pad, Layout::ChannelsLast, {1, 1, 2, 2}, {1, 2, 3, 4}).values,
            (std::vector<float>{9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 9, 3, 4, 9, 9, 9}));
  pad.mode = PadMode::Reflect;
  pad.before = {0, 1, 0, 0};
  pad.after = {0, 0, 1, 0};
  EXPECT_EQ(run_one(pad, Layout::ChannelsLast, {1, 2, 2, 1}, {1, 2, 3, 4}).values,
            (std::vector<float>{3, 4, 3, 1, 2, 1, 3, 4, 3}));
}

TEST(LayoutOps, ASliceStepsThroughItsAxis) {
  Slice slice;
  slice.begin = {0, 0, 0, 1};
  slice.end = {1, 1, 1, 100};
  slice.stride = {1, 1, 1, 2};
  EXPECT_EQ(run_one(slice, Layout::ChannelsFirst, {1, 1, 1, 6}, {0, 1, 2, 3, 4, 5}).values,
            (std::vector<float>{1, 3, 5}));
  slice.begin[3] = -3;  // negative positions count from the end of the axis
  slice.end[3] = -1;
  slice.stride[3] = 1;
  EXPECT_EQ(run_one(slice, Layout::ChannelsFirst, {1, 1, 1, 6}, {0, 1, 2, 3, 4, 5}).values,
            (std::vector<float>{3, 4}));
}

TEST(LayoutOps, ResizeGridsSampleWhereTheySay) {
  Resize resize;
  resize.size = {1, 4};
  const auto run = [&](ResizeKind kind, ResizeGrid grid) {
    resize.kind = kind;
    resize.grid = grid;
    return run_one(resize, Layout::ChannelsLast, {1, 1, 2, 1}, {0, 6}).values;
  };
  EXPECT_EQ(run(ResizeKind::Nearest, ResizeGrid::Corner), (std::vector<float>{0, 0, 6, 6}));
  EXPECT_EQ(run(ResizeKind::Bilinear, ResizeGrid::Corner), (std::vector<float>{0, 3, 6, 6}));
  EXPECT_EQ(run(ResizeKind::Bilinear, ResizeGrid::AlignCorners), (std::vector<float>{0, 2, 4, 6}));
  EXPECT_EQ(run(ResizeKind::Bilinear, ResizeGrid::HalfPixel),
            (std::vector<float>{0, 1.5F, 4.5F, 6}));
}

TEST(LayoutOps, SpaceToDepthAndBackIsTheSame) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 2, 2, 2});
  const TensorId depth = test.add_node(SpaceDepth{SpaceDepthKind::SpaceToDepth, 2}, {x});
  test.add_node(SpaceDepth{SpaceDepthKind::DepthToSpace, 2}, {depth});
  EXPECT_EQ(run_graph(test, {1, 2, 3, 4, 5, 6, 7, 8}).values,
            (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
}

/// 3 x 4 pixels in blocks of 2 x 2, a row of zeros above: image k of the result has the pixels at
/// row k / 2 and column k % 2 of each block.
TEST(LayoutOps, SpaceToBatchPutsThePixelsOfABlockIntoImages) {
  const SpaceBatch op = {SpaceBatchKind::SpaceToBatch, {2, 2}, {1, 0}, {0, 0}};
  const std::vector<float> image = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const std::vector<float> expected = {0, 0, 5, 7, 0, 0, 6, 8, 1, 3, 9, 11, 2, 4, 10, 12};
  const RunResult result = run_one(op, Layout::ChannelsLast, {1, 3, 4, 1}, image);
  EXPECT_EQ(result.shape, (Shape{4, 2, 2, 1}));
  EXPECT_EQ(result.values, expected);
  // Of three axes the columns lie innermost.
  const RunResult plane = run_one(op, Layout::ChannelsLast, {1, 3, 4}, image);
  EXPECT_EQ(plane.shape, (Shape{4, 2, 2}));
  EXPECT_EQ(plane.values, expected);
  // The axes behind the batch of a graph of N,C,H,W are channels and rows.
  const RunResult planar = run_one(op, Layout::ChannelsFirst, {1, 3, 4, 1}, image);
  EXPECT_EQ(planar.shape, (Shape{4, 2, 2, 1}));
  EXPECT_EQ(planar.values, expected);
}

TEST(LayoutOps, BatchToSpaceCutsOffWhatSpaceToBatchAdded) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({2, 3, 4, 2});
  const TensorId blocks =
      test.add_node(SpaceBatch{SpaceBatchKind::SpaceToBatch, {2, 3}, {2, 1}, {1, 1}}, {x});
  test.add_node(SpaceBatch{SpaceBatchKind::BatchToSpace, {2, 3}, {2, 1}, {1, 1}}, {blocks});
  const std::vector<float> image = random_values(48, 1);
  const RunResult result = run_graph(test, image);
  EXPECT_EQ(result.shape, (Shape{2, 3, 4, 2}));
  EXPECT_EQ(result.values, image);
}

TEST(LayoutOps, BlocksThatDoNotFitAreRefused) {
  const std::vector<std::pair<SpaceBatch, const char*>> cases = {
      {{SpaceBatchKind::SpaceToBatch, {2, 2}, {0, 0}, {0, 0}},
       "blocks of [2,2] with [0,0] before and [0,0] after in [4,3,4,1]"},
      {{SpaceBatchKind::BatchToSpace, {3, 1}, {0, 0}, {0, 0}},
       "blocks of [3,1] with [0,0] before and [0,0] after in [4,3,4,1]"},
      {{SpaceBatchKind::BatchToSpace, {1, 1}, {2, 0}, {2, 0}},
       "blocks of [1,1] with [2,0] before and [2,0] after in [4,3,4,1]"},
      {{SpaceBatchKind::BatchToSpace, {0, 1}, {0, 0}, {0, 0}},
       "blocks of [0,1] with [0,0] before and [0,0] after in 4 axes"},
  };
  for (const auto& [op, message] : cases) {
    TestGraph test(Layout::ChannelsLast);
    test.add_node(op, {test.add_input({4, 3, 4, 1})});
    const auto executor = Executor::create(test.graph, {});
    ASSERT_FALSE(executor) << message;
    EXPECT_EQ(executor.error().message, std::string("nodes[0] (TEST): ") + message);
  }
}

}  // namespace
}  // namespace visionpress
