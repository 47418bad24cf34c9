#include "formats/graphdef/graphdef_reader.h"

#include <memory>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "formats/graphdef/graphdef_build_testonly.h"
#include "formats/graphdef/graphdef_read_testonly.h"

namespace visionpress {
namespace {

using graphdef::DataType;
using Buffer = ByteBuffer;

Graph shared_graph(const std::string& name, const ReadOptions& options = {}) {
  const auto file = MappedFile::open(find_shared_folder() + "/models/" + name);
  EXPECT_TRUE(file) << file.error().to_string();
  const auto model = try_read(file->bytes(), options);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? (*model)->graph() : Graph();
}

TEST(GraphDefReader, ABiasAddBecomesTheConvolutionsBias) {
  const Graph graph = graph_of(
      graph_file({placeholder("image", {-1, 4, 4, 1}), float_const("kernel", {1, 1, 1, 2}, {1, 2}),
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

TEST(GraphDefReader, EverySharedGraphLowersWhole) {
  VP_SKIP_WITHOUT_SHARED();
  ReadOptions sized;
  sized.input_size = {240, 320};
  const std::vector<std::pair<std::string, ReadOptions>> files = {{"custom-vision/fruit.pb", {}},
                                                                  {"custom-vision/currency.pb", {}},
                                                                  {"other/starry_night.pb", sized}};
  for (const auto& [name, options] : files) {
    const Graph graph = shared_graph(name, options);
    EXPECT_EQ(graph.outputs.size(), 1U) << name;
    for (const Node& node : graph.nodes) {
      EXPECT_FALSE(std::holds_alternative<Unsupported>(node.op)) << name << ": " << node.path;
    }
  }
}

TEST(GraphDefReader, AnOpenSizeRefusesOnlyWhatDependsOnIt) {
  VP_SKIP_WITHOUT_SHARED();
  const Graph graph = shared_graph("other/starry_night.pb");
  EXPECT_EQ(graph.tensor(graph.inputs[0]).shape, (Shape{-1, -1, -1, 3}));
  int refused = 0;
  for (const Node& node : graph.nodes) {
    const auto* unsupported = std::get_if<Unsupported>(&node.op);
    if (unsupported == nullptr) continue;
    ++refused;
    EXPECT_EQ(node.source_type, "ResizeNearestNeighbor");
    EXPECT_EQ(unsupported->why,
              "its size depends on the input's, which the file leaves open: --input-size WxH");
  }
  EXPECT_EQ(refused, 2);
}

/// The message of the error, or "no error".
std::string error_of(const Buffer& file, const ReadOptions& options = {}) {
  const auto model = try_read(file, options);
  return model ? "no error" : model.error().message;
}

TEST(GraphDefReader, NodesMayComeInAnyOrder) {
  const Graph graph =
      graph_of(graph_file({node_def("c", "Tanh", {"b"}), node_def("b", "Relu", {"^a", "a:0"}),
                           node_def("a", "Abs", {"image"}), image()}));
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(graph.nodes[0].name, "a");
  EXPECT_EQ(graph.nodes[2].name, "c");
}

TEST(GraphDefReader, ACycleIsNamed) {
  EXPECT_EQ(error_of(graph_file(
                {image(), node_def("a", "Add", {"image", "b"}), node_def("b", "Relu", {"a"})})),
            "node[1] \"a\": the graph has a cycle: \"a\" reads \"b\" reads \"a\"");
}

TEST(GraphDefReader, AMissingInputIsNamed) {
  EXPECT_EQ(error_of(graph_file({image(), conv_node("conv", "image", "kernel/read")})),
            "node[1] \"conv\": reads \"kernel/read\", which is no node of the graph");
}

TEST(GraphDefReader, TwoNodesOfOneNameAreRefused) {
  EXPECT_EQ(error_of(graph_file(
                {image(), node_def("a", "Relu", {"image"}), node_def("a", "Tanh", {"image"})})),
            "node[2] \"a\": node[1] has the same name");
}

TEST(GraphDefReader, OfSeveralInputsTheImageComesFirst) {
  const Graph graph = graph_of(graph_file(
      {placeholder("other", {1}), image(),
       node_def("is_training", "Placeholder", {}, {{"dtype", type_value(DataType::Bool)}}),
       node_def("a", "Add", {"other", "image"}),
       node_def("out", "Dropout", {"a", "is_training"})}));
  ASSERT_EQ(graph.inputs.size(), 3U);
  EXPECT_EQ(graph.tensor(graph.inputs[0]).name, "image");
  EXPECT_EQ(graph.tensor(graph.inputs[1]).name, "other");
  EXPECT_EQ(graph.tensor(graph.inputs[2]).name, "is_training");
  EXPECT_EQ(graph.tensor(graph.inputs[2]).dtype, DType::Bool);
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(std::get<Unsupported>(graph.nodes[0].op).why,
            "the input is bool; images as float32 or uint8 are run");
}

TEST(GraphDefReader, APlaceholderThatNothingReadsIsNoInput) {
  const Graph graph =
      graph_of(graph_file({placeholder("unused", {}), image(), node_def("a", "Relu", {"image"})}));
  EXPECT_EQ(graph.tensor(graph.inputs[0]).name, "image");
}

TEST(GraphDefReader, APlaceholderWithAConstantDefaultIsThatConstant) {
  const Graph graph = graph_of_one(
      node_def("out", "Mul", {"image", "keep"}),
      {float_const("one", {}, {1.5F}), node_def("keep", "PlaceholderWithDefault", {"one"})});
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].name, "one");
}

TEST(GraphDefReader, ElementTypesThatDifferAreRefused) {
  EXPECT_EQ(error_of(graph_file(
                {image(), int_const("two", {2}),
                 node_def("mul", "Mul", {"image", "two"}, {{"T", type_value(DataType::Float)}})})),
            "node[2] \"mul\": Mul of float32 reads \"two\", which is int32");
  const Message tensor = tensor_proto(DataType::Int32, {}).varint(7, 1);
  EXPECT_EQ(error_of(graph_file({image(), const_node("x", DataType::Float, tensor),
                                 node_def("add", "Add", {"image", "x"})})),
            "node[1] \"x\": declared float32, its value is int32");
}

TEST(GraphDefReader, UnknownOperatorsOpenAndAreAllListed) {
  const Graph graph =
      graph_of(graph_file({image(), node_def("a", "Bessel", {"image"}),
                           node_def("b", "Switch", {"a", "a"}), node_def("c", "Relu", {"b:1"})}));
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(std::get<Unsupported>(graph.nodes[0].op).why, "the operator is not known");
  EXPECT_EQ(std::get<Unsupported>(graph.nodes[1].op).why, "control flow is not run");
}

TEST(GraphDefReader, BlocksOfAnImageAreOneNode) {
  const Graph graph = graph_of_one(node_def("out", "SpaceToBatchND", {"image", "block", "pads"}),
                                   {int_const("block", {2, 3}), int_const("pads", {1, 1, 0, 2})});
  ASSERT_EQ(graph.nodes.size(), 1U);
  const auto& op = std::get<SpaceBatch>(graph.nodes[0].op);
  EXPECT_EQ(op.kind, SpaceBatchKind::SpaceToBatch);
  EXPECT_EQ(op.block, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(op.before, (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(op.after, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{6, 3, 2, 2}));
}

TEST(GraphDefReader, BlocksThatDoNotFitAreNamed) {
  const auto error = [](const char* type, const std::vector<std::int32_t>& pairs) {
    return error_of(graph_file({image(), int_const("block", {2, 1}), int_const("pairs", pairs),
                                node_def("out", type, {"image", "block", "pairs"})}));
  };
  EXPECT_EQ(error("SpaceToBatchND", {1, 0, 0, 0}),
            "node[3] \"out\": blocks of [2,1] with [1,0] before and [0,0] after in "
            "[1,4,4,2]");
  EXPECT_EQ(error("SpaceToBatchND", {0, 0}),
            "node[3] \"out\": blocks of [2,1] with [0,0] in [1,4,4,2]");
  EXPECT_EQ(error("BatchToSpaceND", {0, 0, 0, 0}),
            "node[3] \"out\": blocks of [2,1] with [0,0] before and [0,0] after in "
            "[1,4,4,2]");
}

TEST(GraphDefReader, PartsOfTheirOwnSizesAreOneNode) {
  const Graph graph = graph_of_one(node_def("out", "SplitV", {"image", "sizes", "axis"}),
                                   {int_const("sizes", {3, -1}), int_scalar("axis", 2)});
  ASSERT_EQ(graph.nodes.size(), 1U);
  const auto& op = std::get<Split>(graph.nodes[0].op);
  EXPECT_EQ(op.axis, 2);
  EXPECT_EQ(op.sizes, (std::vector<std::int64_t>{3, 1}));
}

TEST(GraphDefReader, ProductsOfComputedMatricesAreRead) {
  const Graph graph =
      graph_of(graph_file({image(), node_def("turned", "Relu", {"image"}),
                           node_def("out", "BatchMatMulV2", {"image", "turned"},
                                    {{"adj_x", bool_value(false)}, {"adj_y", bool_value(true)}})}));
  ASSERT_EQ(graph.nodes.size(), 2U);
  const auto& op = std::get<BatchMatMul>(graph.nodes[1].op);
  EXPECT_FALSE(op.transpose_a);
  EXPECT_TRUE(op.transpose_b);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 4, 4, 4}));
  EXPECT_EQ(error_of(graph_file({image(), node_def("out", "BatchMatMulV2", {"image", "image"})})),
            "node[1] \"out\": product of [1,4,4,2] and [1,4,4,2]");
}

TEST(GraphDefReader, AConstantThatIsMultipliedIsAKernel) {
  const Graph graph = graph_of_one(node_def("out", "BatchMatMulV2", {"image", "k"}),
                                   {float_const("k", {1, 2, 64}, std::vector<float>(128, 0.5F))});
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].role, WeightRole::Kernel);
  EXPECT_EQ(graph.weights[0].channel_axis, 2);
}

TEST(GraphDefReader, ConstantsMustFitTheirShape) {
  EXPECT_EQ(error_of(graph_file(
                {image(), float_const("k", {3}, {1, 2}), node_def("add", "Add", {"image", "k"})})),
            "node[1] \"k\": tensor_content is 8 bytes, float32 of shape [3] needs 12");
  const Message many = tensor_proto(DataType::Int32, {1}).varint(7, 1).varint(7, 2);
  EXPECT_EQ(error_of(graph_file({image(), const_node("k", DataType::Int32, many),
                                 node_def("out", "ExpandDims", {"image", "k"})})),
            "node[1] \"k\": 2 values for the shape [1]");
}

TEST(GraphDefReader, AFewBytesNeverBecomeGigabytes) {
  const Message splat = tensor_proto(DataType::Float, {1 << 15, 1 << 15}).reals(5, {1.0F});
  EXPECT_EQ(error_of(graph_file({image(), const_node("k", DataType::Float, splat),
                                 node_def("add", "AddN", {"k", "image"})})),
            "node[2] \"add\": shapes [32768,32768] and [1,4,4,2] do not combine");
  EXPECT_EQ(error_of(graph_file({placeholder("image", {-1, 1, 1, 1}),
                                 const_node("k", DataType::Float, splat),
                                 node_def("add", "AddN", {"k", "image"})})),
            "node[1] \"k\": 1 values stand for a shape of [32768,32768]");
}

/// The literal that "image" * constant reads.
std::vector<float> literal_of(const Message& constant) {
  const Graph graph = graph_of_one(node_def("out", "Mul", {"image", "k"}), {constant});
  return graph.tensor(graph.nodes[0].inputs[1]).literal;
}

TEST(GraphDefReader, EverySpellingOfAConstantIsRead) {
  const Message one = tensor_proto(DataType::Float, {2}).reals(5, {3.0F});
  EXPECT_EQ(literal_of(const_node("k", DataType::Float, one)), (std::vector<float>{3, 3}));
  const Message loose = tensor_proto(DataType::Float, {2}).real(5, 1.0F).real(5, 2.0F);
  EXPECT_EQ(literal_of(const_node("k", DataType::Float, loose)), (std::vector<float>{1, 2}));
  const Message none = tensor_proto(DataType::Float, {2});
  EXPECT_EQ(literal_of(const_node("k", DataType::Float, none)), (std::vector<float>{0, 0}));
  const Message half = tensor_proto(DataType::Half, {2}).varint(13, float_to_half(0.5F));
  EXPECT_EQ(literal_of(const_node("k", DataType::Half, half)), (std::vector<float>{0.5F, 0.5F}));
  const Message wide = tensor_proto(DataType::Int64, {2}).varint(10, 7).varint(10, 8);
  EXPECT_EQ(literal_of(const_node("k", DataType::Int64, wide)), (std::vector<float>{7, 8}));
  const Message brain = tensor_proto(DataType::BFloat16, {2}).varint(13, 0x3fc0);
  EXPECT_EQ(literal_of(const_node("k", DataType::BFloat16, brain)),
            (std::vector<float>{1.5F, 1.5F}));
  const Message words = tensor_proto(DataType::UInt32, {2}).varint(16, 9);
  EXPECT_EQ(literal_of(const_node("k", DataType::UInt32, words)), (std::vector<float>{9, 9}));
  const Message shorts = tensor_proto(DataType::UInt16, {2}).varint(7, 60000);
  EXPECT_EQ(literal_of(const_node("k", DataType::UInt16, shorts)),
            (std::vector<float>{60000, 60000}));
  const Message truth = tensor_proto(DataType::Bool, {2}).varint(11, 1).varint(11, 0);
  EXPECT_EQ(literal_of(const_node("k", DataType::Bool, truth)), (std::vector<float>{1, 0}));
  EXPECT_EQ(literal_of(int_const("k", {-4, 5})), (std::vector<float>{-4, 5}));
}

TEST(GraphDefReader, AConstantOfATypeThatIsNotReadIsCarried) {
  constexpr auto kComplex = static_cast<DataType>(8);
  Message tensor = tensor_proto(kComplex, {1});
  const std::vector<float> parts = {1.0F, 2.0F};
  tensor.bytes(4, view_bytes(std::span<const float>(parts)));
  const Graph graph =
      graph_of_one(node_def("out", "Bessel", {"image", "k"}), {const_node("k", kComplex, tensor)});
  EXPECT_EQ(graph.nodes.size(), 1U);
}

TEST(GraphDefReader, PackedFloatsInOnePieceAreBorrowed) {
  const Message packed = tensor_proto(DataType::Float, {2}).reals(5, {3.0F, 4.0F});
  const Graph graph = graph_of_one(node_def("out", "Mul", {"image", "k"}),
                                   {const_node("k", DataType::Float, packed)});
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].stored.payload.size(), 8U);
}

