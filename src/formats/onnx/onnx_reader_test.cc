#include "formats/onnx/onnx_reader.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/temporary_folder_testonly.h"
#include "formats/onnx/onnx_run_testonly.h"

namespace visionpress {
namespace {

using onnx::DataType;
using Floats = std::vector<float>;

OnnxParts relu() {
  OnnxParts parts;
  parts.nodes = {onnx_node("Relu", {"x"}, {"y"})};
  return parts;
}

TEST(OnnxReader, TheFileSaysItsVersionsAndItsProducer) {
  const auto model = try_read_onnx(onnx_file(relu(), 13));
  ASSERT_TRUE(model) << model.error().to_string();
  const Graph& graph = (*model)->graph();
  EXPECT_EQ(graph.format, Format::Onnx);
  EXPECT_EQ(graph.format_version, "IR version 8, opset 13");
  EXPECT_EQ(graph.producer, "a test");
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].name, "y");
  EXPECT_EQ(graph.nodes[0].path, "node[0] \"y\"");
  EXPECT_EQ(graph.tensor(graph.outputs[0]).name, "y");
}

TEST(OnnxReader, NodesInAnyOrderAreSorted) {
  OnnxParts parts;
  parts.nodes = {onnx_node("Relu", {"a"}, {"y"}), onnx_node("Neg", {"x"}, {"a"})};
  parts.inputs = {value_info("x", {2})};
  EXPECT_EQ(run_onnx(onnx_file(parts), {1, -2})[0].values, (Floats{0, 2}));
}

TEST(OnnxReader, BrokenGraphsAreRefusedWithTheirPlace) {
  OnnxParts cycle = relu();
  cycle.nodes = {onnx_node("Add", {"x", "b"}, {"a"}), onnx_node("Relu", {"a"}, {"b"}),
                 onnx_node("Relu", {"b"}, {"y"})};
  EXPECT_EQ(onnx_refusal(onnx_file(cycle)),
            "node[0] \"a\": the graph has a cycle: \"a\" reads \"b\" reads \"a\"");
  OnnxParts twice = relu();
  twice.nodes.push_back(onnx_node("Neg", {"x"}, {"y"}));
  EXPECT_EQ(onnx_refusal(onnx_file(twice)),
            "node[1] \"y\": writes \"y\", which node[0] \"y\" writes too");
  OnnxParts given = relu();
  given.nodes = {onnx_node("Relu", {"x"}, {"x"})};
  EXPECT_EQ(onnx_refusal(onnx_file(given)),
            "node[0] \"x\": writes \"x\", which is an input or an initializer");
  OnnxParts missing = relu();
  missing.nodes = {onnx_node("Relu", {"z"}, {"y"})};
  EXPECT_EQ(
      onnx_refusal(onnx_file(missing)),
      "node[0] \"y\": reads \"z\", which is no input, no initializer and no output of a node");
  OnnxParts unwritten = relu();
  unwritten.outputs = {value_info("z", {})};
  EXPECT_EQ(onnx_refusal(onnx_file(unwritten)), "the graph's output \"z\" is written by no node");
  OnnxParts same = relu();
  same.initializers = {float_tensor("w", {1}, {1}), float_tensor("w", {1}, {1})};
  EXPECT_EQ(onnx_refusal(onnx_file(same)), "initializer[1] \"w\": another has this name");
  OnnxParts inputs = relu();
  inputs.inputs.push_back(inputs.inputs[0]);
  EXPECT_EQ(onnx_refusal(onnx_file(inputs)), "input[1]: another has the name \"x\"");
}

TEST(OnnxReader, VersionsThatAreNotReadAreNamed) {
  EXPECT_EQ(onnx_refusal(onnx_model(relu(), 17, 2).done()),
            "IR version 2 is not read, expected 3 to 13");
  EXPECT_EQ(onnx_refusal(onnx_model(relu(), 0).done()), "opset 0, expected 1 to 27");
  EXPECT_EQ(onnx_refusal(Message().varint(1, 8).message(7, onnx_graph(relu())).done()),
            "the file names no opset (opset_import)");
  EXPECT_EQ(onnx_refusal(Message().varint(1, 8).message(8, Message().varint(2, 17)).done()),
            "the model has no graph");
}

TEST(OnnxReader, EveryPrefixIsAnErrorOrAnotherFile) {
  const ByteBuffer file = onnx_file(relu());
  for (std::size_t size = 0; size < file.size(); ++size) {
    (void)try_read_onnx(Bytes(file).first(size));
  }
}

TEST(OnnxReader, OperatorsThatNobodyKnowsLeaveTheFileReadable) {
  OnnxParts parts = relu();
  parts.nodes = {onnx_node("Frobnicate", {"x"}, {"a"}, {}, "com.example"),
                 onnx_node("Relu", {"a"}, {"y"})};
  EXPECT_EQ(
      onnx_refusal(onnx_file(parts)),
      "1 of 2 layers cannot be run: node[0] \"a\" (com.example.Frobnicate): an operator of the "
      "domain \"com.example\", which the file does not define");
}

