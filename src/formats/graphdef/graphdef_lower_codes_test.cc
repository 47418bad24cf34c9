// Weights behind the nodes that decode them: Identity, Cast, Dequantize, Mul and Add.

#include <gtest/gtest.h>

#include "formats/graphdef/graphdef_build_testonly.h"
#include "formats/graphdef/graphdef_read_testonly.h"

namespace visionpress {
namespace {

using graphdef::DataType;

TEST(GraphDefCodes, AConstThatIsReadThroughIdentitiesIsStillTheKernel) {
  const Graph graph = graph_of_one(
      conv_node("out", "image", "read"),
      {float_const("k", {1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}), node_def("read", "Identity", {"k"})});
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].name, "k");
  EXPECT_EQ(graph.weights[0].role, WeightRole::Kernel);
  EXPECT_EQ(graph.weights[0].channel_axis, 3);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 4, 4, 3}));
}

TEST(GraphDefCodes, HalvesBehindACastAreAFloat16Weight) {
  const std::vector<std::uint16_t> halves(6, float_to_half(0.25F));
  Message tensor = tensor_proto(DataType::Half, {1, 1, 2, 3});
  tensor.bytes(4, view_bytes(std::span<const std::uint16_t>(halves)));
  const Graph graph = graph_of_one(
      conv_node("out", "image", "k"),
      {const_node("k/half", DataType::Half, tensor),
       node_def("k", "Cast", {"k/half"},
                {{"SrcT", type_value(DataType::Half)}, {"DstT", type_value(DataType::Float)}})});
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].name, "k");
  EXPECT_EQ(graph.weights[0].stored.code.encoding, Encoding::Float16);
}

TEST(GraphDefCodes, CodesBehindADequantizeAreALinearWeight) {
  const std::vector<std::uint8_t> codes = {0, 51, 102, 153, 204, 255};
  Message tensor = tensor_proto(DataType::QUInt8, {1, 1, 2, 3});
  tensor.bytes(4, view_bytes(std::span<const std::uint8_t>(codes)));
  const Graph graph =
      graph_of_one(conv_node("out", "image", "k"),
                   {const_node("k/codes", DataType::QUInt8, tensor),
                    float_const("low", {}, {-1.0F}), float_const("high", {}, {1.55F}),
                    node_def("k", "Dequantize", {"k/codes", "low", "high"},
                             {{"T", type_value(DataType::QUInt8)}})});
  ASSERT_EQ(graph.weights.size(), 1U);
  const WeightCode& code = graph.weights[0].stored.code;
  EXPECT_EQ(code.encoding, Encoding::Linear);
  EXPECT_FLOAT_EQ(code.scales.at(0), 0.01F);
  EXPECT_FLOAT_EQ(code.offsets.at(0), -1.0F);
}

/// Codes 0, 1, ... 5 of shape [1,1,2,3] behind a Dequantize "k/levels", and `nodes` behind it.
std::vector<Message> levels_and(const std::vector<float>& min, const std::vector<float>& max,
                                const std::vector<Message>& nodes) {
  const std::vector<std::uint8_t> codes = {0, 1, 2, 3, 4, 5};
  Message tensor = tensor_proto(DataType::QUInt8, {1, 1, 2, 3});
  tensor.bytes(4, view_bytes(std::span<const std::uint8_t>(codes)));
  std::vector<std::int64_t> sizes;
  std::vector<Attr> attrs = {{"T", type_value(DataType::QUInt8)}};
  if (min.size() > 1) {
    sizes = {static_cast<std::int64_t>(min.size())};
    attrs.emplace_back("axis", int_value(3));
  }
  std::vector<Message> all = {
      const_node("k/codes", DataType::QUInt8, tensor), float_const("low", sizes, min),
      float_const("high", sizes, max),
      node_def("k/levels", "Dequantize", {"k/codes", "low", "high"}, attrs)};
  all.insert(all.end(), nodes.begin(), nodes.end());
  return all;
}

TEST(GraphDefCodes, RangesAlongAnAxisAreScalesAlongIt) {
  const Graph graph = graph_of_one(conv_node("out", "image", "k/levels"),
                                   levels_and({-1, 0, 1}, {254, 510, 1}, {}));
  ASSERT_EQ(graph.weights.size(), 1U);
  const WeightCode& code = graph.weights[0].stored.code;
  EXPECT_EQ(code.axis, 3);
  EXPECT_EQ(code.scales, (std::vector<float>{1, 2, 0}));
  EXPECT_EQ(code.offsets, (std::vector<float>{-1, 0, 1}));
}

TEST(GraphDefCodes, AProductAndASumBehindLevelsGiveEachChannelItsScaleAndOffset) {
  const Graph graph = graph_of_one(conv_node("out", "image", "k"),
                                   levels_and({0}, {255},
                                              {float_const("scale", {3}, {0.1F, 0.2F, 0.3F}),
                                               node_def("k/scaled", "Mul", {"scale", "k/levels"}),
                                               float_const("offset", {1, 3}, {-1, -2, -3}),
                                               node_def("k", "AddV2", {"k/scaled", "offset"})}));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].name, "k");
  EXPECT_EQ(graph.weights[0].stored.payload.size(), 6U);
  const WeightCode& code = graph.weights[0].stored.code;
  EXPECT_EQ(code.encoding, Encoding::Linear);
  EXPECT_EQ(code.axis, 3);
  EXPECT_EQ(code.scales, (std::vector<float>{0.1F, 0.2F, 0.3F}));
  EXPECT_EQ(code.offsets, (std::vector<float>{-1, -2, -3}));
}

TEST(GraphDefCodes, LevelsAroundAWholeNumberHaveItAsZeroPoint) {
  const Graph graph = graph_of_one(conv_node("out", "image", "k"),
                                   levels_and({-128}, {127},
                                              {float_const("scale", {2, 1}, {0.1F, 0.2F}),
                                               node_def("k", "Mul", {"k/levels", "scale"})}));
  ASSERT_EQ(graph.weights.size(), 1U);
  const WeightCode& code = graph.weights[0].stored.code;
  EXPECT_EQ(code.axis, 2);
  EXPECT_EQ(code.scales, (std::vector<float>{0.1F, 0.2F}));
  EXPECT_EQ(code.zero_points, (std::vector<std::int32_t>{128, 128}));
  EXPECT_TRUE(code.offsets.empty());
}

TEST(GraphDefCodes, ArithmeticThatWouldRoundOtherwiseIsNoDecoding) {
  // A range that scales already, and factors along two axes: the product is a constant of its own.
  for (const bool scales_twice : {true, false}) {
    const std::vector<float> six(6, 0.5F);
    const auto scale = scales_twice ? float_const("scale", {3}, {0.1F, 0.2F, 0.3F})
                                    : float_const("scale", {2, 3}, six);
    const Graph graph =
        graph_of_one(conv_node("out", "image", "k"),
                     levels_and({0}, {scales_twice ? 25.5F : 255.0F},
                                {scale, node_def("k", "Mul", {"k/levels", "scale"})}));
    ASSERT_EQ(graph.nodes.size(), 1U);
    const Tensor& kernel = graph.tensor(graph.nodes[0].inputs[1]);
    EXPECT_FALSE(kernel.weight.has_value());
    ASSERT_EQ(kernel.literal.size(), 6U);
    EXPECT_FLOAT_EQ(kernel.literal[5], scales_twice ? 0.15F : 2.5F);
  }
}

}  // namespace
}  // namespace visionpress