TEST(GraphDefReader, OtherLayoutsAreRefusedByName) {
  const Message conv = node_def("out", "Conv2D", {"image", "k"},
                                {{"data_format", text_value("NCHW")},
                                 {"strides", ints_value({1, 1, 1, 1})},
                                 {"padding", text_value("SAME")}});
  const Graph graph = graph_of_one(conv, {float_const("k", {1, 1, 2, 1}, {1, 2})});
  EXPECT_EQ(std::get<Unsupported>(graph.nodes.at(0).op).why, "its layout is NCHW, NHWC is run");
}

TEST(GraphDefReader, ABatchNormInTrainingIsRefused) {
  std::vector<Message> constants;
  for (const char* name : {"s", "o", "m", "v"}) constants.push_back(float_const(name, {2}, {1, 1}));
  const Graph graph =
      graph_of_one(node_def("out", "FusedBatchNormV3", {"image", "s", "o", "m", "v"}), constants);
  EXPECT_EQ(std::get<Unsupported>(graph.nodes.at(0).op).why,
            "it is in training mode: it needs the statistics of a batch");
}

TEST(GraphDefReader, ShapesThatAreComputedBecomeConstants) {
  const Graph graph = graph_of_one(
      node_def("out", "ResizeBilinear", {"image", "size"}),
      {node_def("shape", "Shape", {"image"}), int_const("one", {1}), int_const("three", {3}),
       node_def("slice", "StridedSlice", {"shape", "one", "three", "one"}), int_const("two", {2}),
       node_def("size", "Mul", {"slice", "two"})});
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(std::get<Resize>(graph.nodes[0].op).size, (std::array<std::int64_t, 2>{8, 8}));
}

