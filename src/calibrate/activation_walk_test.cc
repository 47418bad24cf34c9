#include "calibrate/activation_walk.h"

#include <vector>

#include <gtest/gtest.h>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

/// A residual network: two 1x1 convolutions, and the first one's result added to the second's.
struct Residual : TestGraph {
  Residual() : TestGraph(Layout::ChannelsLast) {
    input = add_input({1, 2, 2, 3});
    Conv2d op;
    op.kernel_layout = KernelLayout::Ohwi;
    first = add_node(op, {input, add_weight({3, 1, 1, 3}, random_values(9, 1))});
    active = add_node(Unary{UnaryKind::Relu}, {first});
    second = add_node(op, {active, add_weight({3, 1, 1, 3}, random_values(9, 2))});
    sum = add_node(Binary{BinaryKind::Add}, {second, active});
  }
  TensorId input, first, active, second, sum;
};

CalibrationPictures make_pictures(std::size_t count) {
  CalibrationPictures pictures = {.shape = {1, 2, 2, 3}};
  for (unsigned i = 0; i < count; ++i) pictures.inputs.push_back(random_values(12, 10 + i));
  return pictures;
}

TEST(ActivationWalk, GivesWhatARunOfTheWholeNetworkGives) {
  Residual test;
  const CalibrationPictures pictures = make_pictures(3);
  ActivationWalk walk(test.graph, pictures, 2);
  for (const TensorId id : {test.input, test.active, test.second, test.sum}) {
    ASSERT_TRUE(walk.advance(id));
    test.graph.outputs = {id};
    for (std::size_t p = 0; p < 3 && id != test.input; ++p) {
      const RunResult expected = run_graph(test, pictures.inputs[p]);
      const std::span<const float> found = walk.values(p, id);
      EXPECT_EQ(std::vector<float>(found.begin(), found.end()), expected.values);
      EXPECT_EQ(walk.shape(id), expected.shape);
    }
    test.graph.outputs = {test.sum};
  }
}

TEST(ActivationWalk, NodesStillToComeReadReplacedWeights) {
  Residual test;
  const CalibrationPictures pictures = make_pictures(1);
  ActivationWalk walk(test.graph, pictures, 1);
  ASSERT_TRUE(walk.advance(test.active));
  const std::vector<float> before(walk.values(0, test.active).begin(),
                                  walk.values(0, test.active).end());
  const std::vector<float> zeros(9, 0.0F);
  test.graph.weights[1].stored.payload = std::as_bytes(std::span(zeros));
  ASSERT_TRUE(walk.advance(test.sum));
  const std::span<const float> sum = walk.values(0, test.sum);
  EXPECT_EQ(std::vector<float>(sum.begin(), sum.end()), before);
}

TEST(ActivationWalk, LooksAheadWithOtherWeightsAndStaysWhereItIs) {
  Residual test;
  const CalibrationPictures pictures = make_pictures(3);
  ActivationWalk walk(test.graph, pictures, 2);
  ASSERT_TRUE(walk.advance(test.active));
  Graph changed = test.graph;
  const std::vector<float> zeros(9, 0.0F);
  changed.weights[1].stored.payload = std::as_bytes(std::span(zeros));
  const std::vector<TensorId> tensors = {test.sum, test.second};
  const std::vector<std::size_t> some = {2, 0};
  const auto found = walk.look_ahead(changed, tensors, some);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  for (std::size_t i = 0; i < some.size(); ++i) {
    const std::span<const float> active = walk.values(some[i], test.active);
    EXPECT_EQ((*found)[i][0], std::vector<float>(active.begin(), active.end()));
    EXPECT_EQ((*found)[i][1], std::vector<float>(12, 0.0F));
  }
  EXPECT_EQ(walk.list_needed(test.sum), (std::vector<std::size_t>{2, 3}));
  ASSERT_TRUE(walk.advance(test.second));
  EXPECT_NE(walk.values(0, test.second)[0], 0.0F);
}

TEST(ActivationWalk, ListsTheNodesThatAreStillNeeded) {
  Residual test;
  const CalibrationPictures pictures = make_pictures(1);
  ActivationWalk walk(test.graph, pictures, 1);
  EXPECT_EQ(walk.list_needed(test.sum), (std::vector<std::size_t>{0, 1, 2, 3}));
  ASSERT_TRUE(walk.advance(test.active));
  EXPECT_EQ(walk.list_needed(test.sum), (std::vector<std::size_t>{2, 3}));
  EXPECT_TRUE(walk.list_needed(test.active).empty());
}

TEST(ActivationWalk, SizesComputedInTheGraphReachEveryPart) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({1, 2, 2, 3});
  const TensorId active = test.add_node(Unary{UnaryKind::Relu}, {input});
  const TensorId sizes = test.add_node(ShapeOf{}, {input});
  test.graph.tensors[static_cast<std::size_t>(sizes)].dtype = DType::Int32;
  const TensorId doubled = test.add_node(Binary{BinaryKind::Add}, {active, active});
  const TensorId scaled = test.add_node(Binary{BinaryKind::Multiply}, {doubled, doubled});
  const CalibrationPictures pictures = make_pictures(2);
  ActivationWalk walk(test.graph, pictures, 1);
  ASSERT_TRUE(walk.advance(active));
  ASSERT_TRUE(walk.advance(scaled));
  EXPECT_EQ(walk.values(1, scaled).size(), 12U);
}

TEST(ActivationWalk, NamesTheNodeThatFails) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({1, 2, 2, 3});
  const TensorId out = test.add_node(Unsupported{"not known here"}, {input});
  const CalibrationPictures pictures = make_pictures(1);
  ActivationWalk walk(test.graph, pictures, 1);
  const auto done = walk.advance(out);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("nodes[0]"), std::string::npos) << done.error().message;
}

}  // namespace
}  // namespace visionpress
