#pragma once

// Encodes the parts of NodeDefs that the writer adds.

#include <string_view>

#include "base/buffer.h"
#include "base/bytes.h"
#include "formats/graphdef/graphdef_schema.h"
#include "model/tensor.h"

namespace visionpress::graphdef {

void append(ByteBuffer& out, Bytes bytes);
void append_text(ByteBuffer& out, std::uint32_t field, std::string_view text);
void append_message(ByteBuffer& out, std::uint32_t field, Bytes content);
void append_integer(ByteBuffer& out, std::uint32_t field, std::uint64_t value);

/// Appends one entry of a node's attributes. value: an AttrValue message.
void append_attr(ByteBuffer& node, std::string_view key, Bytes value);
void append_type_attr(ByteBuffer& node, std::string_view key, DataType type);

/// A tensor to write; `payload` is borrowed, not copied.
struct NewTensor {
  DataType dtype = DataType::Float;
  Shape shape = {};
  Bytes payload = {};
};

/// Encodes the attribute `value` of a Const up to the payload, which must follow as the last part.
[[nodiscard]] ByteBuffer make_value_attr(const NewTensor& tensor);

}  // namespace visionpress::graphdef
