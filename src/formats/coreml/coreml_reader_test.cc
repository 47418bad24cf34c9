#include "formats/coreml/coreml_reader.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "formats/coreml/coreml_build_testonly.h"

namespace visionpress {
namespace {

using Buffer = ByteBuffer;

Result<std::unique_ptr<SourceModel>> try_read(Bytes file) {
  Diagnostics diagnostics;
  return read_coreml(file, diagnostics);
}

/// The message of the error, or "no error".
std::string error_of(const Buffer& file) {
  const auto model = try_read(file);
  return model ? "no error" : model.error().message;
}

/// The graph of a file that must be readable.
Graph graph_of(const Buffer& file) {
  const auto model = try_read(file);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? (*model)->graph() : Graph();
}

/// The operator of the last node of "image" -> one layer -> "out".
Op op_of(std::uint32_t type, const Message& params) {
  const Graph graph = graph_of(model_file({layer("one", "image", "out", type, params)}));
  return graph.nodes.empty() ? Op() : graph.nodes.back().op;
}

const Message kSixFloats = float_weights({1, 2, 3, 4, 5, 6});
constexpr std::uint32_t kActivation = 130;
constexpr std::uint32_t kPooling = 120;

TEST(CoreMlReader, LowersEveryLayerOfTheSharedModelsButCustomOnes) {
  VP_SKIP_WITHOUT_SHARED();
  const std::string models = find_shared_folder() + "/models";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(models)) {
    if (entry.path().extension() != ".mlmodel") continue;
    const auto file = MappedFile::open(entry.path().string());
    ASSERT_TRUE(file);
    const auto model = try_read(file->bytes());
    ASSERT_TRUE(model) << model.error().to_string();
    for (const Node& node : (*model)->graph().nodes) {
      EXPECT_EQ(std::holds_alternative<Unsupported>(node.op), node.source_type == "custom")
          << node.path;
    }
  }
}

TEST(CoreMlReader, TellsWhatTheReferenceDetectorIs) {
  VP_SKIP_WITHOUT_SHARED();
  const auto file =
      MappedFile::open(find_shared_folder() + "/models/reference-detector/model.mlmodel");
  ASSERT_TRUE(file);
  const auto model = try_read(file->bytes());
  ASSERT_TRUE(model) << model.error().to_string();
  const Graph& graph = (*model)->graph();
  EXPECT_EQ(graph.format_version, "specification version 1");
  EXPECT_EQ(graph.labels, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(graph.labels_source, "metadata: classes");
  EXPECT_EQ(graph.tensor(graph.inputs[0]).shape, (Shape{1, 3, 416, 416}));
  EXPECT_EQ(graph.input_info.color_order, ColorOrder::Bgr);
  EXPECT_EQ(graph.input_info.source, "Core ML image input");
  ASSERT_EQ(graph.outputs.size(), 1U);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).name, "model_outputs0");
  ASSERT_EQ(graph.weights.size(), 18U);
  EXPECT_EQ(graph.weights[0].role, WeightRole::Kernel);
  EXPECT_EQ(graph.weights[0].stored.shape, (Shape{16, 3, 3, 3}));
}

TEST(CoreMlReader, TakesAClassifiersProbabilitiesForItsOutput) {
  VP_SKIP_WITHOUT_SHARED();
  const auto file = MappedFile::open(find_shared_folder() + "/models/custom-vision/fruit.mlmodel");
  ASSERT_TRUE(file);
  const auto model = try_read(file->bytes());
  ASSERT_TRUE(model) << model.error().to_string();
  const Graph& graph = (*model)->graph();
  ASSERT_EQ(graph.outputs.size(), 1U);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).name, "loss");
  EXPECT_EQ(graph.labels.size(), 7U);
  EXPECT_EQ(graph.labels_source, "classifier labels");
  // The scaler's biases, in the order of a BGR input: blue, green, red.
  const auto& add = graph.nodes[0];
  ASSERT_TRUE(std::holds_alternative<Binary>(add.op));
  EXPECT_EQ(graph.tensor(add.inputs[1]).literal, (std::vector<float>{-104, -117, -123}));
}