TEST(OnnxReader, AnImageInputIsDescribedByItsMetadata) {
  Message model = onnx_model(relu());
  model.message(14, Message().text(1, "Image.BitmapPixelFormat").text(2, "Bgr8"));
  model.message(14, Message().text(1, "Image.NominalPixelRange").text(2, "Normalized_0_1"));
  model.message(14, Message().text(1, "names").text(2, "{0: 'cat', 1: \"dog's\"}"));
  const auto read = try_read_onnx(model.done());
  ASSERT_TRUE(read);
  const Graph& graph = (*read)->graph();
  EXPECT_EQ(graph.input_info.color_order, ColorOrder::Bgr);
  EXPECT_EQ(graph.input_info.std, (Floats{255, 255, 255}));
  EXPECT_EQ(graph.input_info.width, 4);
  EXPECT_EQ(graph.labels, (std::vector<std::string>{"cat", "dog's"}));
}

TEST(OnnxReader, AClassifiersMapsBecomeItsLabels) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {1, 2})};
  const Message texts = onnx_tensor("", DataType::String, {2}).text(6, "cat").text(6, "dog");
  parts.nodes = {onnx_node("Softmax", {"x"}, {"p"}),
                 onnx_node("ArgMax", {"p"}, {"best"}, {int_attribute("axis", 1)}),
                 onnx_node("Constant", {}, {"texts"}, {tensor_attribute("value", texts)}),
                 onnx_node("ArrayFeatureExtractor", {"texts", "best"}, {"label"}, {}, "ai.onnx.ml"),
                 onnx_node("ZipMap", {"p"}, {"y"},
                           {texts_attribute("classlabels_strings", {"cat", "dog"})}, "ai.onnx.ml")};
  parts.outputs = {Message().text(1, "label"), Message().text(1, "y")};
  Message model = onnx_model(parts);
  model.message(8, Message().text(1, "ai.onnx.ml").varint(2, 1));
  const auto read = try_read_onnx(model.done());
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ((*read)->graph().labels, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ((*read)->graph().outputs.size(), 1U);
  const auto results = run_onnx(model.done(), {0, 0});
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].values, (Floats{0.5F, 0.5F}));
}

TEST(OnnxReader, ABranchWithAConstantConditionIsChosen) {
  for (const std::uint8_t condition : {std::uint8_t{0}, std::uint8_t{1}}) {
    OnnxParts then;
    then.inputs = {};
    then.nodes = {onnx_node("Neg", {"x"}, {"t"})};
    then.outputs = {value_info("t", {})};
    OnnxParts otherwise = then;
    otherwise.nodes = {onnx_node("Add", {"x", "one"}, {"t"})};
    otherwise.initializers = {float_tensor("one", {1}, {1})};
    OnnxParts parts;
    parts.inputs = {value_info("x", {2})};
    parts.initializers = {byte_tensor("c", DataType::Bool, {}, {condition})};
    parts.nodes = {onnx_node("If", {"c"}, {"y"},
                             {graph_attribute("then_branch", onnx_graph(then)),
                              graph_attribute("else_branch", onnx_graph(otherwise))})};
    const Floats expected = condition != 0 ? Floats{-1, -2} : Floats{2, 3};
    EXPECT_EQ(run_onnx(onnx_file(parts), {1, 2})[0].values, expected);
  }
}

TEST(OnnxReader, AFunctionOfTheFileIsRunInPlace) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {2})};
  parts.nodes = {onnx_node("Act", {"x"}, {"y"}, {float_attribute("slope", 0.5F)}, "mine")};
  Message model = onnx_model(parts);
  // LeakyRelu's alpha refers to the caller's slope.
  Message inner = onnx_node("LeakyRelu", {"a"}, {"b"},
                            {Message().text(1, "alpha").varint(20, 1).text(21, "slope")});
  Message function;
  function.text(1, "Act").text(4, "a").text(5, "b").text(6, "slope").message(7, inner);
  function.message(9, Message().text(1, "").varint(2, 17)).text(10, "mine");
  model.message(8, Message().text(1, "mine").varint(2, 1)).message(25, function);
  EXPECT_EQ(run_onnx(model.done(), {-2, 2})[0].values, (Floats{-1, 2}));
}

TEST(OnnxReader, AFunctionThatCallsItselfIsRefused) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {2})};
  parts.nodes = {onnx_node("Act", {"x"}, {"y"}, {}, "mine")};
  Message model = onnx_model(parts);
  Message function;
  function.text(1, "Act").text(4, "a").text(5, "b");
  function.message(7, onnx_node("Act", {"a"}, {"b"}, {}, "mine"));
  function.message(9, Message().text(1, "mine").varint(2, 1)).text(10, "mine");
  model.message(25, function);
  EXPECT_TRUE(onnx_refusal(model.done()).ends_with("branches and functions nest too deep"));
}

