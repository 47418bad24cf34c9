#include "press/sensitive_kernels.h"

#include <deque>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

/// Builds a graph of layers with kernels and without.
class GraphOf {
 public:
  GraphOf() { graph.inputs = {graph.add_tensor({.name = "input"})}; }

  TensorId input() const { return graph.inputs[0]; }
  TensorId add(Op op, std::vector<TensorId> inputs, const Shape& kernel = {}) {
    Node node{.op = std::move(op), .inputs = std::move(inputs)};
    if (!kernel.empty()) {
      Weight weight;
      weight.role = WeightRole::Kernel;
      weight.stored.shape = kernel;
      Tensor tensor{.shape = kernel};
      tensor.weight = graph.weights.size();
      graph.weights.push_back(std::move(weight));
      node.inputs.insert(node.inputs.begin() + 1, graph.add_tensor(std::move(tensor)));
    }
    node.inputs.push_back(kNoTensor);  // no bias
    node.outputs = {graph.add_tensor({})};
    graph.nodes.push_back(std::move(node));
    return graph.nodes.back().outputs[0];
  }
  TensorId conv(TensorId x, std::int64_t groups = 1, const Shape& kernel = {8, 8, 3, 3}) {
    return add(Conv2d{.groups = groups}, {x}, kernel);
  }

  Graph graph = {};
};

using Reasons = std::vector<std::string>;

TEST(SensitiveKernelsTest, TheFirstAndTheLastOfAChainAndDepthwiseOnesBetween) {
  GraphOf made;
  const TensorId first = made.conv(made.add(Identity{}, {made.input()}));
  const TensorId depthwise = made.conv(first, 8, {8, 1, 3, 3});
  const TensorId grouped = made.conv(depthwise, 4, {8, 2, 3, 3});
  const TensorId all = made.conv(grouped, 0, {1, 3, 3, 8});
  const TensorId last = made.conv(made.conv(all));
  made.graph.outputs = {made.add(Softmax{}, {last})};
  EXPECT_EQ(find_sensitive_kernels(made.graph),
            (Reasons{"first layer", "depthwise kernel", "", "depthwise kernel", "", "last layer"}));
}

TEST(SensitiveKernelsTest, EveryHeadIsALastLayerAndABranchThatGoesOnIsNot) {
  GraphOf made;
  const TensorId first = made.conv(made.input());
  const TensorId branch = made.conv(first);
  const TensorId joined = made.add(Binary{}, {first, branch});
  const TensorId boxes = made.conv(joined);
  const TensorId scores = made.add(FullyConnected{}, {joined}, {10, 8});
  made.graph.outputs = {made.add(Concat{}, {boxes, scores})};
  EXPECT_EQ(find_sensitive_kernels(made.graph),
            (Reasons{"first layer", "", "last layer", "last layer"}));
}

TEST(SensitiveKernelsTest, OneLayerIsTheFirst) {
  GraphOf made;
  made.graph.outputs = {made.conv(made.input())};
  EXPECT_EQ(find_sensitive_kernels(made.graph), (Reasons{"first layer"}));
}

TEST(SensitiveKernelsTest, FromSixBitsOnAndForFloatsTheWishStays) {
  EXPECT_EQ(name_of(widen_form(*parse_form("linear-5"))), "linear-8");
  EXPECT_EQ(name_of(widen_form(*parse_form("palette-1"))), "palette-8");
  EXPECT_EQ(name_of(widen_form(*parse_form("linear-6"))), "linear-6");
  EXPECT_EQ(name_of(widen_form(*parse_form("fp16"))), "fp16");
}

}  // namespace
}  // namespace visionpress