TEST(GraphDefReader, StridedSliceTakesEveryMaskIntoAccount) {
  // image[:, newaxis, ..., 1]
  const Graph graph =
      graph_of_one(node_def("out", "StridedSlice", {"image", "begin", "end", "step"},
                            {{"begin_mask", int_value(1)},
                             {"end_mask", int_value(1)},
                             {"new_axis_mask", int_value(2)},
                             {"ellipsis_mask", int_value(4)},
                             {"shrink_axis_mask", int_value(8)}}),
                   {int_const("begin", {0, 0, 0, 1}), int_const("end", {0, 0, 0, 2}),
                    int_const("step", {1, 1, 1, 1})});
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 1, 4, 4}));
}

TEST(GraphDefReader, AnInputSizeMustNotContradictTheFile) {
  ReadOptions options;
  options.input_size = {8, 6};
  EXPECT_EQ(
      error_of(graph_file({image(), node_def("a", "Relu", {"image"})}), options),
      "node[0] \"image\": the file fixes its input to 4x4, an input size of 6x8 was asked for");
}

TEST(GraphDefReader, ChecksThatCannotRunAreDroppedWithWhatOnlyTheyRead) {
  const Graph graph = graph_of(graph_file({image(), node_def("bad", "IsNan", {"image"}),
                                           node_def("assert", "Assert", {"bad"}),
                                           node_def("out", "Relu", {"image", "^assert"})}));
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).name, "out");
}