TEST(CoreMlReader, ReadsEveryFormOfWeight) {
  const auto code_of = [](const Message& weights) {
    const Graph graph = graph_of(convolution_file(weights));
    return graph.weights.empty() ? WeightRef() : graph.weights[0].stored;
  };
  EXPECT_EQ(code_of(kSixFloats).code.encoding, Encoding::Float32);

  const std::vector<std::uint16_t> halves(6, 0x3c00);
  const Message half = Message().bytes(2, view_bytes(std::span<const std::uint16_t>(halves)));
  EXPECT_EQ(code_of(half).code.encoding, Encoding::Float16);
  EXPECT_EQ(code_of(half).code.bits, 16);

  const WeightRef linear =
      code_of(code_weights({1, 2, 3, 4, 5, 6}, linear_quantization(8, {0.5F, 1}, {1, 2})));
  EXPECT_EQ(linear.code.encoding, Encoding::Linear);
  EXPECT_EQ(linear.code.scales, (std::vector<float>{0.5F, 1}));
  EXPECT_EQ(linear.code.offsets, (std::vector<float>{1, 2}));
  EXPECT_EQ(linear.packing, Packing::Whole);

  const WeightRef table = code_of(code_weights({0xe4, 0x10}, table_quantization(2, {1, 2, 3, 4})));
  EXPECT_EQ(table.code.encoding, Encoding::Table);
  EXPECT_EQ(table.code.table, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(table.packing, Packing::MsbFirst);
  EXPECT_EQ(table.payload.size(), 2U);
}

TEST(CoreMlReader, BorrowsPackedPayloadsAndGathersUnpackedOnes) {
  const Buffer packed = convolution_file(kSixFloats);
  const auto borrowed = try_read(packed);
  ASSERT_TRUE(borrowed);
  const Bytes payload = (*borrowed)->graph().weights[0].stored.payload;
  EXPECT_GE(payload.data(), packed.data());
  EXPECT_LE(payload.data() + payload.size(), packed.data() + packed.size());

  Message apart;
  for (int i = 1; i <= 6; ++i) apart.real(1, static_cast<float>(i));
  const Buffer file = convolution_file(apart);
  const auto gathered = try_read(file);
  ASSERT_TRUE(gathered) << gathered.error().to_string();
  EXPECT_TRUE(std::ranges::equal((*gathered)->graph().weights[0].stored.payload, payload));
}

TEST(CoreMlReader, RefusesWeightsThatBreakTheRules) {
  const auto error = [](const Message& weights) { return error_of(convolution_file(weights)); };
  const std::string path = "neuralNetwork.layers[0] \"conv\".convolution.weights: ";
  EXPECT_EQ(error(float_weights({1, 2, 3, 4, 5})),
            path + "payload is 20 bytes, shape [2,3,1,1] needs 24");
  EXPECT_EQ(error(Message()), path +
                                  "0 payloads, expected one of floatValue, float16Value, "
                                  "rawValue, int8RawValue");
  Message two = kSixFloats;
  two.text(2, "twelve bytes");
  EXPECT_EQ(error(two), path +
                            "2 payloads, expected one of floatValue, float16Value, rawValue, "
                            "int8RawValue");
  const std::vector<std::uint8_t> codes = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(error(code_weights(codes, linear_quantization(0, {1}, {0}))),
            path + "quantized to 0 bits, expected 1..8");
  EXPECT_EQ(error(code_weights(codes, linear_quantization(9, {1}, {0}))),
            path + "quantized to 9 bits, expected 1..8");
  EXPECT_EQ(error(code_weights(codes, linear_quantization(8, {1, 2, 3}, {}))),
            path + "3 scales, expected 1 or 2");
  EXPECT_EQ(error(code_weights(codes, linear_quantization(8, {1}, {0, 0}))),
            path + "2 biases, expected none or 1");
  EXPECT_EQ(error(code_weights(codes, table_quantization(2, {1, 2, 3}))),
            path + "lookup table of 3 entries, expected 4");
  EXPECT_EQ(error(code_weights(codes, Message().varint(1, 8))),
            path + "quantization has no form, expected one of linear and lookup table");
  EXPECT_EQ(error(code_weights({1, 2}, linear_quantization(4, {1}, {0}))),
            path + "payload is 2 bytes, shape [2,3,1,1] needs 3");
  EXPECT_EQ(error(Message().text(30, "sixsix")), path + "codes without quantization");
}

TEST(CoreMlReader, TakesSpareBytesAfterCodes) {
  const Graph graph = graph_of(
      convolution_file(code_weights({1, 2, 3, 4, 5, 6, 7}, linear_quantization(8, {1}, {0}))));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].stored.payload.size(), 6U);
}

