#include "formats/graphdef/saved_model.h"

#include <algorithm>

#include "base/error.h"
#include "formats/graphdef/graphdef_encode.h"
#include "formats/graphdef/tensor_bundle_build_testonly.h"
#include "formats/open_model.h"
#include "wire/protobuf_patch.h"

namespace visionpress {
namespace {

using graphdef::DataType;

/// SignatureDef inputs 1 or outputs 2 { key: TensorInfo { name 1, dtype 2, shape 3 } }
Message signature_tensor(const std::string& key, const std::string& tensor) {
  return Message().text(1, key).message(
      2, Message().text(1, tensor).varint(2, 1).message(3, shape_proto({1, 4, 4, 1})));
}

/// A signature from `input` to `output`, called "image" and "scores".
Message signature(const std::string& name, const std::string& input, const std::string& output) {
  return Message().text(1, name).message(2, Message()
                                                .message(1, signature_tensor("image", input))
                                                .message(2, signature_tensor("scores", output)));
}

/// MetaGraphDef { tags "serve", GraphDef 2, signatures 5 ... } in a SavedModel.
ByteBuffer saved_model(const Message& graph, const std::vector<Message>& signatures) {
  Message meta_graph;
  meta_graph.message(1, Message().text(4, "serve")).message(2, graph);
  for (const Message& one : signatures) meta_graph.message(5, one);
  return Message().varint(1, 1).message(2, meta_graph).done();
}

Message graph_of(const std::vector<Message>& nodes) {
  Message graph;
  for (const Message& node : nodes) graph.message(1, node);
  return graph;
}

Message image() { return placeholder("image_in", {1, 4, 4, 1}); }

/// image -> convolution with the variable "kernel", and what else there is.
Message conv_graph(const std::vector<Message>& others = {}) {
  std::vector<Message> nodes = {image(), node_def("kernel", "VarHandleOp"),
                                node_def("read", "ReadVariableOp", {"kernel"}),
                                conv_node("conv", "image_in", "read")};
  nodes.insert(nodes.end(), others.begin(), others.end());
  return graph_of(nodes);
}

/// GraphDef.library 2 { FunctionDef 1 } of y = op(x); `result` as a function spells it.
Message with_function(Message graph, const std::string& op, const std::string& result) {
  const Message declared =
      Message().text(1, "f").message(2, Message().text(1, "x")).message(3, Message().text(1, "y"));
  const Message function = Message()
                               .message(1, declared)
                               .message(3, node_def("inner", op, {"x"}))
                               .message(4, Message().text(1, "y").text(2, result));
  return graph.message(2, Message().message(1, function));
}

/// A node that calls function `name`: AttrValue { func 10 { name 1 } }.
Message call(const std::string& node, const std::string& name, const std::string& input) {
  return node_def(node, "PartitionedCall", {input},
                  {{"f", Message().message(10, Message().text(1, name))}});
}

class SavedModels : public FolderTest {
 protected:
  [[nodiscard]] Result<std::unique_ptr<SourceModel>> open(const ByteBuffer& file) const {
    write("saved_model.pb", file);
    Diagnostics diagnostics;
    VP_ASSIGN_OR_RETURN(const FileSet files, FileSet::open(folder_));
    return read_saved_model({files, "saved_model.pb", file}, {}, diagnostics);
  }
  [[nodiscard]] std::string error_of(const ByteBuffer& file) const {
    const auto model = open(file);
    return model ? "no error" : model.error().message;
  }
  /// The bundle with one kernel of two channels under that key.
  void write_kernel(const std::string& key) const {
    ByteBuffer rows;
    append_row(rows, 0, "", bundle_header());
    append_row(rows, 0, key, bundle_entry({1, 1, 1, 2}, 0, {5, 6}).done());
    write_bundle(make_table(rows), {5, 6});
  }
};

void expect_kernel(const Graph& graph) {
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].stored.shape, (Shape{1, 1, 1, 2}));
  ASSERT_EQ(graph.weights[0].stored.payload.size(), 8U);
  EXPECT_EQ(load_le<float>(graph.weights[0].stored.payload, 4), 6.0F);
}

