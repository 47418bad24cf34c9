#pragma once

// A small TFLite file made in memory: x -> CONV_2D (3x3, 2 to 4 channels) -> RELU -> y.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "tflite_schema_generated.h"

namespace visionpress {

/// The parts of the file that tests break. Positions are those in the file's lists.
struct TinyModel {
  std::vector<std::int32_t> kernel_shape = {4, 3, 3, 2};
  tfl::TensorType kernel_type = tfl::TensorType::FLOAT32;
  std::vector<float> kernel_scales = {};
  std::size_t kernel_bytes = 4UL * 4 * 3 * 3 * 2;
  std::vector<std::int32_t> conv_inputs = {0, 1, 2};
  std::vector<std::int32_t> relu_inputs = {3};
  std::vector<std::int32_t> outputs = {4};
  std::uint32_t kernel_buffer = 1;
  std::uint32_t opcode = 0;
  std::uint32_t version = 3;
  std::int32_t stride = 1;
  std::string identifier = "TFL3";
  std::string runtime = "1.5.0";  ///< min_runtime_version
  bool has_output_shape = true;
  bool kernel_outside = false;  ///< its bytes lie after the flatbuffer, at kOutsideOffset
};

/// A position after the tiny flatbuffer, at a multiple of 16.
inline constexpr std::size_t kOutsideOffset = 16384;

/// The file's bytes. std::vector's memory is aligned to 16.
inline std::vector<std::byte> build_tiny_model(const TinyModel& tiny = {}) {
  flatbuffers::FlatBufferBuilder builder;
  const auto buffer = [&builder](std::size_t size, std::uint8_t seed) {
    std::vector<std::uint8_t> bytes(size);
    // Write small finite floats: the exponent byte of each group of four stays 0x3e.
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = i % 4 == 3 ? std::uint8_t{0x3e} : static_cast<std::uint8_t>(seed + 7 * i);
    }
    builder.ForceVectorAlignment(size, 1, 16);
    return tfl::CreateBuffer(builder, builder.CreateVector(bytes));
  };
  std::vector<std::uint8_t> runtime(16);
  std::copy(tiny.runtime.begin(), tiny.runtime.end(), runtime.begin());
  std::vector<flatbuffers::Offset<tfl::Buffer>> buffers = {
      tfl::CreateBuffer(builder),
      tiny.kernel_outside ? tfl::CreateBuffer(builder, 0, kOutsideOffset, tiny.kernel_bytes)
                          : buffer(tiny.kernel_bytes, 1),
      buffer(16, 5), tfl::CreateBuffer(builder, builder.CreateVector(runtime))};
  const auto tensor = [&builder](const std::string& name, const std::vector<std::int32_t>& shape,
                                 std::uint32_t buffer_index) {
    return tfl::CreateTensor(builder, builder.CreateVector(shape), tfl::TensorType::FLOAT32,
                             buffer_index, builder.CreateString(name));
  };
  const auto kernel_shape = builder.CreateVector(tiny.kernel_shape);
  const auto kernel_name = builder.CreateString("conv/w");
  flatbuffers::Offset<tfl::QuantizationParameters> quantization;
  if (!tiny.kernel_scales.empty()) {
    quantization =
        tfl::CreateQuantizationParameters(builder, 0, 0, builder.CreateVector(tiny.kernel_scales));
  }
  std::vector<flatbuffers::Offset<tfl::Tensor>> tensors = {
      tensor("x", {1, 8, 8, 2}, 0),
      tfl::CreateTensor(builder, kernel_shape, tiny.kernel_type, tiny.kernel_buffer, kernel_name,
                        quantization),
      tensor("conv/b", {4}, 2), tensor("conv", {1, 8, 8, 4}, 0),
      tiny.has_output_shape
          ? tensor("y", {1, 8, 8, 4}, 0)
          : tfl::CreateTensor(builder, 0, tfl::TensorType::FLOAT32, 0, builder.CreateString("y"))};
  const auto conv_options =
      tfl::CreateConv2DOptions(builder, tfl::Padding::SAME, tiny.stride, tiny.stride);
  std::vector<flatbuffers::Offset<tfl::Operator>> operators = {
      tfl::CreateOperator(builder, tiny.opcode, builder.CreateVector(tiny.conv_inputs),
                          builder.CreateVector(std::vector<std::int32_t>{3}),
                          tfl::BuiltinOptions::Conv2DOptions, conv_options.Union()),
      tfl::CreateOperator(builder, 1, builder.CreateVector(tiny.relu_inputs),
                          builder.CreateVector(std::vector<std::int32_t>{4}))};
  std::vector<flatbuffers::Offset<tfl::SubGraph>> subgraphs = {tfl::CreateSubGraph(
      builder, builder.CreateVector(tensors), builder.CreateVector(std::vector<std::int32_t>{0}),
      builder.CreateVector(tiny.outputs), builder.CreateVector(operators),
      builder.CreateString("main"))};
  std::vector<flatbuffers::Offset<tfl::OperatorCode>> codes = {
      tfl::CreateOperatorCode(builder, 3, 0, 1, tfl::BuiltinOperator::CONV_2D),
      tfl::CreateOperatorCode(builder, 19, 0, 1, tfl::BuiltinOperator::RELU)};
  std::vector<flatbuffers::Offset<tfl::Metadata>> metadata = {
      tfl::CreateMetadata(builder, builder.CreateString("min_runtime_version"), 3)};
  const auto model =
      tfl::CreateModel(builder, tiny.version, builder.CreateVector(codes),
                       builder.CreateVector(subgraphs), builder.CreateString("tiny"),
                       builder.CreateVector(buffers), 0, builder.CreateVector(metadata));
  builder.Finish(model, tiny.identifier.c_str());
  const auto* begin = view_as<const std::byte>(builder.GetBufferPointer());
  std::vector<std::byte> file(begin, begin + builder.GetSize());
  if (tiny.kernel_outside) {
    file.resize(kOutsideOffset);
    for (std::size_t i = 0; i < tiny.kernel_bytes; ++i)
      file.push_back(i % 4 == 3 ? std::byte{0x3e} : static_cast<std::byte>(1 + 7 * i));
  }
  return file;
}

/// Joins the pieces into one, as a reader needs them.
inline std::vector<std::byte> joined(const std::vector<Bytes>& pieces) {
  std::vector<std::byte> bytes;
  for (const Bytes piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
  return bytes;
}

}  // namespace visionpress
