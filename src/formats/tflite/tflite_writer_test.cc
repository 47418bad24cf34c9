#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/half.h"
#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "formats/form_answers_testonly.h"
#include "formats/tflite/tflite_build_testonly.h"
#include "formats/tflite/tflite_model.h"
#include "formats/tflite/tflite_reader.h"
#include "model/bit_packing.h"
#include "wire/flatbuffer_diff_testonly.h"

namespace visionpress {
namespace {

using Lines = std::vector<std::string>;

const void* model_of(Bytes file) { return tfl::GetModel(file.data()); }

std::unique_ptr<SourceModel> open_bytes(Bytes file) {
  Diagnostics diagnostics;
  auto model = read_tflite(file, diagnostics);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? std::move(*model) : nullptr;
}

std::size_t index_of(const Graph& graph, const std::string& name) {
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    if (graph.weights[i].name == name) return i;
  }
  ADD_FAILURE() << "no weight " << name;
  return 0;
}

std::vector<float> values_of(const WeightRef& stored) {
  std::vector<float> values;
  if (stored.code.encoding == Encoding::Float32) {
    for (std::size_t i = 0; i < stored.payload.size() / 4; ++i)
      values.push_back(load_le<float>(stored.payload, 4 * i));
  } else {
    for (std::size_t i = 0; i < stored.payload.size() / 2; ++i) {
      values.push_back(half_to_float(load_le<std::uint16_t>(stored.payload, 2 * i)));
    }
  }
  return values;
}

EncodedWeight as_halves(const Weight& weight) {
  EncodedWeight value;
  value.shape = weight.stored.shape;
  value.code.encoding = Encoding::Float16;
  value.code.bits = 16;
  for (const float v : values_of(weight.stored)) {
    const std::uint16_t half = float_to_half(v);
    value.codes.push_back(static_cast<std::byte>(half & 0xffU));
    value.codes.push_back(static_cast<std::byte>(half >> 8U));
  }
  return value;
}

/// Symmetric int8 with one scale, or one along the weight's channel axis.
EncodedWeight as_int8(const Weight& weight, bool by_channel) {
  const std::vector<float> values = values_of(weight.stored);
  EncodedWeight value;
  value.shape = weight.stored.shape;
  value.code.encoding = Encoding::Linear;
  value.code.bits = 8;
  value.code.is_signed = true;
  value.code.axis = by_channel ? weight.channel_axis : 0;
  std::size_t inner = 1;
  std::size_t channels = 1;
  if (by_channel) {
    const auto axis = static_cast<std::size_t>(weight.channel_axis);
    channels = static_cast<std::size_t>(value.shape[axis]);
    for (std::size_t i = axis + 1; i < value.shape.size(); ++i)
      inner *= static_cast<std::size_t>(value.shape[i]);
  }
  value.code.scales.assign(channels, 0.0F);
  for (std::size_t i = 0; i < values.size(); ++i) {
    float& scale = value.code.scales[i / inner % channels];
    scale = std::max(scale, std::abs(values[i]) / 127.0F);
  }
  for (float& scale : value.code.scales) scale = scale > 0 ? scale : 1.0F;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const long code = std::lround(values[i] / value.code.scales[i / inner % channels]);
    value.codes.push_back(static_cast<std::byte>(std::clamp(code, -127L, 127L)));
  }
  return value;
}

/// The same with codes of -7 to 7.
EncodedWeight as_int4(const Weight& weight, bool by_channel) {
  EncodedWeight value = as_int8(weight, by_channel);
  value.code.bits = 4;
  for (std::byte& code : value.codes) {
    const int wide = static_cast<std::int8_t>(code);
    code = static_cast<std::byte>(static_cast<std::int8_t>(wide * 7 / 127));
  }
  for (float& scale : value.code.scales) scale *= 127.0F / 7.0F;
  return value;
}

std::vector<std::byte> rewritten(const SourceModel& model, const std::vector<WeightEdit>& edits,
                                 IntegerForm form = IntegerForm::DynamicRange) {
  auto pieces = model.rewrite(edits, RewriteOptions{form});
  EXPECT_TRUE(pieces) << pieces.error().to_string();
  return pieces ? joined(pieces->pieces) : std::vector<std::byte>();
}