TEST(CoreMlReader, RefusesShapesThatOverflow) {
  Message params;
  params.varint(1, 1U << 31).varint(2, 1U << 31).varint(20, 1U << 31).varint(20, 1U << 31);
  params.message(50, Message()).message(90, kSixFloats);
  EXPECT_EQ(error_of(model_file({layer("conv", "image", "out", 100, params)})),
            "neuralNetwork.layers[0] \"conv\".convolution.weights: shape "
            "[2147483648,2147483648,2147483648,2147483648] has no size that fits");
  Message huge;
  huge.varint(1, ~std::uint64_t{0}).varint(2, 3).message(90, kSixFloats);
  EXPECT_EQ(error_of(model_file({layer("conv", "image", "out", 100, huge)})),
            "neuralNetwork.layers[0] \"conv\": a size of 18446744073709551615 is out of range");
}

TEST(CoreMlReader, NamesALayerThatReadsWhatNobodyWrote) {
  EXPECT_EQ(error_of(model_file(
                {layer("one", "later", "mid", kActivation, Message().message(10, Message())),
                 layer("two", "mid", "later", kActivation, Message().message(10, Message()))})),
            "neuralNetwork.layers[0] \"one\": reads \"later\" before any layer writes it (missing, "
            "or a cycle)");
}

TEST(CoreMlReader, GivesABlobThatIsWrittenTwiceTwoTensors) {
  const Message relu = Message().message(10, Message());
  const Graph graph = graph_of(model_file({layer("one", "image", "x", kActivation, relu),
                                           layer("two", "x", "x", kActivation, relu),
                                           layer("three", "x", "out", kActivation, relu)}));
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_NE(graph.nodes[0].outputs[0], graph.nodes[1].outputs[0]);
  EXPECT_EQ(graph.nodes[2].inputs[0], graph.nodes[1].outputs[0]);
}

TEST(CoreMlReader, NamesOtherKindsOfModel) {
  const auto kind = [](std::uint32_t field) {
    return error_of(
        Message().varint(1, 4).message(2, description()).message(field, Message()).done());
  };
  const std::string tail =
      " cannot be read; only neuralNetwork, neuralNetworkClassifier and neuralNetworkRegressor can";
  EXPECT_EQ(kind(202), "a Core ML pipeline" + tail);
  EXPECT_EQ(kind(502), "a Core ML mlProgram" + tail);
  EXPECT_EQ(kind(610), "a Core ML nonMaximumSuppression" + tail);
  EXPECT_EQ(kind(777), "a Core ML model kind 777" + tail);
}

TEST(CoreMlReader, RefusesFilesThatAreNoCoreMl) {
  EXPECT_EQ(error_of({}), "no Core ML model: none of its fields holds a network");
  const std::string png = "\x89PNG\r\n\x1a\n";
  const Bytes bytes = view_bytes(std::span<const char>(png));
  EXPECT_NE(error_of(Buffer(bytes.begin(), bytes.end())), "no error");
  const std::string text = "classes: cat, dog\n";
  const Bytes words = view_bytes(std::span<const char>(text));
  EXPECT_NE(error_of(Buffer(words.begin(), words.end())), "no error");
}

TEST(CoreMlReader, SurvivesAFileThatEndsAnywhere) {
  const Message bias = code_weights({1, 2}, table_quantization(8, std::vector<float>(256, 1.0F)));
  const Buffer file = convolution_file(
      code_weights({1, 2, 3, 4, 5, 6}, linear_quantization(8, {0.5F, 1}, {1, 2})), &bias);
  ASSERT_EQ(error_of(file), "no error");
  for (std::size_t size = 0; size < file.size(); ++size) {
    const Buffer cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    const auto model = try_read(cut);
    ASSERT_FALSE(model) << size;
    EXPECT_EQ(model.error().kind, ErrorKind::Malformed) << size;
  }
}

