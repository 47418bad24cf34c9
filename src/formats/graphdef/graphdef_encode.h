#pragma once

// Makes the parts of NodeDefs that are written.

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

/// One entry of a node's attributes; `value`: an AttrValue.
void append_attr(ByteBuffer& node, std::string_view key, Bytes value);
void append_type_attr(ByteBuffer& node, std::string_view key, DataType type);

/// A tensor to be written; `payload` stays where it is.
struct NewTensor {
  DataType dtype = DataType::Float;
  Shape shape = {};
  Bytes payload = {};
};

/// The attribute `value` of a Const but for the payload, which is its last part.
[[nodiscard]] ByteBuffer make_value_attr(const NewTensor& tensor);

}  // namespace visionpress::graphdef
