#pragma once

// Encodes the parts of a ModelProto that the writer adds.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "formats/onnx/onnx_schema.h"
#include "model/tensor.h"

namespace visionpress::onnx {

void append_bytes(ByteBuffer& out, Bytes bytes);
void append_text(ByteBuffer& out, std::uint32_t field, std::string_view text);
void append_message(ByteBuffer& out, std::uint32_t field, Bytes content);
void append_integer(ByteBuffer& out, std::uint32_t field, std::int64_t value);

/// An initializer to write.
struct NewTensor {
  std::string name = {};
  DataType dtype = DataType::Float;
  Shape shape = {};
  std::uint64_t payload_bytes = 0;
};

/// A GraphProto's field `initializer` up to its payload, which must follow.
[[nodiscard]] ByteBuffer make_initializer(const NewTensor& tensor);

/// An AttributeProto of one integer, or of one text.
[[nodiscard]] ByteBuffer make_int_attribute(std::string_view name, std::int64_t value);
[[nodiscard]] ByteBuffer make_text_attribute(std::string_view name, std::string_view value);

/// A node to write. Attributes are AttributeProto messages.
struct NewNode {
  std::string name = {};
  std::string op = {};
  std::vector<std::string> inputs = {};
  std::string output = {};
  std::vector<ByteBuffer> attributes = {};
};

/// A GraphProto's field `node`.
[[nodiscard]] ByteBuffer make_node_field(const NewNode& node);

}  // namespace visionpress::onnx
