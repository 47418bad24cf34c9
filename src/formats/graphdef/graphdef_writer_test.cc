#include "formats/graphdef/graphdef_writer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "formats/form_answers_testonly.h"
#include "formats/graphdef/graphdef_build_testonly.h"
#include "formats/graphdef/graphdef_dequantize.h"
#include "formats/graphdef/graphdef_reader.h"

namespace visionpress {
namespace {

using graphdef::DataType;

std::unique_ptr<SourceModel> read(Bytes file) {
  Diagnostics diagnostics;
  auto model = read_graphdef(file, {}, diagnostics);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? std::move(*model) : nullptr;
}

ByteBuffer join(const FilePieces& pieces) {
  ByteBuffer all;
  for (const Bytes piece : pieces.pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

/// A convolution of 8 channels whose kernel has a colocation, a device, a control input and a field
/// that no one knows; a scalar and a splat beside it; library and versions.
ByteBuffer small_graph() {
  std::vector<float> kernel(static_cast<std::size_t>(3 * 3 * 4 * 8));
  for (std::size_t i = 0; i < kernel.size(); ++i) kernel[i] = std::sin(static_cast<float>(i));
  Message tensor = tensor_proto(DataType::Float, {3, 3, 4, 8});
  tensor.bytes(4, view_bytes(std::span<const float>(kernel)));
  Message weights = node_def("kernel", "Const", {"^before"},
                             {{"dtype", type_value(DataType::Float)},
                              {"_class", Message().message(1, Message().text(2, "loc:@conv"))},
                              {"value", Message().message(8, tensor)}});
  weights.text(4, "/cpu:0").text(99, "of a later version");
  Message splat = tensor_proto(DataType::Float, {1, 1, 8, 32});
  splat.real(5, 0.5F);
  Message graph;
  graph.message(1, node_def("before", "NoOp"))
      .message(1, placeholder("image", {1, 8, 8, 4}))
      .message(1, weights)
      .message(1, node_def("kernel/read", "Identity", {"kernel"},
                           {{"T", type_value(DataType::Float)},
                            {"_class", Message().message(1, Message().text(2, "loc:@kernel"))}}))
      .message(1, conv_node("conv", "image", "kernel/read"))
      .message(1, float_const("alpha", {}, {0.25F}))
      .message(1,
               node_def("scaled", "Mul", {"conv", "alpha"}, {{"T", type_value(DataType::Float)}}))
      .message(1, const_node("splat", DataType::Float, splat))
      .message(1, conv_node("output", "scaled", "splat"))
      .message(2, Message())
      .message(4, Message().varint(1, 24))
      .text(77, "unknown");
  const auto& done = graph.done();
  return {done.begin(), done.end()};
}

std::size_t count_of(const Shape& shape) {
  return static_cast<std::size_t>(element_count(shape).value());
}

EncodedWeight half_edit(const Shape& shape) {
  EncodedWeight value{shape, {}, {}};
  value.code.encoding = Encoding::Float16;
  value.code.bits = 16;
  value.codes.assign(count_of(shape) * 2, std::byte{0x3c});
  return value;
}

/// Codes 0, 1, 2, ... with `scales` along `axis`, and as many offsets.
EncodedWeight code_edit(const Shape& shape, std::size_t scales, int axis) {
  EncodedWeight value{shape, {}, {}};
  value.code.encoding = Encoding::Linear;
  value.code.bits = 8;
  value.code.axis = axis;
  for (std::size_t i = 0; i < scales; ++i) {
    value.code.scales.push_back(0.01F + 0.003F * static_cast<float>(i));
    value.code.offsets.push_back(-1.0F - 0.1F * static_cast<float>(i));
  }
  for (std::size_t i = 0; i < count_of(shape); ++i) {
    value.codes.push_back(static_cast<std::byte>(i % 256));
  }
  return value;
}

Result<ByteBuffer> rewrite_one(const SourceModel& model, std::size_t index,
                               const EncodedWeight& value) {
  const std::vector<WeightEdit> edits = {{index, &value}};
  auto pieces = model.rewrite(edits, {});
  if (!pieces) return tl::unexpected<Error>(pieces.error());
  return join(*pieces);
}

std::string error_of(const Result<ByteBuffer>& result) {
  return result ? "no error" : result.error().message;
}

std::size_t find_weight(const SourceModel& model, std::string_view name) {
  const auto& weights = model.graph().weights;
  const auto found =
      std::find_if(weights.begin(), weights.end(), [&](const Weight& w) { return w.name == name; });
  EXPECT_NE(found, weights.end()) << name;
  return static_cast<std::size_t>(found - weights.begin());
}

/// Top-level fields of a file: nodes by name, the others by number, each with its bytes.
std::map<std::string, std::string> list_parts(Bytes file) {
  std::map<std::string, std::string> parts;
  const auto message = ProtobufMessage::read_file(file);
  EXPECT_TRUE(message);
  for (const ProtobufField& field : message->fields()) {
    std::string key = "field " + std::to_string(field.number);
    if (field.number == graphdef::graph_field::kNode) {
      key = message->open(field)->read_text(graphdef::node_field::kName).value();
    }
    EXPECT_TRUE(parts.emplace(key, std::string(view_text(field.content))).second) << key;
  }
  return parts;
}

/// Names of the parts that one file has and the other has not, or has differently.
std::set<std::string> list_differences(Bytes before, Bytes after) {
  const auto a = list_parts(before);
  const auto b = list_parts(after);
  std::set<std::string> names;
  for (const auto& [name, bytes] : a) {
    if (!b.contains(name) || b.at(name) != bytes) names.insert(name);
  }
  for (const auto& [name, bytes] : b) {
    if (!a.contains(name)) names.insert(name);
  }
  return names;
}

using Names = std::set<std::string>;

std::vector<std::string> list_shared_graphs() {
  std::vector<std::string> paths;
  const std::string models = find_shared_folder() + "/models";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(models)) {
    if (entry.path().extension() == ".pb") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(GraphDefWriter, WritesTheSameBytesWithoutEdits) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  EXPECT_EQ(join(model->rewrite({}, {}).value()), file);
}

TEST(GraphDefWriter, WritesEverySharedGraphAsItsOwnBytes) {
  VP_SKIP_WITHOUT_SHARED();
  const auto paths = list_shared_graphs();
  ASSERT_FALSE(paths.empty());
  for (const std::string& path : paths) {
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file);
    const auto model = read(file->bytes());
    const ByteBuffer written = join(model->rewrite({}, {}).value());
    EXPECT_TRUE(std::ranges::equal(written, file->bytes())) << path;
  }
}

TEST(GraphDefWriter, PutsACastOfHalvesUnderTheWeightsName) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  const std::size_t index = find_weight(*model, "kernel");
  const EncodedWeight value = half_edit({3, 3, 4, 8});
  const ByteBuffer written = rewrite_one(*model, index, value).value();
  EXPECT_EQ(list_differences(file, written), (Names{"kernel", "kernel/half"}));
  const auto again = read(written);
  const Weight& weight = again->graph().weights[find_weight(*again, "kernel")];
  EXPECT_EQ(weight.stored.code.encoding, Encoding::Float16);
  EXPECT_TRUE(std::ranges::equal(weight.stored.payload, value.codes));
  EXPECT_EQ(again->graph().weights.size(), model->graph().weights.size());
  EXPECT_EQ(again->graph().nodes.size(), model->graph().nodes.size());
}

TEST(GraphDefWriter, KeepsWhatElseANodeSays) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  const EncodedWeight value = half_edit({3, 3, 4, 8});
  const ByteBuffer written = rewrite_one(*model, find_weight(*model, "kernel"), value).value();
  const auto graph = ProtobufMessage::read_file(written);
  const auto list = graphdef::read_nodes(*graph);
  ASSERT_TRUE(list) << list.error().to_string();
  const graphdef::GraphNode& cast = list->nodes[list->by_name.find("kernel")->second];
  EXPECT_EQ(cast.op, "Cast");
  EXPECT_EQ(cast.message.read_texts(graphdef::node_field::kInput).value(),
            (std::vector<std::string>{"kernel/half", "^before"}));
  EXPECT_EQ(cast.message.read_text(graphdef::node_field::kDevice).value(), "/cpu:0");
  EXPECT_EQ(cast.message.read_text(99).value(), "of a later version");
  EXPECT_TRUE(cast.attrs.contains("_class"));
  EXPECT_FALSE(cast.attrs.contains("value"));
  EXPECT_EQ(graphdef::read_type_attr(cast, "SrcT").value(), DataType::Half);
  EXPECT_EQ(graphdef::read_type_attr(cast, "DstT").value(), DataType::Float);
}

const Names kOneRange = {"kernel", "kernel/max", "kernel/min", "kernel/quantized"};
const Names kChannels = {"kernel",        "kernel/levels",    "kernel/max",   "kernel/min",
                         "kernel/offset", "kernel/quantized", "kernel/scale", "kernel/scaled"};

TEST(GraphDefWriter, PutsTheDecodingOfCodesUnderTheWeightsName) {
  for (const std::size_t scales : {std::size_t{1}, std::size_t{8}}) {
    const ByteBuffer file = small_graph();
    const auto model = read(file);
    const EncodedWeight value = code_edit({3, 3, 4, 8}, scales, 3);
    const ByteBuffer written = rewrite_one(*model, find_weight(*model, "kernel"), value).value();
    EXPECT_EQ(list_differences(file, written), scales == 1 ? kOneRange : kChannels);
    const auto again = read(written);
    ASSERT_EQ(again->graph().weights.size(), model->graph().weights.size());
    const Weight& weight = again->graph().weights[find_weight(*again, "kernel")];
    const WeightCode& code = weight.stored.code;
    ASSERT_EQ(code.scales.size(), scales);
    ASSERT_EQ(code.offsets.size(), scales);
    EXPECT_EQ(code.axis, scales == 1 ? code.axis : 3);
    EXPECT_TRUE(std::ranges::equal(weight.stored.payload, value.codes));
    for (std::size_t i = 0; i < scales; ++i) {
      EXPECT_FLOAT_EQ(code.scales[i], value.code.scales[i]);
      EXPECT_EQ(code.offsets[i], value.code.offsets[i]);
    }
    if (scales > 1) {
      EXPECT_EQ(code.scales, value.code.scales);  // to the last bit
    }
  }
}

TEST(GraphDefWriter, WritesScalesThatBroadcastAlongTheirAxis) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  EncodedWeight value = code_edit({3, 3, 4, 8}, 4, 2);
  value.code.offsets.clear();
  const ByteBuffer written = rewrite_one(*model, find_weight(*model, "kernel"), value).value();
  EXPECT_EQ(list_differences(file, written),
            (Names{"kernel", "kernel/levels", "kernel/max", "kernel/min", "kernel/quantized",
                   "kernel/scale"}));
  const auto list = graphdef::read_nodes(*ProtobufMessage::read_file(written));
  ASSERT_TRUE(list);
  const auto& scale = list->nodes[list->by_name.find("kernel/scale")->second];
  EXPECT_EQ(graphdef::read_const(scale)->shape, (Shape{4, 1}));
  const auto again = read(written);
  const WeightCode& code = again->graph().weights[find_weight(*again, "kernel")].stored.code;
  EXPECT_EQ(code.axis, 2);
  EXPECT_EQ(code.scales, value.code.scales);
  EXPECT_TRUE(code.offsets.empty());
}

