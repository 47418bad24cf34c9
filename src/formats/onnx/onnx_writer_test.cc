#include "formats/onnx/onnx_writer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "codecs/family.h"
#include "formats/form_answers_testonly.h"
#include "formats/onnx/onnx_run_testonly.h"

namespace visionpress {
namespace {

using Floats = std::vector<float>;

ByteBuffer join_pieces(const FilePieces& pieces) {
  ByteBuffer all;
  for (const Bytes piece : pieces.pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

std::vector<float> wave(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(static_cast<float>(i));
  return values;
}

/// A convolution of 4 channels, a Squeeze with its axes as an attribute, and a field that no one
/// knows.
Message conv_model(std::int64_t opset, std::uint64_t ir = 6) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {1, 3, 4, 4})};
  parts.initializers = {float_tensor("w", {4, 3, 3, 3}, wave(108)),
                        float_tensor("b", {4}, wave(4))};
  parts.nodes = {onnx_node("Conv", {"x", "w", "b"}, {"c"}),
                 onnx_node("GlobalAveragePool", {"c"}, {"p"}),
                 onnx_node("Squeeze", {"p"}, {"y"}, {ints_attribute("axes", {2, 3})})};
  Message model = onnx_model(parts, opset, ir);
  return model.text(99, "of a later version");
}

EncodedWeight encode(const SourceModel& model, std::size_t index, const char* name) {
  const Weight& weight = model.graph().weights[index];
  const Form form = model.adapt(index, *parse_form(name));
  EncodeOptions options;
  options.channel_axis = weight.channel_axis;
  const FloatView values(weight.stored.payload);
  auto encoded = find_family(form)->encode(values, weight.stored.shape, form, options);
  EXPECT_TRUE(encoded) << (encoded ? "" : encoded.error().message);
  return encoded ? std::move(*encoded) : EncodedWeight();
}

/// The file with weight 0 in this form, and its notes.
FilePieces rewrite_first(const SourceModel& model, const EncodedWeight& value) {
  const std::vector<WeightEdit> edits = {{0, &value}};
  auto pieces = model.rewrite(edits, {});
  EXPECT_TRUE(pieces) << (pieces ? "" : pieces.error().message);
  return pieces ? std::move(*pieces) : FilePieces();
}

TEST(OnnxWriter, WithoutEditsTheFileIsTheSame) {
  const ByteBuffer file = conv_model(11).done();
  const auto model = try_read_onnx(file);
  ASSERT_TRUE(model);
  const auto pieces = (*model)->rewrite({}, {});
  ASSERT_TRUE(pieces);
  EXPECT_TRUE(std::ranges::equal(join_pieces(*pieces), file));
}

TEST(OnnxWriter, EveryFormIsReadBackAsItWasWritten) {
  struct Case {
    const char* form;
    std::int64_t opset;
    int bits;
    const char* note;
  };
  const std::vector<Case> cases = {
      {"fp16", 11, 16, ""},
      {"linear-8", 13, 8, ""},
      {"linear-8", 11, 8,
       "opset raised from 11 to 13 (IR version 7), which ONNX Runtime 1.7 and later run"},
      {"linear-8-tensor", 13, 8, ""},
      {"linear-5", 13, 8, ""},
      {"linear-4", 21, 4, ""},
      {"linear-4", 13, 4,
       "opset raised from 13 to 21 (IR version 10), which ONNX Runtime 1.20 and later run"},
      {"linear-3", 21, 4, ""},
      {"linear-2", 11, 2,
       "opset raised from 11 to 25 (IR version 13), which ONNX Runtime 1.24 and later run"},
      {"linear-8", 5, 8, ""},
  };
  for (const Case& one : cases) {
    const ByteBuffer file = conv_model(one.opset).done();
    const auto model = try_read_onnx(file);
    ASSERT_TRUE(model);
    const EncodedWeight value = encode(**model, 0, one.form);
    const FilePieces pieces = rewrite_first(**model, value);
    EXPECT_EQ(pieces.notes,
              *one.note == '\0' ? std::vector<std::string>() : std::vector<std::string>{one.note});
    const ByteBuffer written = join_pieces(pieces);
    const auto read = try_read_onnx(written);
    ASSERT_TRUE(read) << one.form << ": " << read.error().to_string();
    const Graph& graph = (*read)->graph();
    ASSERT_EQ(graph.weights.size(), 2U) << one.form;
    const auto found = std::ranges::find(graph.weights, "w", &Weight::name);
    ASSERT_NE(found, graph.weights.end()) << one.form;
    EXPECT_EQ(found->stored.code.bits, one.bits) << one.form << " at opset " << one.opset;
    EXPECT_EQ(found->role, WeightRole::Kernel);
    const auto before = run_onnx(file, wave(48));
    const auto after = run_onnx(written, wave(48));
    ASSERT_EQ(after.size(), 1U) << one.form;
    const float tolerance = one.bits >= 8 ? 0.2F : 10.0F;
    for (std::size_t i = 0; i < before[0].values.size(); ++i)
      EXPECT_NEAR(before[0].values[i], after[0].values[i], tolerance) << one.form;
  }
}

TEST(OnnxWriter, AWrittenFileIsRewrittenToAnotherFormWithoutALeftover) {
  const ByteBuffer file = conv_model(13).done();
  const auto model = try_read_onnx(file);
  ASSERT_TRUE(model);
  const EncodedWeight eight = encode(**model, 0, "linear-8");
  const EncodedWeight half = encode(**model, 0, "fp16");
  const ByteBuffer written = join_pieces(rewrite_first(**model, eight));
  const auto read = try_read_onnx(written);
  ASSERT_TRUE(read);
  const auto& weights = (*read)->graph().weights;
  const auto index =
      static_cast<std::size_t>(std::ranges::find(weights, "w", &Weight::name) - weights.begin());
  const std::vector<WeightEdit> edits = {{index, &half}};
  const auto again = (*read)->rewrite(edits, {});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(join_pieces(*again).size(), join_pieces(rewrite_first(**model, half)).size());
}

TEST(OnnxWriter, InitializersThatAreInputsNoLongerAre) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {1, 3, 4, 4}), value_info("w", {4, 3, 3, 3})};
  parts.initializers = {float_tensor("w", {4, 3, 3, 3}, wave(108))};
  parts.nodes = {onnx_node("Conv", {"x", "w"}, {"y"})};
  const ByteBuffer file = onnx_model(parts, 7, 3).done();
  const auto model = try_read_onnx(file);
  ASSERT_TRUE(model) << model.error().to_string();
  const ByteBuffer written = join_pieces(rewrite_first(**model, encode(**model, 0, "fp16")));
  const auto read = try_read_onnx(written);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ((*read)->graph().inputs.size(), 1U);
  EXPECT_TRUE((*read)->graph().format_version.starts_with("IR version 4"));
}

