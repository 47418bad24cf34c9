#pragma once

// Makes a TFLite file of one operator in memory.

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "tflite_schema_generated.h"

namespace visionpress {

/// One tensor of the file; the first is the model's input. A tensor with values is a constant.
struct FileValue {
  tfl::TensorType type = tfl::TensorType::FLOAT32;
  std::vector<std::int32_t> shape = {};
  std::vector<double> values = {};
  std::vector<std::int32_t> signature = {};
  bool has_shape = true;  ///< false: the file does not state its axes
};

/// inputs and outputs are indices into `tensors`; the outputs are the model's outputs.
struct OneOperator {
  tfl::BuiltinOperator code = tfl::BuiltinOperator::CUSTOM;
  std::vector<FileValue> tensors = {};
  std::vector<std::int32_t> inputs = {};
  std::vector<std::int32_t> outputs = {};
  tfl::BuiltinOptions options = tfl::BuiltinOptions::NONE;
  /// Makes the table of options; null: the operator has none.
  flatbuffers::Offset<void> (*make_options)(flatbuffers::FlatBufferBuilder&) = nullptr;
};

template <typename T>
void append_values(const std::vector<double>& values, std::vector<std::uint8_t>& bytes) {
  for (const double value : values) {
    std::byte raw[sizeof(T)] = {};
    store_le(MutableBytes(raw), 0, static_cast<T>(value));
    for (const std::byte b : raw) bytes.push_back(std::to_integer<std::uint8_t>(b));
  }
}

inline std::vector<std::uint8_t> constant_bytes(const FileValue& value) {
  std::vector<std::uint8_t> bytes;
  switch (value.type) {
    case tfl::TensorType::FLOAT32:
      for (const double v : value.values) {
        const double bits = std::bit_cast<std::uint32_t>(static_cast<float>(v));
        append_values<std::uint32_t>({bits}, bytes);
      }
      break;
    case tfl::TensorType::INT32:
      append_values<std::int32_t>(value.values, bytes);
      break;
    case tfl::TensorType::INT64:
      append_values<std::int64_t>(value.values, bytes);
      break;
    default:
      append_values<std::uint8_t>(value.values, bytes);
      break;
  }
  return bytes;
}

/// The file's bytes. std::vector's memory is aligned to 16.
inline std::vector<std::byte> build_operator_file(const OneOperator& one) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<tfl::Buffer>> buffers = {tfl::CreateBuffer(builder)};
  std::vector<flatbuffers::Offset<tfl::Tensor>> tensors;
  for (const FileValue& value : one.tensors) {
    std::uint32_t buffer = 0;
    if (!value.values.empty()) {
      const std::vector<std::uint8_t> bytes = constant_bytes(value);
      builder.ForceVectorAlignment(bytes.size(), 1, 16);
      buffer = static_cast<std::uint32_t>(buffers.size());
      buffers.push_back(tfl::CreateBuffer(builder, builder.CreateVector(bytes)));
    }
    const auto shape = value.has_shape ? builder.CreateVector(value.shape) : 0;
    const auto name = builder.CreateString("t" + std::to_string(tensors.size()));
    const auto signature = value.signature.empty() ? 0 : builder.CreateVector(value.signature);
    tensors.push_back(
        tfl::CreateTensor(builder, shape, value.type, buffer, name, 0, false, 0, signature));
  }
  flatbuffers::Offset<void> table;
  if (one.make_options != nullptr) table = one.make_options(builder);
  const auto inputs = builder.CreateVector(one.inputs);
  const auto outputs = builder.CreateVector(one.outputs);
  const std::vector<flatbuffers::Offset<tfl::Operator>> operators = {
      tfl::CreateOperator(builder, 0, inputs, outputs, one.options, table)};
  const std::vector<flatbuffers::Offset<tfl::SubGraph>> subgraphs = {tfl::CreateSubGraph(
      builder, builder.CreateVector(tensors), builder.CreateVector(std::vector<std::int32_t>{0}),
      builder.CreateVector(one.outputs), builder.CreateVector(operators))};
  const std::vector<flatbuffers::Offset<tfl::OperatorCode>> codes = {
      tfl::CreateOperatorCode(builder, 0, 0, 1, one.code)};
  builder.Finish(
      tfl::CreateModel(builder, 3, builder.CreateVector(codes), builder.CreateVector(subgraphs), 0,
                       builder.CreateVector(buffers)),
      "TFL3");
  const auto* begin = view_as<const std::byte>(builder.GetBufferPointer());
  return {begin, begin + builder.GetSize()};
}

}  // namespace visionpress