TEST(GraphDefWriter, KeepsTheLevelsThatAnotherWeightReads) {
  const std::vector<float> half = {0.5F};
  std::vector<float> kernel(128);
  std::iota(kernel.begin(), kernel.end(), 1.0F);
  const ByteBuffer plain =
      graph_file({placeholder("image", {1, 8, 8, 8}), float_const("kernel", {1, 1, 8, 16}, kernel),
                  conv_node("conv", "image", "kernel")});
  EncodedWeight codes = code_edit({1, 1, 8, 16}, 16, 3);
  codes.code.offsets.clear();
  ByteBuffer shared = rewrite_one(*read(plain), 0, codes).value();
  const ByteBuffer more = graph_file({float_const("twin/scale", {}, half),
                                      node_def("twin", "Mul", {"kernel/levels", "twin/scale"}),
                                      conv_node("other", "image", "twin")});
  shared.insert(shared.end(), more.begin(), more.end());
  const auto model = read(shared);
  const EncodedWeight value = half_edit({1, 1, 8, 16});
  const ByteBuffer written = rewrite_one(*model, find_weight(*model, "kernel"), value).value();
  EXPECT_EQ(list_differences(shared, written), (Names{"kernel", "kernel/half", "kernel/scale"}));
  const auto again = read(written);
  EXPECT_EQ(again->graph().weights[find_weight(*again, "twin")].stored.code.scales, half);
}