TEST(CoreMlReader, SurvivesAnyByteBeingAnother) {
  const Message bias = float_weights({1, 2});
  const Buffer file = convolution_file(
      code_weights({1, 2, 3, 4, 5, 6}, linear_quantization(8, {0.5F, 1}, {1, 2})), &bias);
  std::size_t refused = 0;
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (const unsigned value : {0x00U, 0x01U, 0x7fU, 0x80U, 0xffU}) {
      Buffer changed = file;
      changed[at] = static_cast<std::byte>(value);
      const auto model = try_read(changed);
      if (!model) {
        ++refused;
        EXPECT_EQ(model.error().message.find('\n'), std::string::npos);
        continue;
      }
      EXPECT_TRUE((*model)->rewrite({}, {}));
    }
  }
  EXPECT_GT(refused, file.size());
}

TEST(CoreMlReader, CarriesLayersItCannotRun) {
  const Graph graph =
      graph_of(model_file({layer("words", "image", "x", 150, Message()),
                           layer("mine", "x", "y", 500, Message().text(10, "MyClass")),
                           layer("new", "y", "out", 4000, Message())}));
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(graph.nodes[0].source_type, "embedding");
  EXPECT_EQ(std::get<Unsupported>(graph.nodes[1].op).why,
            "its code (MyClass) is in the app, not in the file");
  EXPECT_EQ(graph.nodes[2].source_type, "type 4000");
  EXPECT_TRUE(std::holds_alternative<Unsupported>(graph.nodes[2].op));
}

TEST(CoreMlReader, ReadsPoolingPaddingsAndDefaults) {
  const auto pool = std::get<Pool2d>(op_of(kPooling, Message().message(30, Message())));
  EXPECT_EQ(pool.kernel, (std::array<std::int64_t, 2>{3, 3}));
  EXPECT_EQ(pool.stride, (std::array<std::int64_t, 2>{1, 1}));
  EXPECT_EQ(pool.padding.rule, PadRule::Explicit);

  const Message last = Message().varint(10, 1).varint(10, 2);
  const auto caffe = std::get<Pool2d>(op_of(kPooling, Message().varint(1, 1).message(32, last)));
  EXPECT_EQ(caffe.padding.rule, PadRule::IncludeLastPixel);
  EXPECT_EQ(caffe.padding.after, (std::array<std::int64_t, 2>{1, 2}));
  EXPECT_TRUE(caffe.count_padding);

  const auto same = std::get<Pool2d>(
      op_of(kPooling, Message().message(31, Message().varint(1, 1)).varint(50, 1)));
  EXPECT_EQ(same.padding.rule, PadRule::SameLower);
  EXPECT_FALSE(same.count_padding);

  EXPECT_TRUE(std::get<Pool2d>(op_of(kPooling, Message().varint(60, 1))).global);
}

TEST(CoreMlReader, MapsEverySamplingGrid) {
  const auto grid = [](std::uint64_t method) {
    const Message params =
        Message().varint(1, 16).varint(1, 16).message(2, Message().varint(1, method));
    return std::get<Resize>(op_of(211, params)).grid;
  };
  EXPECT_EQ(grid(0), ResizeGrid::AlignCorners);
  EXPECT_EQ(grid(1), ResizeGrid::AlignCornersCentered);
  EXPECT_EQ(grid(2), ResizeGrid::Corner);
  EXPECT_EQ(grid(3), ResizeGrid::RoiAlign);
  const Message nearest = Message().varint(1, 2).varint(1, 3);
  const auto upsample = std::get<Resize>(op_of(210, nearest));
  EXPECT_EQ(upsample.kind, ResizeKind::Nearest);
  EXPECT_EQ(upsample.scale, (std::array<float, 2>{2.0F, 3.0F}));
}

TEST(CoreMlReader, TellsTheSmallerFromTheLarger) {
  const auto kind = [](std::uint32_t type) {
    Message two = Message().text(1, "two").text(2, "image").text(2, "image").text(3, "out");
    two.message(type, Message());
    return std::get<Binary>(graph_of(model_file({two})).nodes.back().op).kind;
  };
  EXPECT_EQ(kind(870), BinaryKind::Minimum);
  EXPECT_EQ(kind(875), BinaryKind::Maximum);
}