TEST(OnnxWriter, AFileWhoseOpsetMeansSomethingElseKeepsIt) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {1, 3, 4, 4})};
  parts.initializers = {float_tensor("w", {4, 3, 3, 3}, wave(108))};
  // Pads are an attribute before opset 11.
  parts.nodes = {onnx_node("Pad", {"x"}, {"p"}, {ints_attribute("pads", {0, 0, 0, 0, 0, 0, 1, 1})}),
                 onnx_node("Conv", {"p", "w"}, {"y"})};
  const ByteBuffer file = onnx_file(parts, 9);
  const auto model = try_read_onnx(file);
  ASSERT_TRUE(model);
  for (const char* form : {"linear-8", "linear-4"}) {
    const EncodedWeight value = encode(**model, 0, form);
    const FilePieces pieces = rewrite_first(**model, value);  // borrows the value
    EXPECT_TRUE(pieces.notes.empty());
    const ByteBuffer written = join_pieces(pieces);
    const auto read = try_read_onnx(written);
    ASSERT_TRUE(read);
    ASSERT_EQ((*read)->graph().weights.size(), 1U);
    EXPECT_EQ((*read)->graph().weights[0].stored.code.bits, 8);
    EXPECT_EQ((*read)->graph().weights[0].stored.code.scales.size(), 4U);
  }
}

TEST(OnnxWriter, WhatItAcceptsItWrites) {
  for (const std::int64_t opset : {5, 11, 13, 21, 25}) {
    const ByteBuffer file = conv_model(opset).done();
    const auto model = try_read_onnx(file);
    ASSERT_TRUE(model);
    EXPECT_GT(expect_answers_kept(**model, {}), 0U);
  }
}

TEST(OnnxWriter, EditsThatDoNotFitAreRefused) {
  const ByteBuffer file = conv_model(13).done();
  const auto model = try_read_onnx(file);
  ASSERT_TRUE(model);
  EXPECT_EQ(answer_to(**model, 0, "palette-4"), "ONNX has no tables of values");
  EXPECT_EQ(answer_to(**model, 1, "fp16"),
            "fewer than 64 elements: the node that decodes it takes more room");
  EncodedWeight value = encode(**model, 0, "linear-8");
  value.code.offsets = {1.0F, 1.0F, 1.0F, 1.0F};
  const std::vector<WeightEdit> edits = {{0, &value}};
  EXPECT_EQ(
      (*model)->rewrite(edits, {}).error().message,
      "w: codes of 8 bits, with an offset, ONNX takes signed ones of 1 to 8 bits with a scale");
}

TEST(OnnxWriter, EverySharedModelIsTheSameWithoutEdits) {
  VP_SKIP_WITHOUT_SHARED();
  for (const char* name :
       {"classifiers/efficientnet_lite0", "custom-vision/cat-or-dog", "custom-vision/currency",
        "detectors/fastestdet", "detectors/yolox_nano"}) {
    const auto file = MappedFile::open(find_shared_folder() + "/models/" + name + ".onnx");
    ASSERT_TRUE(file);
    const auto model = try_read_onnx(file->bytes());
    ASSERT_TRUE(model) << name << ": " << model.error().to_string();
    const auto pieces = (*model)->rewrite({}, {});
    ASSERT_TRUE(pieces);
    EXPECT_TRUE(std::ranges::equal(join_pieces(*pieces), file->bytes())) << name;
  }
}

}  // namespace
}  // namespace visionpress