TEST(GraphDefWriter, LeavesOutWhatOldTensorFlowDoesNotKnow) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  const EncodedWeight value = code_edit({3, 3, 4, 8}, 1, 0);
  const ByteBuffer written = rewrite_one(*model, find_weight(*model, "kernel"), value).value();
  const auto graph = ProtobufMessage::read_file(written);
  const auto list = graphdef::read_nodes(*graph);
  ASSERT_TRUE(list);
  const graphdef::GraphNode& node = list->nodes[list->by_name.find("kernel")->second];
  std::set<std::string> attrs;
  for (const auto& [key, value_message] : node.attrs) attrs.insert(key);
  EXPECT_EQ(attrs, (std::set<std::string>{"T", "_class", "mode"}));
  const EncodedWeight channels = code_edit({3, 3, 4, 8}, 8, 3);
  const ByteBuffer more = rewrite_one(*model, find_weight(*model, "kernel"), channels).value();
  const auto nodes = graphdef::read_nodes(*ProtobufMessage::read_file(more));
  ASSERT_TRUE(nodes);
  const std::map<std::string, std::string> ops = {
      {"kernel/levels", "Dequantize"}, {"kernel/scaled", "Mul"}, {"kernel", "Add"}};
  for (const auto& [name, op] : ops) {
    const graphdef::GraphNode& made = nodes->nodes[nodes->by_name.find(name)->second];
    EXPECT_EQ(made.op, op);
    EXPECT_FALSE(made.attrs.contains("axis")) << name;
  }
}