TEST(CoreMlReader, GoesOnBehindALayerWhoseAxesItDoesNotKnow) {
  // slidingWindows adds an axis; the file says two, which the transpose then turns.
  const Message gather = layer("take", "image", "x", 1005, Message());
  const Message turn = layer("turn", "x", "out", 985, Message().varint(1, 1).varint(1, 0));
  Message stated = gather;
  stated.message(5, Message().varint(1, 2));
  const Graph guessed = graph_of(model_file({gather, turn}));
  ASSERT_EQ(guessed.nodes.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Unsupported>(guessed.nodes[1].op));
  const Graph known = graph_of(model_file({stated, turn}));
  ASSERT_EQ(known.nodes.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Transpose>(known.nodes[1].op));
}

TEST(CoreMlReader, KnowsWhatNetworksInsideALayerWrite) {
  const Message relu = Message().message(10, Message());
  const Message deep = Message().message(1, layer("a", "image", "deep", kActivation, relu));
  const Message inner =
      Message()
          .message(1, layer("b", "image", "chosen", kActivation, relu))
          .message(
              1, Message().text(1, "c").text(2, "image").message(615, Message().message(4, deep)));
  const Message branch =
      Message().text(1, "if").text(2, "image").message(605, Message().message(1, inner));
  const Graph graph = graph_of(model_file({branch, layer("one", "chosen", "x", kActivation, relu),
                                           layer("two", "deep", "out", kActivation, relu)}));
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<Unsupported>(graph.nodes[0].op));
  EXPECT_EQ(graph.nodes[0].outputs.size(), 2U);
}

TEST(CoreMlReader, CarriesPreprocessingOfWhatIsNoImage) {
  const Message network =
      Message()
          .message(1, layer("one", "image", "out", kActivation, Message().message(10, Message())))
          .message(2, Message().text(1, "other").message(10, Message().real(10, 0.5F)));
  const Graph graph =
      graph_of(Message().varint(1, 1).message(2, description()).message(500, network).done());
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(std::get<Unsupported>(graph.nodes[0].op).why, "there is no image input \"other\"");
}

/// model_file of a ReLU behind an image of 8x8 that takes 4..16 columns and 6 or more rows.
Buffer flexible_file() {
  const Message range = Message()
                            .message(1, Message().varint(1, 4).varint(2, 16))
                            .message(2, Message().varint(1, 6).varint(2, ~std::uint64_t{0}));
  const Message image = Message().varint(1, 8).varint(2, 8).varint(3, 20).message(31, range);
  const Message inputs =
      Message().message(1, Message().text(1, "image").message(3, Message().message(4, image)));
  const Message network = Message().message(
      1, layer("one", "image", "out", kActivation, Message().message(10, Message())));
  return Message().varint(1, 3).message(2, inputs).message(500, network).done();
}

TEST(CoreMlReader, TakesASizeWithinTheInputsRange) {
  const Buffer file = flexible_file();
  Diagnostics diagnostics;
  const auto plain = try_read(file);
  ASSERT_TRUE(plain) << plain.error().to_string();
  EXPECT_EQ((*plain)->graph().tensor(0).shape, (Shape{1, 3, 8, 8}));
  EXPECT_EQ((*plain)->graph().input_info.other_sizes, "4..16x6..");
  const auto sized = read_coreml(file, {{{100, 5}}}, diagnostics);
  ASSERT_TRUE(sized) << sized.error().to_string();
  EXPECT_EQ((*sized)->graph().tensor(0).shape, (Shape{1, 3, 100, 5}));
  EXPECT_EQ((*sized)->graph().input_info.width, 5);
  const auto refused = read_coreml(file, {{{100, 17}}}, diagnostics);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "the input \"image\" takes sizes of 4..16x6.., an input size of 17x100 was asked for");
}

TEST(CoreMlReader, GivesAGroupedDeconvolutionOneScale) {
  const auto form = [](std::uint64_t groups) {
    Message params;
    params.varint(1, 2).varint(2, 3 * groups).varint(10, groups).varint(20, 1).varint(20, 1);
    params.varint(60, 1).message(51, Message()).message(90, kSixFloats);
    const Buffer file = model_file({layer("up", "image", "out", 100, params)});
    Diagnostics diagnostics;
    return read_coreml(file, diagnostics).value()->adapt(0, *parse_form("linear-8"));
  };
  EXPECT_EQ(form(1).granularity, Granularity::Channel);
  EXPECT_EQ(form(2).granularity, Granularity::Tensor);
}