TEST(GraphDefReader, ACastToATypeThatRoundsIsRefused) {
  const Graph graph = graph_of_one(
      node_def("out", "Cast", {"image"},
               {{"SrcT", type_value(DataType::Float)}, {"DstT", type_value(DataType::BFloat16)}}));
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(std::get<Unsupported>(graph.nodes[0].op).why, "it rounds values to bfloat16");
}

Message cast_node(const std::string& name, const std::string& x, DataType from, DataType to) {
  return node_def(name, "Cast", {x}, {{"SrcT", type_value(from)}, {"DstT", type_value(to)}});
}

TEST(GraphDefReader, ACastBetweenWholeNumbersKeepsTheLastBits) {
  const Graph graph = graph_of_one(cast_node("out", "whole", DataType::Int32, DataType::UInt8),
                                   {cast_node("whole", "image", DataType::Float, DataType::Int32)});
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(std::get<Binary>(graph.nodes[1].op).kind, BinaryKind::FloorModulo);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).dtype, DType::UInt8);
  const Graph negative =
      graph_of_one(cast_node("out", "whole", DataType::Int32, DataType::Int16),
                   {cast_node("whole", "image", DataType::Float, DataType::Int32)});
  EXPECT_EQ(negative.nodes.size(), 4U);  // minus -32768, modulo 65536, plus -32768
}

