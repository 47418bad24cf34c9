// What single nodes compute, for the parts that ONNX's own tests
// (tests/makers/check_onnx_backend.py) do not reach: old opsets, open sizes, four axes, refusals.

#include <cmath>

#include <gtest/gtest.h>

#include "formats/onnx/onnx_run_testonly.h"

namespace visionpress {
namespace {

using onnx::DataType;
using Floats = std::vector<float>;

TEST(OnnxOperators, BeforeOpset7AnOperandNamesItsAxis) {
  const ByteBuffer file =
      one_node(onnx_node("Add", {"x", "b"}, {"y"},
                         {int_attribute("broadcast", 1), int_attribute("axis", 1)}),
               {1, 2, 1, 2}, {float_tensor("b", {2}, {10, 20})}, 6);
  EXPECT_EQ(run_onnx(file, {0, 1, 2, 3})[0].values, (Floats{10, 11, 22, 23}));
}

TEST(OnnxOperators, BeforeOpset13SoftmaxCoversAllAxesFromItsAxisOn) {
  const ByteBuffer old = one_node(onnx_node("Softmax", {"x"}, {"y"}), {1, 2, 2}, {}, 11);
  EXPECT_EQ(run_onnx(old, {0, 0, 0, 0})[0].values, (Floats{0.25F, 0.25F, 0.25F, 0.25F}));
  const ByteBuffer recent = one_node(onnx_node("Softmax", {"x"}, {"y"}), {1, 2, 2}, {}, 13);
  EXPECT_EQ(run_onnx(recent, {0, 0, 0, 0})[0].values, (Floats{0.5F, 0.5F, 0.5F, 0.5F}));
}

TEST(OnnxOperators, ASliceGoesBackwardsAndTakesAttributesBeforeOpset10) {
  const ByteBuffer back =
      one_node(onnx_node("Slice", {"x", "s", "e", "a", "t"}, {"y"}), {1, 1, 1, 4},
               {int64_tensor("s", {-1}), int64_tensor("e", {-100}), int64_tensor("a", {3}),
                int64_tensor("t", {-2})});
  EXPECT_EQ(run_onnx(back, {0, 1, 2, 3})[0].values, (Floats{3, 1}));
  const ByteBuffer old =
      one_node(onnx_node("Slice", {"x"}, {"y"},
                         {ints_attribute("starts", {1}), ints_attribute("ends", {1000}),
                          ints_attribute("axes", {1})}),
               {1, 4}, {}, 9);
  EXPECT_EQ(run_onnx(old, {0, 1, 2, 3})[0].values, (Floats{1, 2, 3}));
}

TEST(OnnxOperators, TensorsOfFourAxesKeepTheirOrderInProductsAndGathers) {
  // [1,2,2,2] times [2,2], which is not a convolution.
  const ByteBuffer product = one_node(onnx_node("MatMul", {"x", "w"}, {"y"}), {1, 2, 2, 2},
                                      {float_tensor("w", {2, 2}, {1, 1, 0, 1})});
  EXPECT_EQ(run_onnx(product, count_up(8))[0].values, (Floats{0, 1, 2, 5, 4, 9, 6, 13}));
  const ByteBuffer gather =
      one_node(onnx_node("Gather", {"x", "i"}, {"y"}, {int_attribute("axis", 1)}), {1, 2, 2, 2},
               {int64_tensor("i", {-1, 0})});
  EXPECT_EQ(run_onnx(gather, count_up(8))[0].values, (Floats{4, 5, 6, 7, 0, 1, 2, 3}));
}

TEST(OnnxOperators, AConvolutionOfOneAxisIsRun) {
  const ByteBuffer file =
      one_node(onnx_node("Conv", {"x", "w", "b"}, {"y"}), {1, 1, 4},
               {float_tensor("w", {1, 1, 2}, {1, 2}), float_tensor("b", {1}, {10})});
  const auto results = run_onnx(file, {1, 2, 3, 4});
  EXPECT_EQ(results[0].shape, (Shape{1, 1, 3}));
  EXPECT_EQ(results[0].values, (Floats{15, 18, 21}));
}

TEST(OnnxOperators, ImageScalerAndLegacyPaddingOfWinMLToolsAreRun) {
  Message bias = Message().text(1, "bias").real(7, 1).real(7, 2).varint(20, 6);
  const ByteBuffer scaler =
      one_node(onnx_node("ImageScaler", {"x"}, {"y"}, {float_attribute("scale", 2.0F), bias}),
               {1, 2, 1, 1}, {}, 1);
  EXPECT_EQ(run_onnx(scaler, {1, 1})[0].values, (Floats{3, 4}));
  // 4 pixels, windows of 3 with stride 2: the second window needs one more.
  OnnxParts parts;
  parts.inputs = {value_info("x", {1, 1, 1, 4})};
  parts.nodes = {
      onnx_node("LegacyPadding", {"x"}, {"p"},
                {ints_attribute("kernel_shape", {1, 3}), ints_attribute("strides", {1, 2}),
                 ints_attribute("pads", {0, 0}), float_attribute("value", -9.0F)},
                "com.microsoft"),
      onnx_node("MaxPool", {"p"}, {"y"},
                {ints_attribute("kernel_shape", {1, 3}), ints_attribute("strides", {1, 2}),
                 text_attribute("auto_pad", "VALID")})};
  EXPECT_EQ(run_onnx(onnx_file(parts, 1), {1, 2, 3, 4})[0].values, (Floats{3, 4}));
}

TEST(OnnxOperators, QuantizedActivationsAreRoundedToTheirCodes) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {4})};
  parts.initializers = {float_tensor("s", {}, {0.5F}), byte_tensor("z", DataType::UInt8, {}, {10})};
  parts.nodes = {onnx_node("QuantizeLinear", {"x", "s", "z"}, {"q"}),
                 onnx_node("DequantizeLinear", {"q", "s", "z"}, {"y"})};
  EXPECT_EQ(run_onnx(onnx_file(parts), {0.2F, 0.25F, 0.75F, -100})[0].values,
            (Floats{0, 0, 1, -5}));
}

