#pragma once

// Builds protobuf messages field by field, so that tests can make tiny models, including broken
// ones.

#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "wire/protobuf_patch.h"

namespace visionpress {

/// A message under construction: `Message().varint(1, 3).text(2, "x").message(4, Message())`.
class Message {
 public:
  Message& varint(std::uint32_t number, std::uint64_t value) {
    append_tag(bytes_, number, ProtobufType::Varint);
    append_varint(bytes_, value);
    return *this;
  }
  Message& real(std::uint32_t number, float value) {
    append_tag(bytes_, number, ProtobufType::Fixed32);
    append_all(view_bytes(std::span<const float>(&value, 1)));
    return *this;
  }
  Message& bytes(std::uint32_t number, Bytes content) {
    append_length_prefix(bytes_, number, content.size());
    append_all(content);
    return *this;
  }
  Message& text(std::uint32_t number, const std::string& value) {
    return bytes(number, view_bytes(std::span<const char>(value)));
  }
  Message& reals(std::uint32_t number, const std::vector<float>& values) {
    return bytes(number, view_bytes(std::span<const float>(values)));
  }
  Message& message(std::uint32_t number, const Message& inner) {
    return bytes(number, inner.bytes_);
  }
  [[nodiscard]] const ByteBuffer& done() const { return bytes_; }

 private:
  void append_all(Bytes content) { bytes_.insert(bytes_.end(), content.begin(), content.end()); }
  ByteBuffer bytes_ = {};
};

/// WeightParams { floatValue }.
inline Message float_weights(const std::vector<float>& values) {
  return Message().reals(1, values);
}
/// QuantizationParams { numberOfBits, linearQuantization { scale, bias } }.
inline Message linear_quantization(std::uint64_t bits, const std::vector<float>& scales,
                                   const std::vector<float>& biases) {
  return Message().varint(1, bits).message(101, Message().reals(1, scales).reals(2, biases));
}
/// QuantizationParams { numberOfBits, lookupTableQuantization { floatValue } }.
inline Message table_quantization(std::uint64_t bits, const std::vector<float>& table) {
  return Message().varint(1, bits).message(102, Message().reals(1, table));
}
/// WeightParams { rawValue, quantization }.
inline Message code_weights(const std::vector<std::uint8_t>& codes, const Message& quantization) {
  return Message()
      .bytes(30, view_bytes(std::span<const std::uint8_t>(codes)))
      .message(40, quantization);
}

/// NeuralNetworkLayer with the parameters of one type.
inline Message layer(const std::string& name, const std::string& input, const std::string& output,
                     std::uint32_t type, const Message& params) {
  Message message;
  message.text(1, name);
  if (!input.empty()) message.text(2, input);
  return message.text(3, output).message(type, params);
}

/// ConvolutionLayerParams: 2 output channels, 3 input channels, 1x1, valid; `weights` and, if it is
/// there, `bias` are WeightParams.
inline Message convolution(const Message& weights, const Message* bias = nullptr) {
  Message params;
  params.varint(1, 2).varint(2, 3).varint(20, 1).varint(20, 1).message(50, Message());
  if (bias != nullptr) params.varint(70, 1);
  params.message(90, weights);
  if (bias != nullptr) params.message(91, *bias);
  return params;
}

/// ModelDescription: an image input "image" (8x8, RGB) and an output "out".
inline Message description() {
  const Message image = Message().varint(1, 8).varint(2, 8).varint(3, 20);
  return Message()
      .message(1, Message().text(1, "image").message(3, Message().message(4, image)))
      .message(10, Message().text(1, "out"));
}

/// A whole file: specification version 1, the description, a neuralNetwork with these layers.
inline ByteBuffer model_file(const std::vector<Message>& layers) {
  Message network;
  for (const Message& one : layers) network.message(1, one);
  return Message().varint(1, 1).message(2, description()).message(500, network).done();
}

/// model_file of one convolution "conv" from "image" to "out".
inline ByteBuffer convolution_file(const Message& weights, const Message* bias = nullptr) {
  return model_file({layer("conv", "image", "out", 100, convolution(weights, bias))});
}

}  // namespace visionpress