TEST(GraphDefReader, ACastToATypeWithoutTensorsIsRefused) {
  const Graph graph = graph_of_one(cast_node("out", "image", DataType::Float, DataType::UInt32));
  EXPECT_EQ(std::get<Unsupported>(graph.nodes[0].op).why, "its result is uint32");
}

TEST(GraphDefReader, ArithmeticInFloat64IsRefused) {
  const Graph graph = graph_of_one(
      cast_node("out", "product", DataType::Double, DataType::Float),
      {cast_node("wide", "image", DataType::Float, DataType::Double),
       node_def("product", "Mul", {"wide", "wide"}, {{"T", type_value(DataType::Double)}})});
  ASSERT_EQ(graph.nodes.size(), 2U);  // and an Identity, for the output's name
  EXPECT_EQ(std::get<Unsupported>(graph.nodes[0].op).why, "it computes in float64");
}

TEST(GraphDefReader, CrossedBoundsOfAClipGiveTheLowerOne) {
  const Graph graph = graph_of_one(node_def("out", "ClipByValue", {"image", "low", "high"}),
                                   {float_const("low", {}, {5}), float_const("high", {}, {2})});
  const auto& clip = std::get<Unary>(graph.nodes[0].op);
  EXPECT_EQ(clip.alpha, 5.0F);
  EXPECT_EQ(clip.beta, 5.0F);
}

