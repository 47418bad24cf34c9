// Graphs whose sizes differ from run to run.

#include "lower/graph_shapes.h"
#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

using V = std::vector<float>;

// Runs one graph on several inputs with the same session.
class Runs {
 public:
  explicit Runs(const TestGraph& test, Arithmetic arithmetic = Arithmetic::Runtime) {
    ExecutorOptions options;
    options.arithmetic = arithmetic;
    options.threads = 2;
    auto executor = Executor::create(test.graph, options);
    EXPECT_TRUE(executor) << executor.error().to_string();
    if (!executor) return;
    executor_.emplace(std::move(*executor));
    auto session = executor_->make_session();
    EXPECT_TRUE(session);
    if (session) session_.emplace(std::move(*session));
  }

  RunResult run(const V& input) {
    if (!session_) return {};
    const auto ran = session_->run(input);
    EXPECT_TRUE(ran) << ran.error().to_string();
    if (!ran) return {};
    const OutputView& view = session_->outputs()[0];
    return {view.shape, {view.values.begin(), view.values.end()}};
  }

  Session& session() { return *session_; }

 private:
  std::optional<Executor> executor_ = {};
  std::optional<Session> session_ = {};
};

// Indices of what is not zero in a row of six.
TensorId add_where(TestGraph& test, Shape shape = {6}) {
  return test.add_node(Where{}, {test.add_input(std::move(shape))});
}

TEST(LateSteps, WhereGivesAsManyRowsAsItFinds) {
  TestGraph test(Layout::ChannelsLast);
  add_where(test, {2, 3});
  Runs runs(test);
  EXPECT_EQ(runs.session().outputs()[0].shape, (Shape{-1, 2}));
  const RunResult two = runs.run({0, 1, 0, 0, 0, -2});
  EXPECT_EQ(two.shape, (Shape{2, 2}));
  EXPECT_EQ(two.values, (V{0, 1, 1, 2}));
  EXPECT_EQ(runs.run(V(6, 0.0F)).shape, (Shape{0, 2}));
  EXPECT_EQ(runs.run(V(6, 1.0F)).shape, (Shape{6, 2}));
}

TEST(LateSteps, WhatFollowsIsBuiltForTheSizesOfEachRun) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId found = add_where(test);
  const TensorId flat = test.add_node(Reshape{{-1}}, {found});
  const TensorId values = test.add_node(Gather{0}, {test.graph.inputs[0], flat});
  const TensorId doubled = test.add_node(Binary{BinaryKind::Multiply, FusedActivation::None},
                                         {values, test.add_literal({}, {2})});
  const TensorId joined =
      test.add_node(Concat{0, FusedActivation::None}, {doubled, test.add_literal({1}, {9})});
  const TensorId column = test.add_node(ExpandDims{{1}}, {joined});
  const TensorId pair = test.add_node(Concat{1, FusedActivation::None}, {column, column});
  const TensorId turned = test.add_node(Transpose{{1, 0}}, {pair});
  test.add_node(Slice{{1, 0}, {2, 100}, {1, 1}, {0}}, {turned});
  Runs runs(test);
  EXPECT_EQ(runs.run({0, 3, 0, 4, 0, 0}).values, (V{6, 8, 9}));
  EXPECT_EQ(runs.run(V(6, 0.0F)).values, (V{9}));
  EXPECT_EQ(runs.run({1, 1, 1, 1, 1, 1}).values, (V{2, 2, 2, 2, 2, 2, 9}));
  EXPECT_EQ(runs.run({0, 0, 0, 0, 0, 5}).shape, (Shape{2}));
}

TEST(LateSteps, NothingFoundGoesThroughEveryOperator) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId found = add_where(test);  // [n, 1]
  const TensorId pairs = test.add_node(Concat{1, FusedActivation::None}, {found, found});
  const TensorId relu = test.add_node(Unary{UnaryKind::Relu, 0, 0}, {pairs});
  const TensorId chosen =
      test.add_node(Select{}, {test.add_node(Binary{BinaryKind::Greater, FusedActivation::None},
                                             {relu, test.add_literal({}, {2})}),
                               relu, test.add_literal({2}, {7, 8})});
  const TensorId padded = test.add_node(Softmax{}, {chosen});
  const TensorId tiled = test.add_node(Tile{{2, 1}}, {padded});
  FullyConnected product;
  const TensorId rows = test.add_node(product, {tiled, test.add_weight({3, 2}, V(6, 1.0F))});
  const TensorId squeezed = test.add_node(Squeeze{{1}}, {test.add_node(ExpandDims{{1}}, {rows})});
  Reduce reduce;
  reduce.kind = ReduceKind::Sum;
  reduce.axes = {0};
  const TensorId sum = test.add_node(reduce, {squeezed});
  test.add_node(ShapeOf{}, {squeezed});
  const TensorId sizes = test.graph.outputs[0];
  test.graph.outputs = {sum, sizes};
  Runs runs(test);
  const RunResult none = runs.run(V(6, 0.0F));
  EXPECT_EQ(none.shape, (Shape{1, 3}));
  EXPECT_EQ(none.values, (V{0, 0, 0}));
  EXPECT_EQ(runs.session().outputs()[1].values[0], 0.0F);
  const RunResult two = runs.run({0, 1, 0, 0, 1, 0});
  ASSERT_EQ(two.values.size(), 3U);
  for (const float value : two.values) EXPECT_NEAR(value, 4.0F, 1e-5F);  // four rows that sum to 1
  EXPECT_EQ(runs.session().outputs()[1].values[0], 4.0F);
}