TEST_F(SavedModels, IsAllFilesOfItsFolder) {
  write_kernel("kernel");
  const ByteBuffer file =
      saved_model(conv_graph(), {signature("serving_default", "image_in:0", "conv:0")});
  write("saved_model.pb", file);
  std::filesystem::create_directories(folder_ / "assets/deeper/still");
  write("assets/deeper/still/words.txt", ByteBuffer(100));
  const auto model = open_model(folder_);
  ASSERT_TRUE(model) << model.error().to_string();
  expect_kernel(model->graph());
  EXPECT_EQ(model->parts,
            (std::vector<std::string>{"assets/deeper/still/words.txt", "saved_model.pb",
                                      "variables/variables.data-00000-of-00001",
                                      "variables/variables.index"}));
  std::uint64_t bytes = 0;
  for (const std::string& part : model->parts) bytes += std::filesystem::file_size(folder_ / part);
  EXPECT_EQ(model->size_bytes(), bytes);
  EXPECT_TRUE(model->is_folder);
  EXPECT_FALSE(model->source->check_rewritable());
}

TEST_F(SavedModels, ItsFilesAreReadAndAnEarlierConversionIsNot) {
  write_kernel("kernel");
  write("saved_model.pb",
        saved_model(conv_graph(), {signature("serving_default", "image_in:0", "conv:0")}));
  write("small.tflite", ByteBuffer(8));
  const auto model = open_model(folder_);
  ASSERT_TRUE(model) << model.error().to_string();
  const std::vector<std::string> paths = model->list_read_paths();
  const auto is_read = [&](const std::string& name) {
    return std::ranges::find(paths, (folder_ / name).string()) != paths.end();
  };
  EXPECT_TRUE(is_read("saved_model.pb"));
  EXPECT_TRUE(is_read("variables/variables.index"));
  EXPECT_TRUE(is_read("variables/variables.data-00000-of-00001"));
  EXPECT_FALSE(is_read("small.tflite"));
}

TEST_F(SavedModels, AVariableIsReadOutOfTheBundle) {
  write_kernel("kernel");
  const auto model =
      open(saved_model(conv_graph(), {signature("serving_default", "image_in:0", "conv:0")}));
  ASSERT_TRUE(model) << model.error().to_string();
  const Graph& graph = (*model)->graph();
  expect_kernel(graph);
  ASSERT_EQ(graph.outputs.size(), 1U);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).name, "scores");
}

TEST_F(SavedModels, WhatIsRestoredSaysWhichKeyAVariableHas) {
  write_kernel("net/0/.ATTRIBUTES/VARIABLE_VALUE");
  const Message keys = tensor_proto(DataType::String, {1});
  const Message graph =
      conv_graph({const_node("keys", DataType::String,
                             Message(keys).text(8, "net/0/.ATTRIBUTES/VARIABLE_VALUE")),
                  const_node("prefix", DataType::String, tensor_proto(DataType::String, {})),
                  node_def("restore", "RestoreV2", {"prefix", "keys", "keys"}),
                  node_def("copy", "Identity", {"restore"}),
                  node_def("assign", "AssignVariableOp", {"kernel", "copy"})});
  const auto model =
      open(saved_model(graph, {signature("serving_default", "image_in:0", "conv:0")}));
  ASSERT_TRUE(model) << model.error().to_string();
  expect_kernel((*model)->graph());
}