TEST(GraphDefReader, AFloorDivOfFloatsFloorsARoundedQuotient) {
  const Graph graph =
      graph_of_one(node_def("out", "FloorDiv", {"image", "by"}), {float_const("by", {}, {3})});
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(std::get<Binary>(graph.nodes[0].op).kind, BinaryKind::Divide);
  EXPECT_EQ(std::get<Unary>(graph.nodes[1].op).kind, UnaryKind::Floor);
}

TEST(GraphDefReader, ExtremesKeepNan) {
  const Graph graph = graph_of_one(node_def("out", "Max", {"pair", "axis"}),
                                   {float_const("one", {}, {1}), int_scalar("axis", 3),
                                    node_def("pair", "Maximum", {"image", "one"})});
  EXPECT_TRUE(std::get<Binary>(graph.nodes[0].op).keeps_nan);
  EXPECT_TRUE(std::get<Reduce>(graph.nodes[1].op).keeps_nan);
}

TEST(GraphDefReader, ArgMaxGivesTheTypeThatItSays) {
  const Graph graph = graph_of_one(
      node_def("out", "Cast", {"index"},
               {{"SrcT", type_value(DataType::Int32)}, {"DstT", type_value(DataType::Float)}}),
      {int_scalar("axis", 3), node_def("index", "ArgMax", {"image", "axis"},
                                       {{"output_type", type_value(DataType::Int32)}})});
  EXPECT_EQ(graph.nodes.size(), 2U);
}

TEST(GraphDefReader, AKernelBehindATransposeIsThatWeightWithItsChannels) {
  const std::vector<float> values(5000, 0.5F);
  Message order = tensor_proto(DataType::Int32, {4});
  const std::vector<std::int32_t> axes = {2, 3, 1, 0};
  order.bytes(4, view_bytes(std::span<const std::int32_t>(axes)));
  const Graph graph = graph_of_one(
      conv_node("out", "image", "k"),
      {float_const("stored", {100, 2, 5, 5}, values), const_node("order", DataType::Int32, order),
       node_def("k", "Transpose", {"stored", "order"})});
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Conv2d>(graph.nodes[0].op));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].role, WeightRole::Kernel);
  EXPECT_EQ(graph.weights[0].channel_axis, 0);
}

