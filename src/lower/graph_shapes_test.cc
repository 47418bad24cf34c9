#include "lower/graph_shapes.h"

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

using V = std::vector<float>;

TEST(ShapeInference, EveryTensorGetsItsShapeInTheGraphsLayout) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId x = test.add_input({1, 3, 8, 10});
  Conv2d conv;
  conv.stride = {2, 2};
  conv.padding.rule = PadRule::SameUpper;
  const TensorId kernel = test.add_weight({5, 3, 3, 3}, random_values(135, 1));
  const TensorId y = test.add_node(conv, {x, kernel});
  const TensorId relu = test.add_node(Unary{UnaryKind::Relu, 0.0F, 0.0F}, {y});
  FullyConnected connected;
  const TensorId matrix = test.add_weight({7, 100}, random_values(700, 2));
  const TensorId z = test.add_node(connected, {relu, matrix});
  const auto shapes = infer_shapes(test.graph, {1, 3, 8, 10});
  ASSERT_TRUE(shapes) << shapes.error().to_string();
  const auto shape_of = [&](TensorId id) { return (*shapes)[static_cast<std::size_t>(id)]; };
  EXPECT_EQ(shape_of(x), (Shape{1, 3, 8, 10}));
  EXPECT_EQ(shape_of(kernel), (Shape{5, 3, 3, 3}));
  EXPECT_EQ(shape_of(y), (Shape{1, 5, 4, 5}));
  EXPECT_EQ(shape_of(relu), (Shape{1, 5, 4, 5}));
  EXPECT_EQ(shape_of(z), (Shape{1, 7}));
}

TEST(ShapeInference, NoKernelIsDecoded) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 4, 4, 3});
  Conv2d conv;
  conv.kernel_layout = KernelLayout::Hwio;
  const TensorId y = test.add_node(conv, {x, test.add_weight({1, 1, 3, 6}, V(18, 1.0F))});
  FullyConnected connected;
  connected.kernel_is_in_out = true;
  const TensorId z = test.add_node(connected, {y, test.add_weight({96, 2}, V(192, 1.0F))});
  for (Weight& weight : test.graph.weights) weight.stored.payload = {};
  EXPECT_FALSE(Executor::create(test.graph, {}));  // the executor decodes, so it finds the fault
  const auto shapes = infer_shapes(test.graph, {1, 4, 4, 3});
  ASSERT_TRUE(shapes) << shapes.error().to_string();
  EXPECT_EQ((*shapes)[static_cast<std::size_t>(z)], (Shape{1, 2}));
}

TEST(ShapeInference, AnOpenBatchStaysOpen) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({-1, 4, 6, 2});
  Pool2d pool;
  pool.kernel = {2, 2};
  pool.stride = {2, 2};
  const TensorId y = test.add_node(pool, {x});
  const TensorId flat = test.add_node(Reshape{{-1, 12}}, {y});
  const TensorId cut = test.add_node(Slice{{0, 0}, {100, 6}, {1, 2}, {}}, {flat});
  const auto shapes = infer_shapes(test.graph, {-1, 4, 6, 2});
  ASSERT_TRUE(shapes) << shapes.error().to_string();
  EXPECT_EQ((*shapes)[static_cast<std::size_t>(y)], (Shape{-1, 2, 3, 2}));
  EXPECT_EQ((*shapes)[static_cast<std::size_t>(flat)], (Shape{-1, 12}));
  EXPECT_EQ((*shapes)[static_cast<std::size_t>(cut)], (Shape{-1, 3}));
}

TEST(ShapeInference, AShapeThatDoesNotFitNamesItsNode) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 4});
  test.add_node(Reshape{{3, 2}}, {x});
  const auto shapes = infer_shapes(test.graph, {1, 4});
  ASSERT_FALSE(shapes);
  EXPECT_EQ(shapes.error().message, "nodes[0] (TEST): reshape of 4 values to [3,2]");
}

}  // namespace
}  // namespace visionpress