Lines differences(Bytes a, Bytes b) {
  return FlatbufferDiff::list(model_of(a), model_of(b), *tfl::ModelTypeTable());
}

TEST(TfliteWriter, WithoutEditsEveryModelIsStructurallyTheSame) {
  VP_SKIP_WITHOUT_SHARED();
  int seen = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(find_shared_folder() + "/models")) {
    if (entry.path().extension() != ".tflite") continue;
    ++seen;
    auto file = MappedFile::open(entry.path().string());
    ASSERT_TRUE(file);
    const auto model = open_bytes(file->bytes());
    ASSERT_NE(model, nullptr) << entry.path();
    const std::vector<std::byte> copy = rewritten(*model, {});
    ASSERT_FALSE(copy.empty());
    EXPECT_EQ(differences(file->bytes(), copy), Lines()) << entry.path();
    const auto again = open_bytes(copy);
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(again->graph().labels, model->graph().labels);
    EXPECT_LE(copy.size(), file->bytes().size() + 4096) << entry.path();
  }
  EXPECT_GE(seen, 9);
}

TEST(TfliteWriter, BuffersOutsideOfTheFlatbufferComeInside) {
  TinyModel tiny;
  tiny.kernel_outside = true;
  const std::vector<std::byte> file = build_tiny_model(tiny);
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  const Weight& weight = model->graph().weights[kernel];
  const std::vector<std::byte> copy = rewritten(*model, {});
  EXPECT_LT(copy.size(), kOutsideOffset);
  const auto again = open_bytes(copy);
  ASSERT_NE(again, nullptr);
  const Bytes kept = again->graph().weights[kernel].stored.payload;
  EXPECT_TRUE(std::ranges::equal(kept, weight.stored.payload));
  const EncodedWeight halves = as_halves(weight);
  const std::vector<std::byte> smaller = rewritten(*model, {{kernel, &halves}});
  EXPECT_LT(smaller.size(), kOutsideOffset);
  const auto small_model = open_bytes(smaller);
  ASSERT_NE(small_model, nullptr);
  EXPECT_EQ(small_model->graph().weights[kernel].stored.code.encoding, Encoding::Float16);
  const auto* buffers = tfl::GetModel(smaller.data())->buffers();
  for (const tfl::Buffer* buffer : *buffers) EXPECT_EQ(buffer->offset(), 0U);
}

TEST(TfliteWriter, StoredDefaultsAndEmptyVectorsStayStored) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const auto empty = builder.CreateVector(std::vector<std::int32_t>());
  const auto tensor =
      tfl::CreateTensor(builder, empty, tfl::TensorType::FLOAT32, 0, builder.CreateString("x"));
  const auto tensors = builder.CreateVector(std::vector<flatbuffers::Offset<tfl::Tensor>>{tensor});
  const auto io = builder.CreateVector(std::vector<std::int32_t>{0});
  const auto subgraph = tfl::CreateSubGraph(builder, tensors, io, io);
  const auto subgraphs =
      builder.CreateVector(std::vector<flatbuffers::Offset<tfl::SubGraph>>{subgraph});
  const auto buffers = builder.CreateVector(
      std::vector<flatbuffers::Offset<tfl::Buffer>>{tfl::CreateBuffer(builder, 0, 0, 0)});
  builder.Finish(tfl::CreateModel(builder, 3, 0, subgraphs, 0, buffers), "TFL3");
  const auto* begin = view_as<const std::byte>(builder.GetBufferPointer());
  const std::vector<std::byte> file(begin, begin + builder.GetSize());
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(differences(file, rewritten(*model, {})), Lines());
}

