// Conditions and loops of TensorFlow 1: Switch and Merge, Enter, NextIteration and Exit.

#include <memory>

#include <gtest/gtest.h>

#include "formats/graphdef/graphdef_build_testonly.h"
#include "formats/graphdef/graphdef_read_testonly.h"
#include "formats/graphdef/graphdef_reader.h"

namespace visionpress {
namespace {

using graphdef::DataType;

Message bool_const(const std::string& name, bool value) {
  return const_node(name, DataType::Bool,
                    tensor_proto(DataType::Bool, {}).varint(11, value ? 1 : 0));
}

/// Dropout as TensorFlow 1 wrote it: the branch that is taken in training draws random numbers.
std::vector<Message> dropout() {
  return {node_def("split", "Switch", {"is_training", "is_training"}),
          node_def("split/t", "Identity", {"split:1"}),
          node_def("split/f", "Identity", {"split"}),
          node_def("data", "Switch", {"image", "is_training"}),
          float_const("two", {}, {2.0F}),
          node_def("random", "RandomUniform", {"data:1", "^split/t"}),
          node_def("scaled", "Mul", {"random", "two"}),
          node_def("plain", "Identity", {"data", "^split/f"}),
          node_def("merge", "Merge", {"plain", "scaled"}),
          node_def("out", "Relu", {"merge"})};
}

TEST(GraphDefBranches, AKnownConditionLeavesTheBranchThatIsTaken) {
  std::vector<Message> nodes = {image(), bool_const("no", false),
                                node_def("is_training", "PlaceholderWithDefault", {"no"})};
  for (Message& node : dropout()) nodes.push_back(std::move(node));
  const Graph graph = graph_of(graph_file(nodes));
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Unary>(graph.nodes[0].op));
  EXPECT_EQ(graph.nodes[0].inputs, graph.inputs);
  ASSERT_EQ(graph.outputs.size(), 1U);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).name, "out");
}

std::vector<Message> dropout_of_an_input() {
  std::vector<Message> nodes = {
      image(), node_def("is_training", "Placeholder", {}, {{"dtype", type_value(DataType::Bool)}})};
  for (Message& node : dropout()) nodes.push_back(std::move(node));
  return nodes;
}

TEST(GraphDefBranches, AnInputThatIsGivenAValueIsAConstant) {
  const ByteBuffer file = graph_file(dropout_of_an_input());
  Diagnostics diagnostics;
  ReadOptions options;
  options.settings = {{"is_training", "false"}};
  const auto model = read_graphdef(file, options, diagnostics);
  ASSERT_TRUE(model) << model.error().to_string();
  const Graph& graph = (*model)->graph();
  EXPECT_EQ(graph.inputs.size(), 1U);
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Unary>(graph.nodes[0].op));
}

TEST(GraphDefBranches, AValueThatAnInputCannotHaveIsNamedWithTheInputs) {
  std::vector<Message> nodes = dropout_of_an_input();
  nodes.push_back(node_def("count", "Placeholder", {}, {{"dtype", type_value(DataType::Int32)}}));
  const ByteBuffer file = graph_file(nodes);
  const auto error_of = [&file](const std::vector<InputSetting>& settings) {
    Diagnostics diagnostics;
    ReadOptions options;
    options.settings = settings;
    const auto model = read_graphdef(file, options, diagnostics);
    if (model) return std::string("read");
    EXPECT_EQ(model.error().kind, ErrorKind::Usage);
    return model.error().message;
  };
  EXPECT_EQ(error_of({{"training", "false"}}),
            "no input \"training\" to set; the graph's inputs: \"image\" float32 [-1,4,4,2], "
            "\"is_training\" bool [?], \"count\" int32 [?]");
  EXPECT_EQ(error_of({{"two", "1"}}),
            "no input \"two\" to set; the graph's inputs: \"image\" float32 [-1,4,4,2], "
            "\"is_training\" bool [?], \"count\" int32 [?]");
  EXPECT_EQ(error_of({{"image", "gray"}}),
            "input \"image\" is float32, which has no value \"gray\"");
  EXPECT_EQ(error_of({{"is_training", "2"}}),
            "input \"is_training\" is bool, which has no value \"2\"; true and false are its "
            "values");
  EXPECT_EQ(error_of({{"count", "1.5"}}), "input \"count\" is int32, which has no value \"1.5\"");
  EXPECT_EQ(error_of({{"count", "2147483648"}}),
            "input \"count\" is int32, which has no value \"2147483648\"");
  EXPECT_EQ(error_of({{"count", "1"}, {"count", "1"}}), "input \"count\" is set twice");
  EXPECT_EQ(error_of({{"count", "-7"}, {"is_training", "false"}}), "read");
}