TEST(GraphDefWriter, ReplacesHalvesByCodesAndDropsThem) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  const EncodedWeight half = half_edit({3, 3, 4, 8});
  const ByteBuffer halves = rewrite_one(*model, find_weight(*model, "kernel"), half).value();
  const auto second = read(halves);
  const EncodedWeight codes = code_edit({3, 3, 4, 8}, 8, 3);
  const ByteBuffer written = rewrite_one(*second, find_weight(*second, "kernel"), codes).value();
  EXPECT_EQ(written, rewrite_one(*model, find_weight(*model, "kernel"), codes).value());
  const auto third = read(written);
  EXPECT_EQ(rewrite_one(*third, find_weight(*third, "kernel"), half).value(), halves);
}

TEST(GraphDefWriter, NamesNewNodesSoThatNoneIsTakenTwice) {
  Message graph;
  std::vector<float> values(static_cast<std::size_t>(4 * 64), 0.5F);
  graph.message(1, placeholder("image", {1, 8, 8, 4}))
      .message(1, float_const("kernel", {1, 1, 4, 64}, values))
      .message(1, conv_node("kernel/half", "image", "kernel"));
  const auto& done = graph.done();
  const auto model = read(done);
  const EncodedWeight value = half_edit({1, 1, 4, 64});
  const ByteBuffer written = rewrite_one(*model, 0, value).value();
  EXPECT_EQ(list_differences(done, written), (Names{"kernel", "kernel/half_1"}));
}

