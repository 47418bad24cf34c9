#pragma once

// Builds small GraphDefs node by node, including broken ones.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/half.h"
#include "formats/coreml/coreml_build_testonly.h"
#include "formats/graphdef/graphdef_schema.h"

namespace visionpress {

using Attr = std::pair<std::string, Message>;

/// AttrValues. `type_value(DataType::Half)` is { type 6: 19 }.
inline Message type_value(graphdef::DataType type) {
  return Message().varint(6, static_cast<std::uint64_t>(type));
}
inline Message text_value(const std::string& text) { return Message().text(2, text); }
inline Message int_value(std::int64_t value) {
  return Message().varint(3, static_cast<std::uint64_t>(value));
}
inline Message real_value(float value) { return Message().real(4, value); }
inline Message bool_value(bool value) { return Message().varint(5, value ? 1 : 0); }
inline Message ints_value(const std::vector<std::int64_t>& values) {
  Message list;
  for (const std::int64_t v : values) list.varint(3, static_cast<std::uint64_t>(v));
  return Message().message(1, list);
}
/// TensorShapeProto { dim 2 { size 1 } ... }
inline Message shape_proto(const std::vector<std::int64_t>& sizes) {
  Message shape;
  for (const std::int64_t size : sizes) {
    shape.message(2, Message().varint(1, static_cast<std::uint64_t>(size)));
  }
  return shape;
}
inline Message shape_value(const std::vector<std::int64_t>& sizes) {
  return Message().message(7, shape_proto(sizes));
}

/// TensorProto { dtype 1, tensor_shape 2 }, values to be added.
inline Message tensor_proto(graphdef::DataType type, const std::vector<std::int64_t>& sizes) {
  return Message().varint(1, static_cast<std::uint64_t>(type)).message(2, shape_proto(sizes));
}

/// NodeDef { name 1, op 2, input 3 ..., attr 5 { key 1, value 2 } ... }
inline Message node_def(const std::string& name, const std::string& op,
                        const std::vector<std::string>& inputs = {},
                        const std::vector<Attr>& attrs = {}) {
  Message node;
  node.text(1, name).text(2, op);
  for (const std::string& input : inputs) node.text(3, input);
  for (const auto& [key, value] : attrs) {
    node.message(5, Message().text(1, key).message(2, value));
  }
  return node;
}

inline Message const_node(const std::string& name, graphdef::DataType type, const Message& tensor) {
  return node_def(name, "Const", {},
                  {{"dtype", type_value(type)}, {"value", Message().message(8, tensor)}});
}

/// A float Const with tensor_content.
inline Message float_const(const std::string& name, const std::vector<std::int64_t>& sizes,
                           const std::vector<float>& values) {
  Message tensor = tensor_proto(graphdef::DataType::Float, sizes);
  tensor.bytes(4, view_bytes(std::span<const float>(values)));
  return const_node(name, graphdef::DataType::Float, tensor);
}

/// An int32 Const with tensor_content; no sizes: a vector.
inline Message int_const(const std::string& name, const std::vector<std::int32_t>& values) {
  Message tensor =
      tensor_proto(graphdef::DataType::Int32, {static_cast<std::int64_t>(values.size())});
  tensor.bytes(4, view_bytes(std::span<const std::int32_t>(values)));
  return const_node(name, graphdef::DataType::Int32, tensor);
}
/// An int32 scalar in int_val.
inline Message int_scalar(const std::string& name, std::int32_t value) {
  Message tensor = tensor_proto(graphdef::DataType::Int32, {});
  tensor.varint(7, static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));
  return const_node(name, graphdef::DataType::Int32, tensor);
}

inline Message placeholder(const std::string& name, const std::vector<std::int64_t>& sizes,
                           graphdef::DataType type = graphdef::DataType::Float) {
  return node_def(name, "Placeholder", {},
                  {{"dtype", type_value(type)}, {"shape", shape_value(sizes)}});
}

/// Conv2D of `input` with `kernel`, SAME, stride 1.
inline Message conv_node(const std::string& name, const std::string& input,
                         const std::string& kernel) {
  return node_def(name, "Conv2D", {input, kernel},
                  {{"T", type_value(graphdef::DataType::Float)},
                   {"strides", ints_value({1, 1, 1, 1})},
                   {"padding", text_value("SAME")}});
}

inline ByteBuffer graph_file(const std::vector<Message>& nodes) {
  Message graph;
  for (const Message& node : nodes) graph.message(1, node);
  return graph.done();
}

}  // namespace visionpress