TEST(CoreMlReader, ReadsTheMatrixOfABatchedMatmul) {
  const Message params = Message().varint(5, 2).varint(6, 3).message(8, kSixFloats);
  const Graph graph = graph_of(model_file({layer("product", "image", "out", 1045, params)}));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].role, WeightRole::Kernel);
  EXPECT_EQ(graph.weights[0].stored.shape, (Shape{3, 2}));
}

TEST(CoreMlReader, ReadsUnaryWithItsShiftAndDefaults) {
  const Graph graph = graph_of(model_file(
      {layer("one", "image", "out", 220, Message().varint(1, 2).real(4, -1.0F).real(5, 3.0F))}));
  ASSERT_EQ(graph.nodes.size(), 2U);
  const auto linear = std::get<Unary>(graph.nodes[0].op);
  EXPECT_EQ(linear.kind, UnaryKind::Linear);
  EXPECT_EQ(linear.alpha, 3.0F);
  EXPECT_EQ(linear.beta, -1.0F);
  const auto inverse = std::get<Unary>(graph.nodes[1].op);
  EXPECT_EQ(inverse.kind, UnaryKind::Inverse);
  EXPECT_EQ(inverse.beta, 1e-6F);
}

TEST(CoreMlReader, ReadsADeconvolutionsWeightsInputFirst) {
  Message params;
  params.varint(1, 2).varint(2, 3).varint(20, 1).varint(20, 1).varint(60, 1);
  params.message(51, Message()).message(90, kSixFloats);
  const Graph graph = graph_of(model_file({layer("up", "image", "out", 100, params)}));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].stored.shape, (Shape{3, 2, 1, 1}));
  EXPECT_EQ(graph.weights[0].channel_axis, 1);
  const auto conv = std::get<Conv2d>(graph.nodes[0].op);
  EXPECT_TRUE(conv.transposed);
  EXPECT_EQ(conv.kernel_layout, KernelLayout::Iohw);
  EXPECT_EQ(conv.padding.rule, PadRule::SameUpper);
}

TEST(CoreMlReader, MovesElementsForChannelLastReshapes) {
  const Message params = Message().varint(1, 3).varint(1, 8).varint(1, 8).varint(2, 1);
  const Graph graph = graph_of(model_file({layer("one", "image", "out", 300, params)}));
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(std::get<Transpose>(graph.nodes[0].op).permutation, (std::vector<int>{0, 2, 3, 1}));
  EXPECT_EQ(std::get<Reshape>(graph.nodes[1].op).target, (Shape{0, 8, 8, 3}));
  EXPECT_EQ(std::get<Transpose>(graph.nodes[2].op).permutation, (std::vector<int>{0, 3, 1, 2}));
}

TEST(CoreMlReader, MakesWeightNamesUniqueWhereLayersShareOne) {
  const Graph graph =
      graph_of(model_file({layer("conv", "image", "x", 100, convolution(kSixFloats)),
                           layer("conv", "image", "out", 100, convolution(kSixFloats))}));
  ASSERT_EQ(graph.weights.size(), 2U);
  EXPECT_EQ(graph.weights[0].name, "conv:weights");
  EXPECT_EQ(graph.weights[1].name, "conv@1:weights");
}

TEST(CoreMlReader, SubtractsAMeanImageThatCannotBeReplaced) {
  const std::vector<float> mean(3 * 8 * 8, 2.0F);
  const Message network =
      Message()
          .message(1, layer("one", "image", "out", kActivation, Message().message(10, Message())))
          .message(2, Message().text(1, "image").message(11, Message().reals(1, mean)));
  const Graph graph =
      graph_of(Message().varint(1, 1).message(2, description()).message(500, network).done());
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(std::get<Binary>(graph.nodes[0].op).kind, BinaryKind::Subtract);
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].stored.shape, (Shape{3, 8, 8}));
  EXPECT_NE(graph.weights[0].fixed_because, "");
}

}  // namespace
}  // namespace visionpress