TEST(TfliteWriter, AHybridKernelChangesItsTensorItsBufferAndItsOperatorsVersion) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  const EncodedWeight value = as_int8(model->graph().weights[kernel], true);
  const std::vector<std::byte> output = rewritten(*model, {{kernel, &value}});
  EXPECT_EQ(differences(file, output),
            (Lines{"operator_codes[2]: added", "subgraphs[0].tensors[1].type",
                   "subgraphs[0].tensors[1].quantization", "subgraphs[0].operators[0].opcode_index",
                   "buffers[1].data", "buffers[3].data"}));
  const auto again = open_bytes(output);
  ASSERT_NE(again, nullptr);
  const Graph& graph = again->graph();
  ASSERT_TRUE(std::holds_alternative<Conv2d>(graph.nodes[0].op));
  EXPECT_TRUE(std::get<Conv2d>(graph.nodes[0].op).dynamic_range);
  EXPECT_EQ(graph.weights[kernel].stored.code.scales, value.code.scales);
  EXPECT_TRUE(std::ranges::equal(graph.weights[kernel].stored.payload, value.codes));
  EXPECT_EQ(graph.metadata.at("min_runtime_version"), "2.4.0");
}

TEST(TfliteWriter, HalvesGetADequantizeBeforeTheirFirstReader) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t bias = index_of(model->graph(), "conv/b");
  const EncodedWeight value = as_halves(model->graph().weights[bias]);
  const std::vector<std::byte> output = rewritten(*model, {{bias, &value}});
  EXPECT_EQ(differences(file, output),
            (Lines{"operator_codes[2]: added", "subgraphs[0].tensors[2].type",
                   "subgraphs[0].tensors[5]: added", "subgraphs[0].operators[0]: added",
                   "subgraphs[0].operators[0].inputs", "buffers[2].data", "buffers[3].data"}));
  const auto again = open_bytes(output);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->graph().weights[bias].stored.code.encoding, Encoding::Float16);
  EXPECT_EQ(again->graph().nodes.size(), 2U);
}

TEST(TfliteWriter, WeightOnlyKernelsAreDecodedToFloat) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  const EncodedWeight value = as_int8(model->graph().weights[kernel], true);
  const std::vector<std::byte> output =
      rewritten(*model, {{kernel, &value}}, IntegerForm::WeightOnly);
  const auto again = open_bytes(output);
  ASSERT_NE(again, nullptr);
  ASSERT_TRUE(std::holds_alternative<Conv2d>(again->graph().nodes[0].op));
  EXPECT_FALSE(std::get<Conv2d>(again->graph().nodes[0].op).dynamic_range);
  EXPECT_EQ(again->graph().weights[kernel].stored.code.scales, value.code.scales);
  const tfl::Model& root = *tfl::GetModel(output.data());
  const auto& code = *root.operator_codes()->Get(2);
  EXPECT_EQ(builtin_code(code), tfl::BuiltinOperator::DEQUANTIZE);
  EXPECT_EQ(code.version(), 5);
  EXPECT_EQ(code.deprecated_builtin_code(), 6);
}

ByteBuffer unpack_kernel(const WeightRef& stored) {
  ByteBuffer codes(static_cast<std::size_t>(*element_count(stored.shape)));
  unpack_codes(stored.payload, 4, stored.packing, 0, codes);
  extend_signs(codes, 4);
  return codes;
}

TEST(TfliteWriter, PackedKernelsHoldTwoCodesPerByte) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  const EncodedWeight value = as_int4(model->graph().weights[kernel], true);
  const std::vector<WeightEdit> edits = {{kernel, &value}};
  struct Case {
    IntegerForm form;
    tfl::BuiltinOperator code;
    int version;
    std::string runtime;
  };
  for (const Case& expected :
       {Case{IntegerForm::DynamicRange, tfl::BuiltinOperator::CONV_2D, 5, "2.11.0"},
        Case{IntegerForm::WeightOnly, tfl::BuiltinOperator::DEQUANTIZE, 6, "2.18.0"}}) {
    const RewriteOptions options = {.integer_form = expected.form, .packs_codes = true};
    EXPECT_EQ(model->stored_code(kernel, value.code, options).bits, 4);
    const auto pieces = model->rewrite(edits, options);
    ASSERT_TRUE(pieces) << pieces.error().to_string();
    const std::vector<std::byte> output = joined(pieces->pieces);
    const tfl::Model& root = *tfl::GetModel(output.data());
    EXPECT_EQ(root.subgraphs()->Get(0)->tensors()->Get(1)->type(), tfl::TensorType::INT4);
    EXPECT_EQ(root.buffers()->Get(1)->data()->size(), 36U);
    EXPECT_EQ(builtin_code(*root.operator_codes()->Get(2)), expected.code);
    EXPECT_EQ(root.operator_codes()->Get(2)->version(), expected.version);
    const auto again = open_bytes(output);
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(again->graph().metadata.at("min_runtime_version"), expected.runtime);
    const WeightRef& stored = again->graph().weights[kernel].stored;
    EXPECT_EQ(stored.code.scales, value.code.scales);
    EXPECT_TRUE(std::ranges::equal(unpack_kernel(stored), value.codes));
  }
}