TEST(GraphDefBranches, AConditionOfAnInputIsListedWithBothBranches) {
  std::vector<Message> nodes = {
      image(), node_def("is_training", "Placeholder", {}, {{"dtype", type_value(DataType::Bool)}})};
  for (Message& node : dropout()) nodes.push_back(std::move(node));
  const Graph graph = graph_of(graph_file(nodes));
  std::vector<std::string> types;
  for (const Node& node : graph.nodes) types.push_back(node.source_type);
  EXPECT_EQ(types, (std::vector<std::string>{"Placeholder", "Switch", "RandomUniform", "Mul",
                                             "Merge", "Relu"}));
  ASSERT_EQ(graph.outputs.size(), 1U);  // not what only orders the branches' constants
}

TEST(GraphDefBranches, ALoopOpensAndKeepsTheWeightsOfItsBody) {
  const Graph graph = graph_of(graph_file(
      {image(), node_def("enter", "Enter", {"image"}),
       node_def("merge", "Merge", {"enter", "next"}), node_def("cond", "LoopCond", {"merge"}),
       node_def("switch", "Switch", {"merge", "cond"}),
       float_const("k", {1, 1, 2, 2}, {1, 2, 3, 4}), conv_node("body", "switch:1", "k"),
       node_def("next", "NextIteration", {"body"}), node_def("exit", "Exit", {"switch"}),
       node_def("out", "Relu", {"exit"})}));
  std::vector<std::string> types;
  for (const Node& node : graph.nodes) types.push_back(node.source_type);
  EXPECT_EQ(types, (std::vector<std::string>{"Enter", "Merge", "LoopCond", "Switch", "Conv2D",
                                             "NextIteration", "Exit", "Relu"}));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].role, WeightRole::Kernel);
}

TEST(GraphDefBranches, AConstantThatEntersALoopIsTheKernelThere) {
  const Graph graph =
      graph_of(graph_file({image(), float_const("k", {1, 1, 2, 64}, std::vector<float>(128, 0.5F)),
                           node_def("enter", "Enter", {"k"}, {{"is_constant", bool_value(true)}}),
                           conv_node("out", "image", "enter")}));
  ASSERT_EQ(graph.nodes.size(), 1U);
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].channel_axis, 3);
}

TEST(GraphDefBranches, WeightsOfWhatIsNotRunAreWeights) {
  const Graph graph =
      graph_of(graph_file({image(), float_const("k", {1, 2, 64}, std::vector<float>(128, 0.5F)),
                           node_def("out", "Einsum", {"image", "k"})}));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].role, WeightRole::Kernel);
  EXPECT_EQ(graph.weights[0].channel_axis, 2);
}

TEST(GraphDefBranches, AGraphWithoutAnInputOpens) {
  const Graph graph = graph_of(
      graph_file({int_const("shape", {1, 4, 4, 2}), node_def("drawn", "RandomUniform", {"shape"}),
                  float_const("k", {1, 1, 2, 64}, std::vector<float>(128, 0.5F)),
                  conv_node("out", "drawn", "k")}));
  EXPECT_TRUE(graph.inputs.empty());
  EXPECT_EQ(graph.weights.size(), 1U);
}

TEST(GraphDefBranches, ARoundThatNoNextIterationClosesIsACycle) {
  Diagnostics diagnostics;
  const ByteBuffer file = graph_file({image(), node_def("enter", "Enter", {"image"}),
                                      node_def("merge", "Merge", {"enter", "back"}),
                                      node_def("back", "Identity", {"merge"})});
  const auto model = read_graphdef(file, {}, diagnostics);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message,
            "node[2] \"merge\": the graph has a cycle: \"merge\" reads \"back\" reads \"merge\"");
}

}  // namespace
}  // namespace visionpress