TEST(OnnxOperators, ConstantCodesBecomeAWeight) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {1, 2})};
  parts.initializers = {byte_tensor("q", DataType::Int4, {2, 2}, {0x21, 0xf3}),
                        float_tensor("s", {2}, {0.5F, 2.0F})};
  parts.nodes = {onnx_node("DequantizeLinear", {"q", "s"}, {"w"}, {int_attribute("axis", 0)}),
                 onnx_node("Gemm", {"x", "w"}, {"y"}, {int_attribute("transB", 1)})};
  const ByteBuffer file = onnx_file(parts, 21);
  const auto model = try_read_onnx(file);
  ASSERT_TRUE(model);
  ASSERT_EQ((*model)->graph().weights.size(), 1U);
  const Weight& weight = (*model)->graph().weights[0];
  EXPECT_EQ(weight.name, "w");
  EXPECT_EQ(weight.role, WeightRole::Kernel);
  EXPECT_EQ(weight.stored.code.bits, 4);
  // [[1, 2], [3, -1]] times [0.5, 2]
  EXPECT_EQ(run_onnx(file, {1, 10})[0].values, (Floats{10.5F, -14}));
}

TEST(OnnxOperators, ScalesOfBlocksAreRead) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {1, 4})};
  parts.initializers = {byte_tensor("q", DataType::Int8, {4, 1}, {1, 1, 1, 1}),
                        float_tensor("s", {2, 1}, {1.0F, 10.0F})};
  parts.nodes = {onnx_node("DequantizeLinear", {"q", "s"}, {"w"},
                           {int_attribute("axis", 0), int_attribute("block_size", 2)}),
                 onnx_node("MatMul", {"x", "w"}, {"y"})};
  EXPECT_EQ(run_onnx(onnx_file(parts, 21), {1, 2, 3, 4})[0].values, (Floats{73}));
}

TEST(OnnxOperators, WhatCannotBeRunSaysWhy) {
  const auto why = [](const Message& node, std::vector<std::int64_t> x = {1, 2, 4, 4},
                      std::vector<Message> constants = {}) {
    const std::string text = onnx_refusal(one_node(node, std::move(x), std::move(constants)));
    const std::size_t at = text.find("): ");
    return at == std::string::npos ? text : text.substr(at + 3);
  };
  EXPECT_EQ(why(onnx_node("Conv", {"x", "x"}, {"y"})), "its kernel is computed");
  EXPECT_EQ(why(onnx_node("Loop", {"x"}, {"y"})), "how often its layers run is decided in the run");
  EXPECT_EQ(why(onnx_node("Einsum", {"x"}, {"y"})), "no operator here computes it");
  EXPECT_EQ(why(onnx_node("BatchNormalization", {"x", "w", "w", "w", "w"}, {"y"},
                          {int_attribute("training_mode", 1)}),
                {1, 2, 4, 4}, {float_tensor("w", {2}, {1, 1})}),
            "it is in training mode: it needs the statistics of a batch");
  EXPECT_EQ(why(onnx_node("Conv", {"x", "w"}, {"y"}), {1, 1, 2, 2, 2},
                {float_tensor("w", {1, 1, 1, 1, 1}, {1})}),
            "it convolves 3 axes, 1 or 2 are run");
}

TEST(OnnxOperators, AnOpenSizeIsAskedFor) {
  OnnxParts parts;
  parts.inputs = {value_info("x", {1, 1, -1, -1})};
  parts.nodes = {onnx_node("Relu", {"x"}, {"y"})};
  const ByteBuffer file = onnx_file(parts);
  EXPECT_TRUE(onnx_refusal(file).find("--input-size") != std::string::npos) << onnx_refusal(file);
  ReadOptions options;
  options.input_size = {2, 3};
  const auto model = try_read_onnx(file, options);
  ASSERT_TRUE(model);
  EXPECT_EQ((*model)->graph().tensor((*model)->graph().inputs[0]).shape, (Shape{1, 1, 2, 3}));
}

}  // namespace
}  // namespace visionpress