TEST(GraphDefReader, AnOpenRankOfTheInputIsAnImageWithTheChannelsOfTheFirstKernel) {
  const Message open =
      node_def("image", "Placeholder", {}, {{"dtype", type_value(DataType::Float)}});
  const std::vector<std::uint16_t> halves(10, float_to_half(0.25F));
  Message tensor = tensor_proto(DataType::Half, {1, 1, 5, 2});
  tensor.bytes(4, view_bytes(std::span<const std::uint16_t>(halves)));
  const std::vector<Attr> to_float = {{"SrcT", type_value(DataType::Half)},
                                      {"DstT", type_value(DataType::Float)}};
  const Graph graph = graph_of(
      graph_file({open, const_node("k/half", DataType::Half, tensor),
                  node_def("k", "Cast", {"k/half"}, to_float), conv_node("out", "image", "k")}));
  EXPECT_EQ(graph.tensor(graph.inputs[0]).shape, (Shape{-1, -1, -1, 5}));
}

TEST(GraphDefReader, AnOpenRankWithoutAConvolutionStaysOpen) {
  const Message open = node_def("x", "Placeholder", {}, {{"dtype", type_value(DataType::Float)}});
  const Graph graph = graph_of(
      graph_file({open, float_const("k", {2, 1}, {1, 2}), node_def("out", "MatMul", {"x", "k"})}));
  EXPECT_FALSE(graph.tensor(graph.inputs[0]).has_rank);
  EXPECT_FALSE(graph.tensor(graph.outputs[0]).has_rank);
}

TEST(GraphDefReader, AKernelBehindExpandDimsKeepsItsChannels) {
  const Graph graph =
      graph_of_one(conv_node("out", "image", "k"),
                   {float_const("stored", {1, 2, 3}, {1, 2, 3, 4, 5, 6}), int_scalar("first", 0),
                    node_def("k", "ExpandDims", {"stored", "first"})});
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].stored.shape, (Shape{1, 2, 3}));
  EXPECT_EQ(graph.weights[0].channel_axis, 2);
  EXPECT_EQ(graph.tensor(graph.nodes[0].inputs[1]).shape, (Shape{1, 1, 2, 3}));
}

/// A detector's first layers.
Buffer small_file() {
  return graph_file({image(), float_const("k", {1, 1, 2, 1}, {1, 2}),
                     conv_node("conv", "image", "k"), float_const("b", {1}, {3}),
                     node_def("bias", "BiasAdd", {"conv", "b"}), int_scalar("axis", 3),
                     node_def("out", "ConcatV2", {"bias", "image", "axis"})});
}

TEST(GraphDefReader, FilesCopiedAsTextSaySo) {
  Buffer damaged;
  for (const std::byte byte : small_file()) {
    if (byte == std::byte{'\n'}) damaged.push_back(std::byte{'\r'});
    damaged.push_back(byte);
  }
  EXPECT_TRUE(looks_like_graphdef(damaged));
  EXPECT_NE(error_of(damaged).find("every line feed has a carriage return before it"),
            std::string::npos)
      << error_of(damaged);
  Buffer replaced;
  for (const std::byte byte : small_file()) {
    if (byte < std::byte{0x80}) {
      replaced.push_back(byte);
    } else {
      for (const int c : {0xef, 0xbf, 0xbd}) replaced.push_back(static_cast<std::byte>(c));
    }
  }
  EXPECT_NE(error_of(replaced).find("bytes were replaced by U+FFFD"), std::string::npos)
      << error_of(replaced);
}

TEST(GraphDefReader, AGraphAsTextSaysSo) {
  for (const std::string& text : std::vector<std::string>{
           "node {\n  name: \"image\"\n  op: \"Placeholder\"\n}\n", "\r\nnode: {\r\n}\r\n",
           "versions {\n  producer: 21\n}\n", "library{\n}\n"}) {
    const Bytes file = view_bytes(std::span<const char>(text));
    EXPECT_TRUE(looks_like_graphdef(file)) << text;
    const auto model = try_read(file);
    ASSERT_FALSE(model) << text;
    EXPECT_EQ(model.error().message,
              "this is a TensorFlow graph as text; write it as binary (as_text=False)");
  }
}