// As Keras 3 saves: the variables that are restored are others than those that are read.
TEST_F(SavedModels, TheObjectsSavedWithAVariableSayItsKey) {
  const std::string key = "_layers/1/_kernel/.ATTRIBUTES/VARIABLE_VALUE";
  const Message attribute = Message().text(1, "VARIABLE_VALUE").text(2, "kernel").text(3, key);
  const ByteBuffer objects = Message().message(1, Message().message(2, attribute)).done();
  ByteBuffer shard;  // the kernel, then the text with its length and that length's checksum
  graphdef::append(shard, view_bytes(std::span<const float>(std::vector<float>{5, 6})));
  append_varint(shard, objects.size());
  shard.resize(shard.size() + 4, std::byte{0});
  graphdef::append(shard, objects);
  ByteBuffer rows;
  append_row(rows, 0, "", bundle_header());
  append_row(rows, 0, "_CHECKPOINTABLE_OBJECT_GRAPH",
             Message()
                 .varint(1, static_cast<std::uint64_t>(DataType::String))
                 .varint(4, 8)
                 .varint(5, shard.size() - 8)
                 .done());
  append_row(rows, 0, key, bundle_entry({1, 1, 1, 2}, 0, {5, 6}).done());
  write("variables/variables.index", make_table(rows));
  write("variables/variables.data-00000-of-00001", shard);
  const auto model =
      open(saved_model(conv_graph(), {signature("serving_default", "image_in:0", "conv:0")}));
  ASSERT_TRUE(model) << model.error().to_string();
  expect_kernel((*model)->graph());
}

TEST_F(SavedModels, AVariableWithoutAValueIsNamed) {
  write_kernel("another");
  EXPECT_EQ(
      error_of(saved_model(conv_graph(), {signature("serving_default", "image_in:0", "conv:0")})),
      "variable \"kernel\" has no value: the bundle has no \"kernel\"");
}

TEST_F(SavedModels, ADamagedVariableIsNamed) {
  write_kernel("kernel");
  const std::vector<float> other = {5, 7};
  write("variables/variables.data-00000-of-00001", view_bytes(std::span<const float>(other)));
  EXPECT_EQ(
      error_of(saved_model(conv_graph(), {signature("serving_default", "image_in:0", "conv:0")})),
      "variable \"kernel\": its bytes differ from their checksum");
}

TEST_F(SavedModels, AVariableOfFewerBytesThanItsShapeIsNamed) {
  ByteBuffer rows;
  append_row(rows, 0, "", bundle_header());
  append_row(rows, 0, "kernel", bundle_entry({1, 1, 1, 2}, 0, {}).done());
  write_bundle(make_table(rows), {5, 6});
  EXPECT_EQ(
      error_of(saved_model(conv_graph(), {signature("serving_default", "image_in:0", "conv:0")})),
      "variable \"kernel\": 0 bytes for float32 of shape [1,1,1,2]");
}

TEST_F(SavedModels, LongChainsOfManyReadersAreRefusedInSeconds) {
  constexpr int kCount = 3000;
  std::vector<Message> nodes = {image(), node_def("0", "PlaceholderWithDefault", {"image_in"})};
  for (int i = 1; i < kCount; ++i) {
    nodes.push_back(node_def(std::to_string(i), "PlaceholderWithDefault", {std::to_string(i - 1)}));
  }
  nodes.push_back(
      node_def("sum", "AddN", std::vector<std::string>(kCount, std::to_string(kCount - 1))));
  EXPECT_EQ(error_of(saved_model(graph_of(nodes), {signature("predict", "image_in:0", "sum:0")})),
            "\"2999\" lies behind too many nodes that pass values on");
}

TEST_F(SavedModels, SeveralSignaturesWithoutADefaultAreListed) {
  const Message graph = graph_of({image(), node_def("a", "Relu", {"image_in"})});
  EXPECT_EQ(error_of(saved_model(graph, {signature("train", "image_in:0", "a:0"),
                                         signature("score", "image_in:0", "a:0")})),
            "the SavedModel has the signatures train, score and none is called serving_default");
}

TEST_F(SavedModels, AFunctionStandsInPlaceOfItsCall) {
  const Message graph = with_function(graph_of({image(), call("called", "f", "image_in")}), "Relu",
                                      "inner:activations:0");
  const auto model = open(saved_model(graph, {signature("predict", "image_in:0", "called:0")}));
  ASSERT_TRUE(model) << model.error().to_string();
  ASSERT_FALSE((*model)->graph().nodes.empty());
  EXPECT_EQ((*model)->graph().nodes[0].name, "called/inner");
}

TEST_F(SavedModels, AFunctionThatCallsItselfIsRefused) {
  const Message graph =
      with_function(graph_of({image(), call("called", "f", "image_in")}), "f", "inner:y:0");
  const std::string error =
      error_of(saved_model(graph, {signature("predict", "image_in:0", "called:0")}));
  EXPECT_TRUE(error.ends_with("functions call each other too often")) << error;
}