TEST(TfliteWriter, CodesOfMoreThanFourBitsAreNotPacked) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  EncodedWeight value = as_int4(model->graph().weights[kernel], true);
  const RewriteOptions packs = {.packs_codes = true};
  value.codes[3] = std::byte{8};
  const std::vector<WeightEdit> edits = {{kernel, &value}};
  EXPECT_EQ(model->rewrite(edits, packs).error().message,
            "\"conv/w\": code 8 of 4 bits, expected -7 to 7");
  value.code.bits = 5;
  EXPECT_EQ(model->stored_code(kernel, value.code, packs).bits, 8);
  const std::vector<std::byte> output = joined(model->rewrite(edits, packs).value().pieces);
  const auto* tensors = tfl::GetModel(output.data())->subgraphs()->Get(0)->tensors();
  EXPECT_EQ(tensors->Get(1)->type(), tfl::TensorType::INT8);
}

TEST(TfliteWriter, DepthwiseKernelsOfFloatInputsAreNotPacked) {
  VP_SKIP_WITHOUT_SHARED();
  const auto file =
      MappedFile::open(find_shared_folder() + "/models/classifiers/vww_96_float.tflite");
  ASSERT_TRUE(file);
  const auto model = open_bytes(file->bytes());
  ASSERT_NE(model, nullptr);
  const std::vector<Weight>& weights = model->graph().weights;
  std::vector<EncodedWeight> values(weights.size());
  std::vector<WeightEdit> edits;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].role != WeightRole::Kernel) continue;
    values[i] = as_int4(weights[i], true);
    edits.push_back({i, &values[i]});
  }
  for (const IntegerForm form : {IntegerForm::DynamicRange, IntegerForm::WeightOnly}) {
    const RewriteOptions options = {.integer_form = form, .packs_codes = true};
    const std::vector<std::byte> output = joined(model->rewrite(edits, options).value().pieces);
    const auto again = open_bytes(output);
    ASSERT_NE(again, nullptr);
    std::size_t depthwise = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (weights[i].role != WeightRole::Kernel) continue;
      const bool is_depthwise = weights[i].channel_axis == 3;
      depthwise += is_depthwise ? 1 : 0;
      const int bits = is_depthwise && form == IntegerForm::DynamicRange ? 8 : 4;
      EXPECT_EQ(again->graph().weights[i].stored.code.bits, bits) << weights[i].name;
      EXPECT_EQ(model->stored_code(i, values[i].code, options).bits, bits) << weights[i].name;
    }
    EXPECT_GT(depthwise, 0U);
  }
}

TEST(TfliteWriter, HalvesBehindDequantizeBecomeHybridAndLoseIt) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  const EncodedWeight halves = as_halves(model->graph().weights[kernel]);
  const std::vector<std::byte> half_file = rewritten(*model, {{kernel, &halves}});
  const auto half_model = open_bytes(half_file);
  ASSERT_NE(half_model, nullptr);
  const EncodedWeight codes = as_int8(half_model->graph().weights[kernel], false);
  const std::vector<std::byte> hybrid = rewritten(*half_model, {{kernel, &codes}});
  const tfl::Model& root = *tfl::GetModel(hybrid.data());
  EXPECT_EQ(root.subgraphs()->Get(0)->operators()->size(), 2U);
  EXPECT_EQ(root.subgraphs()->Get(0)->operators()->Get(0)->inputs()->Get(1), 1);
  const std::vector<std::byte> only =
      rewritten(*half_model, {{kernel, &codes}}, IntegerForm::WeightOnly);
  EXPECT_EQ(tfl::GetModel(only.data())->subgraphs()->Get(0)->operators()->size(), 3U);
  ASSERT_NE(open_bytes(hybrid), nullptr);
  ASSERT_NE(open_bytes(only), nullptr);
}

