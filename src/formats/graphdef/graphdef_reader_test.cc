#include "formats/graphdef/graphdef_reader.h"

#include <memory>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "formats/graphdef/graphdef_build_testonly.h"

namespace visionpress {
namespace {

using graphdef::DataType;
using Buffer = ByteBuffer;

Result<std::unique_ptr<SourceModel>> try_read(Bytes file, const GraphDefOptions& options = {}) {
  Diagnostics diagnostics;
  return read_graphdef(file, options, diagnostics);
}

/// The graph of a file that must be readable.
Graph graph_of(const Buffer& file, const GraphDefOptions& options = {}) {
  const auto model = try_read(file, options);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? (*model)->graph() : Graph();
}

Graph shared_graph(const std::string& name, const GraphDefOptions& options = {}) {
  const auto file = MappedFile::open(find_shared_folder() + "/models/" + name);
  EXPECT_TRUE(file) << file.error().to_string();
  const auto model = try_read(file->bytes(), options);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? (*model)->graph() : Graph();
}

TEST(GraphDefReader, ABiasAddBecomesTheConvolutionsBias) {
  const Graph graph = graph_of(graph_file(
      {placeholder("image", {-1, 4, 4, 1}), float_const("kernel", {1, 1, 1, 2}, {1, 2}),
       conv_node("conv", "image", "kernel"), float_const("bias", {2}, {3, 4}),
       node_def("add", "BiasAdd", {"conv", "bias"})}));
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].inputs.size(), 3U);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).name, "add");
}

TEST(GraphDefReader, TellsWhatTheReferenceDetectorIs) {
  VP_SKIP_WITHOUT_SHARED();
  const Graph graph = shared_graph("reference-detector/model.pb");
  EXPECT_EQ(graph.layout, Layout::ChannelsLast);
  EXPECT_EQ(graph.format_version, "GraphDef, producer 1994");
  EXPECT_EQ(graph.tensor(graph.inputs[0]).shape, (Shape{-1, 416, 416, 3}));
  EXPECT_EQ(graph.input_info.width, 416);
  ASSERT_EQ(graph.outputs.size(), 1U);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).name, "model_outputs");
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 13, 13, 35}));
  ASSERT_EQ(graph.weights.size(), 19U);
  EXPECT_EQ(graph.weights[0].role, WeightRole::Kernel);
  EXPECT_EQ(graph.weights[0].channel_axis, 3);
  EXPECT_EQ(graph.weights[1].role, WeightRole::Bias);
  for (const Node& node : graph.nodes) {
    EXPECT_FALSE(std::holds_alternative<Unsupported>(node.op)) << node.path;
    EXPECT_TRUE(!std::holds_alternative<Conv2d>(node.op) || node.inputs.size() == 3U) << node.path;
  }
}

}  // namespace
}  // namespace visionpress