TEST(GraphDefReader, ACycleOfManyNodesIsNamedAtOnce) {
  constexpr int kCount = 100'000;
  std::vector<Message> nodes = {placeholder("image", {1, 2, 2, 1})};
  for (int i = 0; i < kCount; ++i) {
    nodes.push_back(node_def(std::to_string(i), "Relu", {std::to_string((i + 1) % kCount)}));
  }
  const auto model = try_read(graph_file(nodes));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message,
            "node[1] \"0\": the graph has a cycle: \"0\" reads \"1\" reads \"2\" reads \"3\" reads "
            "\"4\" reads \"5\" reads ... (100000 nodes) ... \"0\"");
}

/// A float Const of one value that stands for all.
Message splat_const(const std::string& name, const std::vector<std::int64_t>& sizes) {
  Message tensor = tensor_proto(DataType::Float, sizes);
  return const_node(name, DataType::Float, tensor.real(5, 1.0F));
}

TEST(GraphDefReader, AFewBytesNeverBecomeGigabytesOfConstants) {
  std::vector<Message> nodes = {placeholder("image", {1, 2, 2, 1})};
  std::string last = "image";
  for (int i = 0; i < 9; ++i) {
    const std::string name = std::to_string(i);
    nodes.push_back(splat_const("splat" + name, {1, 1, 1, 1 << 22}));
    nodes.push_back(node_def("add" + name, "Add", {"image", "splat" + name}));
  }
  const auto model = try_read(graph_file(nodes));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message,
            "node[18] \"add8\": 37748736 values of constants that the file does not spell out, at "
            "most 33554432 are made");
}

TEST(GraphDefReader, CopiesOfAFilledConstantShareItsValues) {
  std::vector<Message> nodes = {placeholder("image", {1, 2, 2, 1}),
                                int_const("shape", {1, 1, 1, 1 << 22}), splat_const("one", {}),
                                node_def("copy0", "Fill", {"shape", "one"})};
  for (int i = 0; i < 9; ++i) {
    nodes.push_back(
        node_def("copy" + std::to_string(i + 1), "Identity", {"copy" + std::to_string(i)}));
  }
  nodes.push_back(node_def("add", "Add", {"image", "copy9"}));
  EXPECT_TRUE(try_read(graph_file(nodes)));
}

TEST(GraphDefReader, AFewBytesNeverBecomeMillionsOfOutputs) {
  std::vector<Message> nodes = {placeholder("image", {1, 2, 2, 1})};
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    nodes.push_back(node_def("wide" + name, "Wide", {"image"}));
    nodes.push_back(node_def("read" + name, "Relu", {"wide" + name + ":4000"}));
  }
  EXPECT_EQ(
      error_of(graph_file(nodes)),
      "node[70] \"read34\": with its inputs, more than 262144 outputs of nodes are read beside "
      "the first");
}

TEST(GraphDefReader, OneEllipsisIsEnough) {
  const auto model = try_read(graph_file(
      {placeholder("image", {1, 2, 2, 1}), int_const("zeros", {0, 0}), int_const("ones", {1, 1}),
       node_def("slice", "StridedSlice", {"image", "zeros", "zeros", "ones"},
                {{"ellipsis_mask", int_value(3)}})}));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message,
            "node[3] \"slice\": 2 of its indices are an ellipsis, at most one may be");
}

TEST(GraphDefReader, EveryPrefixIsAnErrorOrAGraph) {
  const Buffer file = small_file();
  ASSERT_TRUE(try_read(file));
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto model = try_read(Bytes(file).first(size));
    if (model) {
      EXPECT_TRUE(check_graph((*model)->graph())) << size;
    } else {
      EXPECT_FALSE(model.error().message.empty()) << size;
    }
  }
}

TEST(GraphDefReader, NoSingleByteCrashesIt) {
  const Buffer file = small_file();
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      Buffer changed = file;
      changed[at] = static_cast<std::byte>(value);
      const auto model = try_read(changed);
      EXPECT_TRUE(!model || check_graph((*model)->graph())) << at;
    }
  }
}

}  // namespace
}  // namespace visionpress