TEST(TfliteWriter, AHalfBiasBesideAHybridKernelBecomesFloat) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  const std::size_t bias = index_of(model->graph(), "conv/b");
  const EncodedWeight half_bias = as_halves(model->graph().weights[bias]);
  const std::vector<std::byte> half_file = rewritten(*model, {{bias, &half_bias}});
  const auto half_model = open_bytes(half_file);
  ASSERT_NE(half_model, nullptr);
  const EncodedWeight codes = as_int8(half_model->graph().weights[kernel], false);
  const std::vector<std::byte> hybrid = rewritten(*half_model, {{kernel, &codes}});
  const auto again = open_bytes(hybrid);
  ASSERT_NE(again, nullptr);
  const Weight& stored = again->graph().weights[bias];
  EXPECT_EQ(stored.stored.code.encoding, Encoding::Float32);
  EXPECT_EQ(values_of(stored.stored), values_of(half_bias.view()));
  EXPECT_EQ(stored.fixed_because, "the 8-bit kernel beside it needs it in float32");
  EXPECT_EQ(tfl::GetModel(hybrid.data())->subgraphs()->Get(0)->operators()->size(), 2U);
}

TEST(TfliteWriter, AKernelWhoseBiasIsWantedInHalvesIsDecodedToFloat) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  const std::size_t bias = index_of(model->graph(), "conv/b");
  const EncodedWeight half_bias = as_halves(model->graph().weights[bias]);
  const EncodedWeight codes = as_int8(model->graph().weights[kernel], false);
  const std::vector<std::byte> output = rewritten(*model, {{kernel, &codes}, {bias, &half_bias}});
  const auto again = open_bytes(output);
  ASSERT_NE(again, nullptr);
  EXPECT_FALSE(std::get<Conv2d>(again->graph().nodes[0].op).dynamic_range);
  EXPECT_EQ(tfl::GetModel(output.data())->subgraphs()->Get(0)->operators()->size(), 4U);
}

