#pragma once

// Builds small ONNX files node by node, including broken ones.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "formats/coreml/coreml_build_testonly.h"
#include "formats/onnx/onnx_schema.h"

namespace visionpress {

/// AttributeProto { name 1, i 3, type 20: INT } and so on.
inline Message int_attribute(const std::string& name, std::int64_t value) {
  return Message().text(1, name).varint(3, static_cast<std::uint64_t>(value)).varint(20, 2);
}
inline Message float_attribute(const std::string& name, float value) {
  return Message().text(1, name).real(2, value).varint(20, 1);
}
inline Message text_attribute(const std::string& name, const std::string& value) {
  return Message().text(1, name).text(4, value).varint(20, 3);
}
inline Message ints_attribute(const std::string& name, const std::vector<std::int64_t>& values) {
  Message attribute;
  attribute.text(1, name);
  for (const std::int64_t v : values) attribute.varint(8, static_cast<std::uint64_t>(v));
  return attribute.varint(20, 7);
}
inline Message texts_attribute(const std::string& name, const std::vector<std::string>& values) {
  Message attribute;
  attribute.text(1, name);
  for (const std::string& v : values) attribute.text(9, v);
  return attribute.varint(20, 8);
}
inline Message graph_attribute(const std::string& name, const Message& graph) {
  return Message().text(1, name).message(6, graph).varint(20, 5);
}
inline Message tensor_attribute(const std::string& name, const Message& tensor) {
  return Message().text(1, name).message(5, tensor).varint(20, 4);
}

/// NodeProto { input 1 ..., output 2 ..., op_type 4, attribute 5 ..., domain 7 }
inline Message onnx_node(const std::string& op, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& outputs,
                         const std::vector<Message>& attributes = {},
                         const std::string& domain = "") {
  Message node;
  for (const std::string& input : inputs) node.text(1, input);
  for (const std::string& output : outputs) node.text(2, output);
  node.text(4, op);
  for (const Message& attribute : attributes) node.message(5, attribute);
  if (!domain.empty()) node.text(7, domain);
  return node;
}

/// TensorProto { dims 1 ..., data_type 2, name 8 }, values to be added.
inline Message onnx_tensor(const std::string& name, onnx::DataType type,
                           const std::vector<std::int64_t>& sizes) {
  Message tensor;
  for (const std::int64_t size : sizes) tensor.varint(1, static_cast<std::uint64_t>(size));
  return tensor.varint(2, static_cast<std::uint64_t>(type)).text(8, name);
}
inline Message float_tensor(const std::string& name, const std::vector<std::int64_t>& sizes,
                            const std::vector<float>& values) {
  return onnx_tensor(name, onnx::DataType::Float, sizes)
      .bytes(9, view_bytes(std::span<const float>(values)));
}
inline Message int64_tensor(const std::string& name, const std::vector<std::int64_t>& values) {
  return onnx_tensor(name, onnx::DataType::Int64, {static_cast<std::int64_t>(values.size())})
      .bytes(9, view_bytes(std::span<const std::int64_t>(values)));
}
inline Message byte_tensor(const std::string& name, onnx::DataType type,
                           const std::vector<std::int64_t>& sizes,
                           const std::vector<std::uint8_t>& bytes) {
  return onnx_tensor(name, type, sizes).bytes(9, view_bytes(std::span<const std::uint8_t>(bytes)));
}

/// ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 } } }; a size of -1 has a
/// name in place of a number.
inline Message value_info(const std::string& name, const std::vector<std::int64_t>& sizes,
                          onnx::DataType type = onnx::DataType::Float) {
  Message shape;
  for (const std::int64_t size : sizes) {
    shape.message(1, size < 0 ? Message().text(2, "N")
                              : Message().varint(1, static_cast<std::uint64_t>(size)));
  }
  const Message tensor = Message().varint(1, static_cast<std::uint64_t>(type)).message(2, shape);
  return Message().text(1, name).message(2, Message().message(1, tensor));
}

/// The parts of a GraphProto.
struct OnnxParts {
  std::vector<Message> nodes = {};
  std::vector<Message> initializers = {};
  std::vector<Message> inputs = {value_info("x", {1, 2, 4, 4})};
  std::vector<Message> outputs = {value_info("y", {})};
};

inline Message onnx_graph(const OnnxParts& parts) {
  Message graph;
  for (const Message& node : parts.nodes) graph.message(1, node);
  graph.text(2, "graph");
  for (const Message& tensor : parts.initializers) graph.message(5, tensor);
  for (const Message& input : parts.inputs) graph.message(11, input);
  for (const Message& output : parts.outputs) graph.message(12, output);
  return graph;
}

/// ModelProto { ir_version 1, graph 7, opset_import 8 ... }; further fields to be added.
inline Message onnx_model(const OnnxParts& parts, std::int64_t opset = 17, std::uint64_t ir = 8) {
  return Message()
      .varint(1, ir)
      .text(2, "a test")
      .message(7, onnx_graph(parts))
      .message(8, Message().text(1, "").varint(2, static_cast<std::uint64_t>(opset)));
}

inline ByteBuffer onnx_file(const OnnxParts& parts, std::int64_t opset = 17) {
  return onnx_model(parts, opset).done();
}

}  // namespace visionpress
