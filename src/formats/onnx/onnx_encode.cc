#include "formats/onnx/onnx_encode.h"

#include <bit>

#include "wire/protobuf_patch.h"

namespace visionpress::onnx {
namespace {

// AttributeProto.AttributeType.
constexpr std::int64_t kTypeInt = 2;
constexpr std::int64_t kTypeString = 3;

}  // namespace

void append_bytes(ByteBuffer& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_text(ByteBuffer& out, std::uint32_t field, std::string_view text) {
  append_length_prefix(out, field, text.size());
  append_bytes(out, view_bytes(std::span<const char>(text)));
}

void append_message(ByteBuffer& out, std::uint32_t field, Bytes content) {
  append_length_prefix(out, field, content.size());
  append_bytes(out, content);
}

void append_integer(ByteBuffer& out, std::uint32_t field, std::int64_t value) {
  append_tag(out, field, ProtobufType::Varint);
  append_varint(out, std::bit_cast<std::uint64_t>(value));
}

ByteBuffer make_initializer(const NewTensor& tensor) {
  ByteBuffer content;
  for (const std::int64_t size : tensor.shape) append_integer(content, tensor_field::kDims, size);
  append_integer(content, tensor_field::kDataType, static_cast<std::int64_t>(tensor.dtype));
  append_text(content, tensor_field::kName, tensor.name);
  append_length_prefix(content, tensor_field::kRawData, tensor.payload_bytes);
  ByteBuffer field;
  append_length_prefix(field, graph_field::kInitializer, content.size() + tensor.payload_bytes);
  append_bytes(field, content);
  return field;
}

ByteBuffer make_int_attribute(std::string_view name, std::int64_t value) {
  ByteBuffer attribute;
  append_text(attribute, attribute_field::kName, name);
  append_integer(attribute, attribute_field::kInt, value);
  append_integer(attribute, attribute_field::kType, kTypeInt);
  return attribute;
}

ByteBuffer make_text_attribute(std::string_view name, std::string_view value) {
  ByteBuffer attribute;
  append_text(attribute, attribute_field::kName, name);
  append_text(attribute, attribute_field::kString, value);
  append_integer(attribute, attribute_field::kType, kTypeString);
  return attribute;
}

ByteBuffer make_node_field(const NewNode& node) {
  ByteBuffer content;
  for (const std::string& input : node.inputs) append_text(content, node_field::kInput, input);
  append_text(content, node_field::kOutput, node.output);
  append_text(content, node_field::kName, node.name);
  append_text(content, node_field::kOpType, node.op);
  for (const ByteBuffer& attribute : node.attributes)
    append_message(content, node_field::kAttribute, attribute);
  ByteBuffer field;
  append_message(field, graph_field::kNode, content);
  return field;
}

}  // namespace visionpress::onnx