TEST(TfliteWriter, ABufferThatAnotherTensorSharesStaysForIt) {
  // The bias reads the same 16 bytes as the kernel of one element a channel.
  TinyModel tiny;
  tiny.kernel_shape = {4, 1, 1, 1};
  tiny.kernel_buffer = 2;
  tiny.kernel_bytes = 16;
  std::vector<std::byte> file = build_tiny_model(tiny);
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t bias = index_of(model->graph(), "conv/b");
  const EncodedWeight value = as_halves(model->graph().weights[bias]);
  const std::vector<std::byte> output = rewritten(*model, {{bias, &value}});
  const auto again = open_bytes(output);
  ASSERT_NE(again, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  EXPECT_TRUE(std::ranges::equal(again->graph().weights[kernel].stored.payload,
                                 model->graph().weights[kernel].stored.payload));
  EXPECT_EQ(again->graph().weights[bias].stored.code.encoding, Encoding::Float16);
  EXPECT_EQ(tfl::GetModel(output.data())->buffers()->size(), 5U);
}

/// x -> a row of FULLY_CONNECTED whose kernels are one buffer.
std::vector<std::byte> build_sharing_model(std::size_t layers) {
  constexpr std::int32_t kSize = 128;
  flatbuffers::FlatBufferBuilder builder;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(kSize * kSize) * 4);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = i % 4 == 3 ? std::uint8_t{0x3e} : static_cast<std::uint8_t>(7 * i);
  }
  builder.ForceVectorAlignment(bytes.size(), 1, 16);
  std::vector<flatbuffers::Offset<tfl::Buffer>> buffers = {
      tfl::CreateBuffer(builder), tfl::CreateBuffer(builder, builder.CreateVector(bytes))};
  std::vector<flatbuffers::Offset<tfl::Tensor>> tensors;
  const auto add_tensor = [&](const std::string& name, std::int32_t rows, std::uint32_t buffer) {
    const auto shape = builder.CreateVector(std::vector<std::int32_t>{rows, kSize});
    tensors.push_back(tfl::CreateTensor(builder, shape, tfl::TensorType::FLOAT32, buffer,
                                        builder.CreateString(name)));
    return static_cast<std::int32_t>(tensors.size() - 1);
  };
  std::vector<flatbuffers::Offset<tfl::Operator>> operators;
  std::int32_t last = add_tensor("x", 1, 0);
  for (std::size_t i = 0; i < layers; ++i) {
    const std::int32_t kernel = add_tensor("kernel" + std::to_string(i), kSize, 1);
    const std::int32_t next = add_tensor("y" + std::to_string(i), 1, 0);
    operators.push_back(tfl::CreateOperator(
        builder, 0, builder.CreateVector(std::vector<std::int32_t>{last, kernel, -1}),
        builder.CreateVector(std::vector<std::int32_t>{next}),
        tfl::BuiltinOptions::FullyConnectedOptions,
        tfl::CreateFullyConnectedOptions(builder).Union()));
    last = next;
  }
  const auto subgraph = tfl::CreateSubGraph(
      builder, builder.CreateVector(tensors), builder.CreateVector(std::vector<std::int32_t>{0}),
      builder.CreateVector(std::vector<std::int32_t>{last}), builder.CreateVector(operators));
  const auto code =
      tfl::CreateOperatorCode(builder, 9, 0, 1, tfl::BuiltinOperator::FULLY_CONNECTED);
  builder.Finish(
      tfl::CreateModel(
          builder, 3,
          builder.CreateVector(std::vector<flatbuffers::Offset<tfl::OperatorCode>>{code}),
          builder.CreateVector(std::vector<flatbuffers::Offset<tfl::SubGraph>>{subgraph}), 0,
          builder.CreateVector(buffers)),
      "TFL3");
  const auto* begin = view_as<const std::byte>(builder.GetBufferPointer());
  return {begin, begin + builder.GetSize()};
}

TEST(TfliteWriter, TensorsThatShareABufferShareTheNewOne) {
  constexpr std::size_t kLayers = 12;
  const std::vector<std::byte> file = build_sharing_model(kLayers);
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  ASSERT_EQ(model->graph().weights.size(), kLayers);
  std::vector<EncodedWeight> values;
  for (const Weight& weight : model->graph().weights) values.push_back(as_int8(weight, true));
  std::vector<WeightEdit> all;
  for (std::size_t i = 0; i < kLayers; ++i) all.push_back({i, &values[i]});
  const std::vector<std::byte> output = rewritten(*model, all);
  EXPECT_LT(output.size(), file.size());
  const auto again = open_bytes(output);
  ASSERT_NE(again, nullptr);
  for (std::size_t i = 0; i < kLayers; ++i) {
    const WeightRef& stored = again->graph().weights[i].stored;
    EXPECT_TRUE(std::ranges::equal(stored.payload, values[i].codes)) << i;
    EXPECT_EQ(stored.payload.data(), again->graph().weights[0].stored.payload.data()) << i;
  }
  // One that stays keeps the old buffer for itself alone.
  all.pop_back();
  const std::vector<std::byte> most = rewritten(*model, all);
  const auto mixed = open_bytes(most);
  ASSERT_NE(mixed, nullptr);
  EXPECT_TRUE(std::ranges::equal(mixed->graph().weights[kLayers - 1].stored.payload,
                                 model->graph().weights[kLayers - 1].stored.payload));
  EXPECT_TRUE(std::ranges::equal(mixed->graph().weights[0].stored.payload, values[0].codes));
}