TEST(GraphDefWriter, SaysWhichWeightsStay) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  for (const Weight& weight : model->graph().weights) {
    if (weight.name == "kernel") {
      EXPECT_EQ(weight.fixed_because, "");
    } else {
      EXPECT_NE(weight.fixed_because, "") << weight.name;
    }
  }
}

TEST(GraphDefWriter, TakesWhatItsModelHasNoReasonAgainst) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  const std::size_t index = find_weight(*model, "kernel");
  // float32, fp16, linear-8, linear-8-tensor, linear-4, linear-1-tensor
  EXPECT_EQ(expect_answers_kept(*model, {}), 6U);
  EXPECT_EQ(answer_to(*model, index, "palette-8"), "a GraphDef has no tables of values");
  EXPECT_EQ(answer_to(*model, index, "linear-4"), "");
  Form form = *parse_form("linear-4");
  form.is_signed = true;
  EXPECT_EQ(model->why_not(index, form, {}), "a GraphDef takes unsigned codes of 1 to 8 bits");
  EXPECT_EQ(answer_to(*model, index, "linear-8-block-32"), "a GraphDef has no scales per block");
}

TEST(GraphDefWriter, SaysWhichCodeItsReaderWillFind) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  const std::size_t index = find_weight(*model, "kernel");
  for (const std::size_t scales : {std::size_t{1}, std::size_t{8}}) {
    EncodedWeight value = code_edit({3, 3, 4, 8}, scales, 3);
    for (std::size_t i = 0; i < scales; ++i) {
      value.code.scales[i] = 0.1F / static_cast<float>(7 + i);
      value.code.offsets[i] = -0.7F / static_cast<float>(1 + i);
    }
    const ByteBuffer written = rewrite_one(*model, index, value).value();
    const auto again = read(written);
    const WeightCode& found = again->graph().weights[find_weight(*again, "kernel")].stored.code;
    const WeightCode expected = model->stored_code(index, value.code, {});
    EXPECT_EQ(found.bits, expected.bits);
    EXPECT_EQ(found.scales, expected.scales);
    EXPECT_EQ(found.offsets, expected.offsets);
    // One range rounds its scale: the test would show it.
    EXPECT_EQ(found.scales == value.code.scales, scales > 1);
  }
}

TEST(GraphDefWriter, RefusesEditsThatNoGraphDefHolds) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  const std::size_t index = find_weight(*model, "kernel");
  EncodedWeight value = code_edit({3, 3, 4, 8}, 1, 0);
  value.code.is_signed = true;
  EXPECT_EQ(
      error_of(rewrite_one(*model, index, value)),
      "kernel: codes of 8 bits, signed, a GraphDef takes unsigned ones of 1 to 8 bits with an "
      "offset");
  value = code_edit({3, 3, 4, 8}, 5, 3);
  EXPECT_EQ(error_of(rewrite_one(*model, index, value)),
            "kernel: 5 scales along axis 3 of shape [3,3,4,8]");
  value = half_edit({3, 3, 8, 4});
  EXPECT_EQ(error_of(rewrite_one(*model, index, value)),
            "kernel: shape [3,3,8,4], expected [3,3,4,8]");
  value = half_edit({3, 3, 4, 8});
  value.codes.pop_back();
  EXPECT_EQ(error_of(rewrite_one(*model, index, value)),
            "kernel: 575 bytes of codes, shape [3,3,4,8] needs 576");
  const std::vector<WeightEdit> none = {{99, &value}};
  EXPECT_EQ(model->rewrite(none, {}).error().message, "there is no weight 99 to replace");
}

