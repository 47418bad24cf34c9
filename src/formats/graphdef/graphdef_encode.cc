#include "formats/graphdef/graphdef_encode.h"

#include "wire/protobuf_patch.h"

namespace visionpress::graphdef {

void append(ByteBuffer& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void append_text(ByteBuffer& out, std::uint32_t field, std::string_view text) {
  append_length_prefix(out, field, text.size());
  append(out, view_bytes(std::span<const char>(text)));
}

void append_message(ByteBuffer& out, std::uint32_t field, Bytes content) {
  append_length_prefix(out, field, content.size());
  append(out, content);
}

void append_integer(ByteBuffer& out, std::uint32_t field, std::uint64_t value) {
  append_tag(out, field, ProtobufType::Varint);
  append_varint(out, value);
}

void append_attr(ByteBuffer& node, std::string_view key, Bytes value) {
  ByteBuffer entry;
  append_text(entry, node_field::kAttrKey, key);
  append_message(entry, node_field::kAttrValue, value);
  append_message(node, node_field::kAttr, entry);
}

void append_type_attr(ByteBuffer& node, std::string_view key, DataType type) {
  ByteBuffer value;
  append_integer(value, attr_field::kType, static_cast<std::uint64_t>(type));
  append_attr(node, key, value);
}

ByteBuffer make_value_attr(const NewTensor& tensor) {
  ByteBuffer shape;
  for (const std::int64_t size : tensor.shape) {
    ByteBuffer dim;
    append_integer(dim, shape_field::kDimSize, static_cast<std::uint64_t>(size));
    append_message(shape, shape_field::kDim, dim);
  }
  // Encodes from the inside out, because the length of each message depends on its content.
  ByteBuffer content;
  append_integer(content, tensor_field::kDType, static_cast<std::uint64_t>(tensor.dtype));
  append_message(content, tensor_field::kShape, shape);
  append_length_prefix(content, tensor_field::kContent, tensor.payload.size());
  ByteBuffer value;
  append_length_prefix(value, attr_field::kTensor, content.size() + tensor.payload.size());
  append(value, content);
  ByteBuffer entry;
  append_text(entry, node_field::kAttrKey, "value");
  append_length_prefix(entry, node_field::kAttrValue, value.size() + tensor.payload.size());
  append(entry, value);
  ByteBuffer attr;
  append_length_prefix(attr, node_field::kAttr, entry.size() + tensor.payload.size());
  append(attr, entry);
  return attr;
}

}  // namespace visionpress::graphdef
