#include "formats/onnx/onnx_tensor.h"

#include <gtest/gtest.h>

#include "formats/onnx/onnx_build_testonly.h"

namespace visionpress::onnx {
namespace {

/// The values of a TensorProto, or the message of its error.
struct Loaded {
  std::vector<double> values = {};
  std::string error = {};
};

Loaded load(const Message& message) {
  ExternalFiles external;
  PayloadPool pool;
  auto parsed = ProtobufMessage::read_file(message.done());
  EXPECT_TRUE(parsed);
  const auto tensor = read_tensor(std::move(*parsed), "t", external, pool);
  if (!tensor) return {{}, tensor.error().message};
  return {load_values(*tensor), {}};
}

using Values = std::vector<double>;

TEST(OnnxTensor, RawDataOfEveryTypeIsRead) {
  EXPECT_EQ(load(float_tensor("t", {2}, {1.5F, -2.0F})).values, (Values{1.5, -2.0}));
  EXPECT_EQ(load(int64_tensor("t", {-1, 7})).values, (Values{-1, 7}));
  EXPECT_EQ(load(byte_tensor("t", DataType::UInt8, {2}, {0, 255})).values, (Values{0, 255}));
  EXPECT_EQ(load(byte_tensor("t", DataType::Int8, {2}, {0x7f, 0x80})).values, (Values{127, -128}));
  EXPECT_EQ(load(byte_tensor("t", DataType::Bool, {2}, {0, 1})).values, (Values{0, 1}));
  EXPECT_EQ(load(byte_tensor("t", DataType::Int16, {1}, {0xff, 0xff})).values, (Values{-1}));
  EXPECT_EQ(load(byte_tensor("t", DataType::UInt16, {1}, {0xff, 0xff})).values, (Values{65535}));
  EXPECT_EQ(load(byte_tensor("t", DataType::Float16, {1}, {0x00, 0x3c})).values, (Values{1}));
  EXPECT_EQ(load(byte_tensor("t", DataType::BFloat16, {1}, {0x80, 0x3f})).values, (Values{1}));
  EXPECT_EQ(load(byte_tensor("t", DataType::Double, {1}, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f})).values,
            (Values{1}));
}

TEST(OnnxTensor, FewBitsLieFromTheLowBitsUp) {
  EXPECT_EQ(load(byte_tensor("t", DataType::UInt4, {3}, {0x21, 0x0f})).values, (Values{1, 2, 15}));
  EXPECT_EQ(load(byte_tensor("t", DataType::Int4, {3}, {0x81, 0x0f})).values, (Values{1, -8, -1}));
  EXPECT_EQ(load(byte_tensor("t", DataType::UInt2, {4}, {0b11100100})).values,
            (Values{0, 1, 2, 3}));
  EXPECT_EQ(load(byte_tensor("t", DataType::Int2, {4}, {0b11100100})).values,
            (Values{0, 1, -2, -1}));
}

TEST(OnnxTensor, TypedFieldsAreReadPackedOrNot) {
  EXPECT_EQ(load(onnx_tensor("t", DataType::Float, {2}).reals(4, {3.0F, 4.0F})).values,
            (Values{3, 4}));
  EXPECT_EQ(load(onnx_tensor("t", DataType::Float, {2}).real(4, 3.0F).real(4, 4.0F)).values,
            (Values{3, 4}));
  EXPECT_EQ(load(onnx_tensor("t", DataType::Int64, {2}).varint(7, 5).varint(7, ~0ULL)).values,
            (Values{5, -1}));
  // A half is the low 16 bits of an int32; two codes of 4 bits are one int32.
  EXPECT_EQ(load(onnx_tensor("t", DataType::Float16, {1}).varint(5, 0x3c00)).values, (Values{1}));
  EXPECT_EQ(load(onnx_tensor("t", DataType::Int4, {2}).varint(5, 0xf1)).values, (Values{1, -1}));
}

TEST(OnnxTensor, NumbersBeyondADoubleAreClamped) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(load(int64_tensor("t", {most})).values, (Values{9007199254740992.0}));
}

TEST(OnnxTensor, ValuesThatDoNotFitTheShapeAreRefused) {
  EXPECT_EQ(load(float_tensor("t", {3}, {1, 2})).error,
            "t: raw_data is 8 bytes, shape [3] of float needs 12");
  EXPECT_EQ(load(onnx_tensor("t", DataType::Float, {2}).real(4, 1)).error,
            "t: its typed field is 4 bytes, shape [2] of float needs 8");
  EXPECT_EQ(load(onnx_tensor("t", DataType::Float, {2})).error,
            "t: the payload is 0 bytes, shape [2] of float needs 8");
  EXPECT_EQ(load(float_tensor("t", {1LL << 40, 1LL << 40}, {})).error,
            "t: shape [1099511627776,1099511627776], expected sizes");
  EXPECT_EQ(load(float_tensor("t", {-1}, {})).error, "t: shape [-1], expected sizes");
  EXPECT_EQ(
      load(float_tensor("t", {1LL << 60}, {})).error,
      "t: raw_data is 0 bytes, shape [1152921504606846976] of float needs more than 2^60 bytes");
  EXPECT_EQ(load(byte_tensor("t", static_cast<DataType>(17), {1}, {0})).error,
            "t: its elements are of type 17, which is not read");
}

TEST(OnnxTensor, ExternalValuesNeedTheirFile) {
  Message tensor = onnx_tensor("t", DataType::Float, {1});
  tensor.message(13, Message().text(1, "location").text(2, "w.bin")).varint(14, 1);
  EXPECT_EQ(load(tensor).error, "t: its values are in the file \"w.bin\", which was not given");
}

}  // namespace
}  // namespace visionpress::onnx
