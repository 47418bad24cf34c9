#include "run/codes.h"

#include <array>
#include <limits>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

Tensor coded(DType dtype, float scale, std::int64_t zero_point) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.quantization = QuantParams{{scale}, {zero_point}, 0};
  return tensor;
}

TEST(Codes, AnInt8CodeIsStored128Higher) {
  const auto code = find_code(coded(DType::Int8, 0.5F, -3), nullptr);
  ASSERT_TRUE(code);
  EXPECT_EQ(code->zero_point, 125);
  EXPECT_EQ(code->file_zero_point(), -3);
  EXPECT_EQ(code->value_of(127), 1.0F);
}

TEST(Codes, ATensorWithOneScalePerChannelOrOfFloatsHoldsNoCodes) {
  Tensor tensor = coded(DType::Int8, 0.5F, 0);
  tensor.quantization->scales.push_back(0.25F);
  EXPECT_FALSE(find_code(tensor, nullptr));
  EXPECT_FALSE(find_code(coded(DType::Float32, 0.5F, 0), nullptr));
}

TEST(Codes, TheKernelSetsRoundHalvesDifferently) {
  const TensorCode code = {1.0F, 10, false};
  const std::array<float, 6> values = {0.5F, 1.5F,  -0.5F,
                                       1e9F, -1e9F, std::numeric_limits<float>::quiet_NaN()};
  std::array<std::uint8_t, 6> codes = {};
  quantize(values, code, CodeRounding::Exact, codes.data());
  EXPECT_EQ(codes, (std::array<std::uint8_t, 6>{11, 12, 9, 255, 0, 0}));
  quantize(values, code, CodeRounding::Xnnpack, codes.data());
  EXPECT_EQ(codes, (std::array<std::uint8_t, 6>{10, 12, 10, 255, 0, 0}));
}

TEST(Codes, TheBuiltinKernelTakesEightElementsAtATime) {
  const TensorCode code = {1.0F, 10, false};
  std::array<float, 9> values = {};
  values.fill(0.5F);
  std::array<std::uint8_t, 9> codes = {};
  quantize(values, code, CodeRounding::Builtin, codes.data());
  EXPECT_EQ(codes[7], 10);
  EXPECT_EQ(codes[8], 11);
}

TEST(Codes, TheBuiltinKernelMultipliesTheZeroPointByItself) {
  const TensorCode code = {0.1F, 3, false};
  std::array<std::uint8_t, 9> codes = {};
  codes.fill(7);
  std::array<float, 9> values = {};
  dequantize(codes, code, CodeRounding::Builtin, values.data());
  EXPECT_EQ(values[7], 7.0F * 0.1F + -3.0F * 0.1F);
  EXPECT_EQ(values[8], 4.0F * 0.1F);
  dequantize(codes, code, CodeRounding::Xnnpack, values.data());
  EXPECT_EQ(values[7], 4.0F * 0.1F);
}

TEST(Codes, ARunInFloatKeepsToTheRangeOfTheCodes) {
  std::array<float, 3> values = {-1.0F, 3.0F, 1000.0F};
  clamp_to_codes(values, {2.0F, 0, false});
  EXPECT_EQ(values, (std::array<float, 3>{0.0F, 3.0F, 510.0F}));
}

}  // namespace
}  // namespace visionpress
