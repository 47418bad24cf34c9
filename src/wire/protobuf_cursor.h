#pragma once

// A bounds-checked walk over protobuf messages in place, in the mapped bytes, that knows its offset
// in the file. Layout accepted: protobuf wire format, varint, 64-bit, length-delimited and 32-bit
// fields (protobuf.dev/programming-guides/encoding). Groups are refused: proto3 has none.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

enum class ProtobufType : std::uint8_t { Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5 };

/// One field as it lies in the file. All offsets count from the start of the file.
struct ProtobufField {
  std::uint32_t number = 0;
  ProtobufType type = ProtobufType::Varint;
  std::uint64_t value = 0;  ///< Varint, Fixed64, Fixed32: the raw bits
  Bytes content = {};       ///< Delimited: borrowed
  std::uint64_t tag_offset = 0;
  std::uint64_t length_offset = 0;   ///< Delimited: where the length's varint begins
  std::uint64_t content_offset = 0;  ///< Delimited: where the content begins
  std::uint64_t end_offset = 0;      ///< one past the field
};

/// A length-delimited field around an edit: its length is encoded anew when the size of its content
/// changes.
struct ProtobufFrame {
  std::uint64_t tag_offset = 0;
  std::uint64_t length_offset = 0;
  std::uint64_t content_offset = 0;
  std::uint64_t end_offset = 0;
};

/// Walks the fields of one message in file order, without storing them.
class ProtobufCursor {
 public:
  /// content: of the message; offset: where it begins in the file.
  ProtobufCursor(Bytes content, std::uint64_t offset) : content_(content), offset_(offset) {}

  /// True when `field()` is the next field, false at the end of the message.
  /// errors: Malformed with the offset, when a tag, varint or length is cut short or out of range.
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] const ProtobufField& field() const { return field_; }

 private:
  [[nodiscard]] Result<std::uint64_t> read_varint(const char* what);
  [[nodiscard]] Result<std::uint64_t> read_fixed(std::size_t size);
  [[nodiscard]] std::uint64_t here() const { return offset_ + at_; }

  Bytes content_;
  std::uint64_t offset_;
  std::size_t at_ = 0;
  ProtobufField field_ = {};
};

/// A small message with its fields listed, for access by number. Not for messages whose payload
/// may be millions of unpacked elements: walk those with a ProtobufCursor.
/// Singular scalars follow proto3: the last one wins. A singular message that appears twice is
/// refused and not merged, since edits could not tell the two apart.
class ProtobufMessage {
 public:
  ProtobufMessage() = default;
  /// The whole file as one message. errors: Malformed with the offset.
  [[nodiscard]] static Result<ProtobufMessage> read_file(Bytes file);

  [[nodiscard]] const std::vector<ProtobufField>& fields() const { return fields_; }
  [[nodiscard]] Bytes content() const { return content_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  /// The fields around this message, outermost first; an edit inside the message names them.
  [[nodiscard]] const std::vector<ProtobufFrame>& frames() const { return frames_; }

  [[nodiscard]] const ProtobufField* find_last(std::uint32_t number) const;
  [[nodiscard]] bool has(std::uint32_t number) const { return find_last(number) != nullptr; }
  /// errors of these: Malformed when the field has another wire type.
  [[nodiscard]] Result<std::uint64_t> read_uint(std::uint32_t number,
                                                std::uint64_t fallback = 0) const;
  [[nodiscard]] Result<std::int64_t> read_int(std::uint32_t number,
                                              std::int64_t fallback = 0) const;
  [[nodiscard]] Result<bool> read_bool(std::uint32_t number) const;
  [[nodiscard]] Result<float> read_float(std::uint32_t number, float fallback = 0.0F) const;
  [[nodiscard]] Result<std::string> read_text(std::uint32_t number) const;
  [[nodiscard]] Result<std::vector<std::string>> read_texts(std::uint32_t number) const;
  /// Repeated integers, packed or not.
  [[nodiscard]] Result<std::vector<std::int64_t>> read_ints(std::uint32_t number) const;
  /// Repeated floats, packed or not.
  [[nodiscard]] Result<std::vector<float>> read_floats(std::uint32_t number) const;
  /// A singular message; nothing where it is absent.
  [[nodiscard]] Result<std::optional<ProtobufMessage>> read_message(std::uint32_t number) const;
  [[nodiscard]] Result<std::vector<ProtobufMessage>> read_messages(std::uint32_t number) const;
  /// `field` must be one of fields().
  [[nodiscard]] Result<ProtobufMessage> open(const ProtobufField& field) const;

 private:
  [[nodiscard]] Result<void> list_fields();

  Bytes content_ = {};
  std::uint64_t offset_ = 0;
  std::vector<ProtobufFrame> frames_ = {};
  std::vector<ProtobufField> fields_ = {};
};

}  // namespace visionpress