TEST(LateSteps, ASliceThatWouldCutNothingOffIsStillOfThisRunsSize) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId found = add_where(test);
  test.add_node(Slice{{0, 0}, {1, 1}, {1, 1}, {}}, {found});
  Runs runs(test);
  EXPECT_EQ(runs.run({0, 0, 0, 1, 1, 1}).values, (V{3}));
  EXPECT_EQ(runs.run(V(6, 0.0F)).shape, (Shape{0, 1}));
}

TEST(LateSteps, ASizeThatDoesNotFitInThisRunNamesItsNode) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId found = add_where(test);
  test.add_node(Reshape{{2}}, {found});
  Runs runs(test);
  EXPECT_EQ(runs.run({0, 1, 0, 0, 1, 0}).values, (V{1, 4}));
  const V three = {1, 1, 1, 0, 0, 0};
  const auto ran = runs.session().run(three);
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().message, "nodes[1] (TEST): reshape of 3 values to [2]");
  EXPECT_EQ(runs.run({0, 1, 0, 0, 1, 0}).values, (V{1, 4}));  // the session still works
}

TEST(LateSteps, BoxesChosenAreGatheredAndNoneIsNoFault) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId scores = test.add_input({3});
  const TensorId boxes = test.add_literal({3, 4}, {0, 0, 1, 1, 0, 0, 1, 0.9F, 0, 0, 0.1F, 0.1F});
  NonMaxSuppression op;
  op.max_outputs = 10;
  op.has_score_threshold = true;
  op.score_threshold = 0.5F;
  const TensorId chosen = test.add_node(op, {boxes, scores});
  test.add_node(Gather{0}, {boxes, chosen});
  Runs runs(test);
  EXPECT_EQ(runs.run({0.7F, 0.8F, 0.6F}).values, (V{0, 0, 1, 0.9F, 0, 0, 0.1F, 0.1F}));
  EXPECT_EQ(runs.run({0.1F, 0.2F, 0.3F}).shape, (Shape{0, 4}));
}

TEST(LateSteps, AChannelsFirstResultComesInTheGraphsOrder) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId found = add_where(test, {2, 2});  // [n, 2]
  test.add_node(Reshape{{1, -1, 1, 2}}, {found});
  Runs runs(test);
  const RunResult result = runs.run({0, 1, 1, 0});
  EXPECT_EQ(result.shape, (Shape{1, 2, 1, 2}));
  EXPECT_EQ(result.values, (V{0, 1, 1, 0}));
}

TEST(LateSteps, AConvolutionMayFollowAndSeeNoRowAtAll) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId found = add_where(test);
  const TensorId images = test.add_node(Reshape{{-1, 1, 1, 1}}, {found});
  Conv2d conv;
  conv.kernel_layout = KernelLayout::Hwio;
  test.add_node(conv, {images, test.add_weight({1, 1, 1, 2}, {1, 10})});
  Runs runs(test);
  EXPECT_EQ(runs.run({0, 0, 1, 0, 0, 1}).values, (V{2, 20, 5, 50}));
  EXPECT_EQ(runs.run(V(6, 0.0F)).shape, (Shape{0, 1, 1, 2}));
}

TEST(LateSteps, HalfArithmeticRoundsWhatIsFound) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId found = add_where(test);
  test.add_node(Unary{UnaryKind::Linear, 1.0F / 3.0F, 0.0F}, {found});
  Runs runs(test, Arithmetic::Float16);
  EXPECT_EQ(runs.run({0, 1, 0, 0, 0, 0}).values, (V{0.333251953125F}));
}

TEST(LateSteps, InferredShapesAreOpenWhereARunDecides) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId found = add_where(test, {2, 3});
  const TensorId rows = test.add_node(GatherNd{}, {test.graph.inputs[0], found});
  const TensorId first = test.add_node(Slice{{0}, {1}, {1}, {}}, {rows});
  const TensorId sizes = test.add_node(ShapeOf{}, {found});
  const auto shapes = infer_shapes(test.graph, {2, 3});
  ASSERT_TRUE(shapes) << shapes.error().to_string();
  const auto shape_of = [&](TensorId id) { return (*shapes)[static_cast<std::size_t>(id)]; };
  EXPECT_EQ(shape_of(found), (Shape{-1, 2}));
  EXPECT_EQ(shape_of(rows), (Shape{-1}));
  EXPECT_EQ(shape_of(first), (Shape{-1}));
  EXPECT_EQ(shape_of(sizes), (Shape{2}));
}

}  // namespace
}  // namespace visionpress