TEST(OnnxReader, ShapeArithmeticIsFolded) {
  // y = x reshaped to [size of axis 0, -1], as exporters spell it.
  OnnxParts parts;
  parts.inputs = {value_info("x", {2, 3, 4})};
  parts.initializers = {int64_tensor("zero", {0}), int64_tensor("minus", {-1})};
  parts.nodes = {onnx_node("Shape", {"x"}, {"shape"}),
                 onnx_node("Gather", {"shape", "zero"}, {"first"}),
                 onnx_node("Concat", {"first", "minus"}, {"target"}, {int_attribute("axis", 0)}),
                 onnx_node("Reshape", {"x", "target"}, {"y"})};
  const auto model = try_read_onnx(onnx_file(parts));
  ASSERT_TRUE(model);
  EXPECT_EQ((*model)->graph().nodes.size(), 1U);
  EXPECT_EQ(run_onnx(onnx_file(parts), count_up(24))[0].shape, (Shape{2, 12}));
}

TEST(OnnxReader, AnImageWithItsChannelsLastIsTurned) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {-1, 16, 20, 3})};
  parts.nodes = {onnx_node("Transpose", {"x"}, {"y"}, {ints_attribute("perm", {0, 3, 1, 2})})};
  const auto model = try_read_onnx(onnx_file(parts));
  ASSERT_TRUE(model);
  const Graph& graph = (*model)->graph();
  EXPECT_EQ(graph.tensor(graph.inputs[0]).shape, (Shape{-1, 3, 16, 20}));
  EXPECT_EQ(graph.input_info.width, 20);
  EXPECT_EQ(run_onnx(onnx_file(parts), count_up(960))[0].values, count_up(960));
}

/// A model whose one initializer lies in another file.
ByteBuffer external_model(const std::string& location, const std::string& length = "8") {
  OnnxParts parts;
  parts.inputs = {value_info("x", {2})};
  Message tensor = onnx_tensor("w", DataType::Float, {2});
  tensor.message(13, Message().text(1, "location").text(2, location))
      .message(13, Message().text(1, "offset").text(2, "4"))
      .message(13, Message().text(1, "length").text(2, length))
      .varint(14, 1);
  parts.initializers = {tensor};
  parts.nodes = {onnx_node("Add", {"x", "w"}, {"y"})};
  return onnx_file(parts);
}

class OnnxExternal : public testing::Test {
 protected:
  /// The error of reading the file, or "read".
  std::string read(const ByteBuffer& file) {
    const std::string path = folder_.write("m/model.onnx", std::string(view_text(file)));
    const auto files = FileSet::open(path);
    EXPECT_TRUE(files);
    content_ = *files->read("model.onnx");
    Diagnostics diagnostics;
    auto model = read_onnx({*files, "model.onnx", content_.bytes()}, {}, diagnostics);
    if (!model) return model.error().message;
    values_ = load_first((*model)->graph());
    return "read";
  }
  static Floats load_first(const Graph& graph) {
    Floats values;
    for (std::size_t at = 0; at + 4 <= graph.weights[0].stored.payload.size(); at += 4)
      values.push_back(load_le<float>(graph.weights[0].stored.payload, at));
    return values;
  }
  void write_values(const std::string& name) {
    const Floats values = {9, 1, 2};
    folder_.write(name, std::string(view_text(view_bytes(std::span(values)))));
  }

  TemporaryFolder folder_ = {};
  FileContent content_ = {};
  Floats values_ = {};
};

TEST_F(OnnxExternal, ValuesAreReadFromTheFileBesideTheModel) {
  write_values("m/parts/w.bin");
  EXPECT_EQ(read(external_model("parts/w.bin")), "read");
  EXPECT_EQ(values_, (Floats{1, 2}));
}

TEST_F(OnnxExternal, FilesOutsideTheFolderAreRefused) {
  write_values("w.bin");
  const std::string outside = ", outside the model's folder; such files are not read";
  EXPECT_EQ(read(external_model("../w.bin")),
            "initializer[0] \"w\": its values are in \"../w.bin\"" + outside);
  EXPECT_EQ(read(external_model("/etc/passwd")),
            "initializer[0] \"w\": its values are in \"/etc/passwd\"" + outside);
  std::filesystem::create_symlink("../w.bin", folder_.path("m/link.bin"));
  EXPECT_EQ(read(external_model("link.bin")),
            "initializer[0] \"w\": its values are in \"link.bin\"" + outside);
}

TEST_F(OnnxExternal, MissingAndShortFilesAreNamed) {
  EXPECT_TRUE(read(external_model("none.bin"))
                  .starts_with("initializer[0] \"w\": its values are in \"none.bin\": "));
  folder_.write("m/short.bin", "12345678");
  EXPECT_EQ(read(external_model("short.bin")),
            "initializer[0] \"w\": its values are bytes 4 to 12 of \"short.bin\", which has 8");
  write_values("m/w.bin");
  EXPECT_EQ(read(external_model("w.bin", "4")),
            "initializer[0] \"w\": external_data is 4 bytes, its shape needs 8");
  EXPECT_EQ(read(external_model("w.bin", "many")),
            "initializer[0] \"w\": external_data has the length \"many\", expected a number");
}

}  // namespace
}  // namespace visionpress