TEST(GraphDefWriter, ChangesOneNodeOfARealGraph) {
  VP_SKIP_WITHOUT_SHARED();
  for (const std::string& path : list_shared_graphs()) {
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file);
    const auto model = read(file->bytes());
    for (std::size_t i = 0; i < model->graph().weights.size(); ++i) {
      const Weight& weight = model->graph().weights[i];
      if (!weight.fixed_because.empty() || weight.role != WeightRole::Kernel) continue;
      const Shape& shape = weight.stored.shape;
      const auto axis = static_cast<std::size_t>(weight.channel_axis);
      const EncodedWeight value =
          code_edit(shape, static_cast<std::size_t>(shape[axis]), weight.channel_axis);
      const ByteBuffer written = rewrite_one(*model, i, value).value();
      const std::string name = weight.name;
      EXPECT_EQ(list_differences(file->bytes(), written),
                (Names{name, name + "/levels", name + "/max", name + "/min", name + "/offset",
                       name + "/quantized", name + "/scale", name + "/scaled"}))
          << path;
      break;
    }
  }
}

TEST(GraphDefWriter, CutFilesAreRefusedWherever) {
  const ByteBuffer file = small_graph();
  const auto model = read(file);
  const EncodedWeight value = code_edit({3, 3, 4, 8}, 8, 3);
  const ByteBuffer written = rewrite_one(*model, find_weight(*model, "kernel"), value).value();
  const auto whole = list_parts(written);
  std::size_t refused = 0;
  for (std::size_t size = 0; size < written.size(); ++size) {
    Diagnostics diagnostics;
    const auto cut = read_graphdef(Bytes(written).first(size), {}, diagnostics);
    refused += cut ? 0 : 1;
  }
  // Only a cut between two fields leaves a graph, and only behind the convolutions one with inputs.
  EXPECT_GE(refused + whole.size(), written.size());
}

/// source: tensorflow/core/kernels/dequantize_op.cc, run on these codes by TensorFlow 2.18.
TEST(Dequantize, HasTensorFlowsValues) {
  const auto value_of = [](const WeightCode& code, int byte) {
    const int zero = code.zero_points.empty() ? 0 : code.zero_points[0];
    const float offset = code.offsets.empty() ? 0.0F : code.offsets[0];
    return code.scales[0] * static_cast<float>(byte - zero) + offset;
  };
  const std::vector<float> min = {-1.3F};
  const std::vector<float> max = {2.1F};
  using graphdef::DequantizeMode;
  const auto combined = graphdef::make_range_code({DequantizeMode::MinCombined}, min, max, 0);
  EXPECT_FLOAT_EQ(value_of(combined, 0), -1.3F);
  EXPECT_FLOAT_EQ(value_of(combined, 1), -1.2866666F);
  EXPECT_FLOAT_EQ(value_of(combined, 255), 2.1F);
  const auto first = graphdef::make_range_code({DequantizeMode::MinFirst}, min, max, 0);
  EXPECT_FLOAT_EQ(value_of(first, 0), -1.3066666F);
  EXPECT_FLOAT_EQ(value_of(first, 255), 2.0933332F);
  const auto scaled = graphdef::make_range_code({DequantizeMode::Scaled}, min, max, 0);
  EXPECT_FLOAT_EQ(value_of(scaled, 1), 0.00823529F);
  EXPECT_FLOAT_EQ(value_of(scaled, 255), 2.1F);
  const std::vector<float> low = {-1.27F};
  const std::vector<float> high = {1.27F};
  const auto bytes = graphdef::make_range_code({DequantizeMode::Scaled, true}, low, high, 0);
  EXPECT_FLOAT_EQ(value_of(bytes, -128), -1.28F);
  EXPECT_FLOAT_EQ(value_of(bytes, 127), 1.27F);
  const auto around = graphdef::make_range_code({DequantizeMode::MinCombined, true}, low, high, 0);
  EXPECT_FLOAT_EQ(value_of(around, -128), -1.27F);
  EXPECT_FLOAT_EQ(value_of(around, -127), -1.2600392F);
}

}  // namespace
}  // namespace visionpress