TEST(TfliteWriter, AnAppendedArchiveMovesWithItsOffsets) {
  VP_SKIP_WITHOUT_SHARED();
  auto file = MappedFile::open(find_shared_folder() +
                               "/models/classifiers/mobilenet_v1_0.25_224_metadata.tflite");
  ASSERT_TRUE(file);
  const auto model = open_bytes(file->bytes());
  ASSERT_NE(model, nullptr);
  std::vector<EncodedWeight> values;
  std::vector<WeightEdit> edits;
  for (const Weight& weight : model->graph().weights) values.push_back(as_halves(weight));
  for (std::size_t i = 0; i < values.size(); ++i) edits.push_back({i, &values[i]});
  const std::vector<std::byte> output = rewritten(*model, edits);
  EXPECT_LT(output.size(), file->bytes().size() * 6 / 10);
  const auto again = open_bytes(output);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->graph().labels, model->graph().labels);
}

TEST(TfliteWriter, EveryFloatModelBecomesHalvesHybridAndWeightOnly) {
  VP_SKIP_WITHOUT_SHARED();
  for (const char* name :
       {"classifiers/vww_96_float.tflite", "custom-vision/fruit.tflite",
        "other/face_detection_short_range_fp16.tflite", "other/starry_night.tflite"}) {
    auto file = MappedFile::open(find_shared_folder() + "/models/" + name);
    ASSERT_TRUE(file);
    const auto model = open_bytes(file->bytes());
    ASSERT_NE(model, nullptr);
    const Graph& graph = model->graph();
    std::vector<EncodedWeight> halves;
    std::vector<EncodedWeight> codes;
    for (const Weight& weight : graph.weights) {
      halves.push_back(as_halves(weight));
      codes.push_back(as_int8(weight, weight.role == WeightRole::Kernel));
    }
    std::vector<WeightEdit> to_halves;
    std::vector<WeightEdit> to_codes;
    for (std::size_t i = 0; i < graph.weights.size(); ++i) {
      to_halves.push_back({i, &halves[i]});
      if (graph.weights[i].role == WeightRole::Kernel) to_codes.push_back({i, &codes[i]});
    }
    const std::vector<std::byte> half_file = rewritten(*model, to_halves);
    const auto half_model = open_bytes(half_file);
    ASSERT_NE(half_model, nullptr) << name;
    EXPECT_EQ(half_model->graph().nodes.size(), graph.nodes.size()) << name;
    for (const IntegerForm form : {IntegerForm::DynamicRange, IntegerForm::WeightOnly}) {
      const std::vector<std::byte> output = rewritten(*model, to_codes, form);
      const auto again = open_bytes(output);
      ASSERT_NE(again, nullptr) << name;
      for (const Node& node : again->graph().nodes) {
        const auto* conv = std::get_if<Conv2d>(&node.op);
        if (conv != nullptr) {
          EXPECT_EQ(conv->dynamic_range, form == IntegerForm::DynamicRange) << name;
        }
        EXPECT_FALSE(std::holds_alternative<Unsupported>(node.op)) << name << ": " << node.path;
      }
    }
  }
}

TEST(TfliteWriter, WhatItsModelHasNoReasonAgainstIsTaken) {
  const auto file = MappedFile::open(VP_SOURCE_DIR "/demo/model/model.tflite");
  ASSERT_TRUE(file);
  const auto model = open_bytes(file->bytes());
  ASSERT_NE(model, nullptr);
  for (const IntegerForm form :
       {IntegerForm::DynamicRange, IntegerForm::WeightOnly, IntegerForm::TensorFlow112}) {
    for (const bool packs : {false, true}) {
      EXPECT_GT(expect_answers_kept(*model, {form, packs}), 2 * model->graph().weights.size());
    }
  }
  std::size_t kernel = 0;
  while (model->graph().weights.at(kernel).role != WeightRole::Kernel) ++kernel;
  EXPECT_EQ(answer_to(*model, kernel, "palette-8"), "TFLite has no tables of values");
  EXPECT_EQ(answer_to(*model, kernel, "linear-8-block-32"), "TFLite has no scales per block");
  EXPECT_TRUE(model->adapt(kernel, *parse_form("linear-8")).is_signed);
  EXPECT_EQ(model->rules(*parse_form("fp16")).least_elements, 128U);
}