TEST_F(SavedModels, FunctionsThatCallEachOtherTwiceAreRefusedInSeconds) {
  Message library;
  for (int i = 0; i < 30; ++i) {
    const std::string next = "f" + std::to_string(i + 1);
    const Message declared = Message()
                                 .text(1, "f" + std::to_string(i))
                                 .message(2, Message().text(1, "x"))
                                 .message(3, Message().text(1, "y"));
    library.message(1, Message()
                           .message(1, declared)
                           .message(3, call("a", next, "x"))
                           .message(3, call("b", next, "x"))
                           .message(4, Message().text(1, "y").text(2, "a:output:0")));
  }
  const Message last = Message()
                           .text(1, "f30")
                           .message(2, Message().text(1, "x"))
                           .message(3, Message().text(1, "y"));
  library.message(1, Message().message(1, last).message(4, Message().text(1, "y").text(2, "x")));
  Message graph = graph_of({image(), call("called", "f0", "image_in")});
  graph.message(2, library);
  const std::string error =
      error_of(saved_model(graph, {signature("predict", "image_in:0", "called:0")}));
  EXPECT_TRUE(error.ends_with("functions call each other too often")) << error;
}

TEST_F(SavedModels, AFewCallsNeverBecomeGigabytes) {
  const Message declared = Message().text(1, "f").message(2, Message().text(1, "x"));
  const Message wide = node_def("wide", "AddN", std::vector<std::string>(20000, "x"));
  std::vector<Message> nodes = {image()};
  for (int i = 0; i < 400; ++i) nodes.push_back(call("call" + std::to_string(i), "f", "image_in"));
  Message graph = graph_of(nodes);
  graph.message(2, Message().message(1, Message().message(1, declared).message(3, wide)));
  const std::string error =
      error_of(saved_model(graph, {signature("predict", "image_in:0", "call0:0")}));
  EXPECT_TRUE(error.ends_with("the graph takes more than 268435456 bytes")) << error;
}

TEST_F(SavedModels, ManyReadersOfALongChainOfCallsAreRefusedInSeconds) {
  constexpr int kCount = 3000;
  std::vector<Message> nodes = {image(), call("0", "f", "image_in")};
  for (int i = 1; i < kCount; ++i) {
    nodes.push_back(call(std::to_string(i), "f", std::to_string(i - 1)));
  }
  nodes.push_back(
      node_def("sum", "AddN", std::vector<std::string>(kCount, std::to_string(kCount - 1))));
  const Message graph = with_function(graph_of(nodes), "Relu", "x");
  EXPECT_EQ(error_of(saved_model(graph, {signature("predict", "image_in:0", "sum:0")})),
            "\"2999\" lies behind too many calls");
}

TEST_F(SavedModels, AFunctionThatIsNotThereIsNamed) {
  const Message graph = graph_of({image(), call("called", "f", "image_in")});
  EXPECT_EQ(error_of(saved_model(graph, {signature("predict", "image_in:0", "called:0")})),
            "node \"called\" calls function \"f\", which is not there");
}

TEST_F(SavedModels, ACycleIsNamed) {
  const Message graph =
      graph_of({image(), node_def("a", "Relu", {"b"}), node_def("b", "Relu", {"a"})});
  EXPECT_EQ(error_of(saved_model(graph, {signature("predict", "image_in:0", "b:0")})),
            "node \"b\" needs its own result");
}

TEST_F(SavedModels, ARewriteIsRefused) {
  const Message graph = graph_of({image(), node_def("a", "Relu", {"image_in"})});
  const auto model = open(saved_model(graph, {signature("predict", "image_in:0", "a:0")}));
  ASSERT_TRUE(model) << model.error().to_string();
  const auto rewritten = (*model)->rewrite({}, {});
  ASSERT_FALSE(rewritten);
  EXPECT_EQ(rewritten.error().kind, ErrorKind::Unsupported);
}

}  // namespace
}  // namespace visionpress