TEST(TfliteWriter, TensorFlow112HasNoKernelForAScalePerChannel) {
  const auto file = MappedFile::open(VP_SOURCE_DIR "/demo/model/model.tflite");
  ASSERT_TRUE(file);
  const auto model = open_bytes(file->bytes());
  ASSERT_NE(model, nullptr);
  const std::vector<Weight>& weights = model->graph().weights;
  std::size_t kernels = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].role != WeightRole::Kernel || weights[i].stored.shape.size() != 4) continue;
    ++kernels;
    EXPECT_EQ(answer_to(*model, i, "linear-8-tensor", {IntegerForm::TensorFlow112}), "");
    EXPECT_EQ(answer_to(*model, i, "linear-8", {IntegerForm::TensorFlow112}),
              "TensorFlow 1.12 has no 8-bit kernel for its operator");
  }
  EXPECT_GT(kernels, 0U);
}

TEST(TfliteWriter, CodesBeyondTheLimitsAreRefused) {
  const std::vector<std::byte> file = build_tiny_model();
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const std::size_t kernel = index_of(model->graph(), "conv/w");
  const EncodedWeight good = as_int8(model->graph().weights[kernel], true);
  const auto message = [&](const EncodedWeight& value) {
    const std::vector<WeightEdit> edits = {{kernel, &value}};
    const auto pieces = model->rewrite(edits, {});
    return pieces ? std::string("accepted") : pieces.error().message;
  };
  EncodedWeight bad = good;
  bad.codes[5] = std::byte{0x80};
  EXPECT_EQ(message(bad), "\"conv/w\": a code is -128, TFLite kernels use -127 to 127");
  bad = good;
  bad.code.bits = 9;
  EXPECT_EQ(message(bad),
            "\"conv/w\": TFLite takes linear codes of 1 to 8 bits, signed, with zero points 0");
  bad = good;
  bad.code.zero_points = {1, 0, 0, 0};
  EXPECT_EQ(message(bad),
            "\"conv/w\": TFLite takes linear codes of 1 to 8 bits, signed, with zero points 0");
  bad = good;
  bad.code.scales.pop_back();
  EXPECT_EQ(message(bad), "\"conv/w\": 3 scales along axis 0 of shape [4,3,3,2]");
  bad = good;
  bad.codes.pop_back();
  EXPECT_EQ(message(bad),
            "\"conv/w\": 71 bytes of shape [4,3,3,2] for a weight of shape [4,3,3,2]");
}

/// A schema with one field more than ours, made by growing a table's vtable by hand.
TEST(TfliteWriter, AFieldThatTheSchemaLacksIsRefusedWithItsPath) {
  flatbuffers::FlatBufferBuilder builder;
  const auto name = builder.CreateString("x");
  const flatbuffers::uoffset_t start = builder.StartTable();
  builder.AddOffset(tfl::Tensor::VT_NAME, name);
  builder.AddElement<std::uint32_t>(4 + 2 * 11, 7);  // ids end at 10
  const flatbuffers::Offset<tfl::Tensor> tensor(builder.EndTable(start));
  const auto tensors = builder.CreateVector(std::vector<flatbuffers::Offset<tfl::Tensor>>{tensor});
  const auto io = builder.CreateVector(std::vector<std::int32_t>{0});
  const auto subgraph = tfl::CreateSubGraph(builder, tensors, io, io);
  const auto subgraphs =
      builder.CreateVector(std::vector<flatbuffers::Offset<tfl::SubGraph>>{subgraph});
  builder.Finish(tfl::CreateModel(builder, 3, 0, subgraphs), "TFL3");
  const auto* begin = view_as<const std::byte>(builder.GetBufferPointer());
  const std::vector<std::byte> file(begin, begin + builder.GetSize());
  const auto model = open_bytes(file);
  ASSERT_NE(model, nullptr);
  const auto pieces = model->rewrite({}, {});
  ASSERT_FALSE(pieces);
  EXPECT_EQ(pieces.error().message, "subgraphs[0].tensors[0]: field 11 is not in the schema");
}

}  // namespace
}  // namespace visionpress
