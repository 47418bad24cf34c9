#include "wire/protobuf_cursor.h"

#include <bit>

#include <protozero/exception.hpp>
#include <protozero/varint.hpp>

#include "base/error.h"

namespace visionpress {
namespace {

// No Core ML message that is read here nests this deep; a walk never follows a file any deeper.
constexpr std::size_t kMaxMessageDepth = 32;
constexpr std::uint32_t kMaxFieldNumber = (1U << 29) - 1;

tl::unexpected<Error> fail_type(const ProtobufField& field, const char* wanted) {
  return fail_at(ErrorKind::Malformed, field.tag_offset, "field {}: wire type {}, expected {}",
                 field.number, static_cast<int>(field.type), wanted);
}

}  // namespace

Result<std::uint64_t> ProtobufCursor::read_varint(const char* what) {
  const std::string_view text = view_text(content_);
  const char* at = text.data() + at_;
  const char* const begin = at;
  // The one place where protozero's exceptions become errors.
  try {
    const std::uint64_t value = protozero::decode_varint(&at, text.data() + text.size());
    at_ += static_cast<std::size_t>(at - begin);
    return value;
  } catch (const protozero::exception& error) {
    return fail_at(ErrorKind::Malformed, here(), "{}: {}", what, error.what());
  }
}

Result<std::uint64_t> ProtobufCursor::read_fixed(std::size_t size) {
  if (content_.size() - at_ < size) {
    return fail_at(ErrorKind::Malformed, here(), "field {}: {} bytes left, expected {}",
                   field_.number, content_.size() - at_, size);
  }
  const std::uint64_t value = size == sizeof(std::uint32_t) ? load_le<std::uint32_t>(content_, at_)
                                                            : load_le<std::uint64_t>(content_, at_);
  at_ += size;
  return value;
}

Result<bool> ProtobufCursor::next() {
  if (at_ >= content_.size()) return false;
  field_ = ProtobufField{};
  field_.tag_offset = here();
  VP_ASSIGN_OR_RETURN(const std::uint64_t tag, read_varint("field tag"));
  const std::uint64_t number = tag >> 3;
  if (number == 0 || number > kMaxFieldNumber) {
    return fail_at(ErrorKind::Malformed, field_.tag_offset, "field number {} is out of range",
                   number);
  }
  field_.number = static_cast<std::uint32_t>(number);
  switch (tag & 7U) {
    case 0: {
      field_.type = ProtobufType::Varint;
      VP_ASSIGN_OR_RETURN(field_.value, read_varint("field value"));
      break;
    }
    case 1: {
      field_.type = ProtobufType::Fixed64;
      VP_ASSIGN_OR_RETURN(field_.value, read_fixed(sizeof(std::uint64_t)));
      break;
    }
    case 2: {
      field_.type = ProtobufType::Delimited;
      field_.length_offset = here();
      VP_ASSIGN_OR_RETURN(const std::uint64_t length, read_varint("field length"));
      if (length > content_.size() - at_) {
        return fail_at(ErrorKind::Malformed, field_.length_offset,
                       "field {}: length {} exceeds the {} bytes left", field_.number, length,
                       content_.size() - at_);
      }
      field_.content_offset = here();
      field_.content = content_.subspan(at_, static_cast<std::size_t>(length));
      at_ += static_cast<std::size_t>(length);
      break;
    }
    case 5: {
      field_.type = ProtobufType::Fixed32;
      VP_ASSIGN_OR_RETURN(field_.value, read_fixed(sizeof(std::uint32_t)));
      break;
    }
    default:
      return fail_at(ErrorKind::Malformed, field_.tag_offset, "field {}: unknown wire type {}",
                     field_.number, tag & 7U);
  }
  field_.end_offset = here();
  return true;
}

Result<ProtobufMessage> ProtobufMessage::read_file(Bytes file) {
  ProtobufMessage message;
  message.content_ = file;
  VP_RETURN_IF_ERROR(message.list_fields());
  return message;
}

Result<void> ProtobufMessage::list_fields() {
  ProtobufCursor cursor(content_, offset_);
  for (;;) {
    VP_ASSIGN_OR_RETURN(const bool more, cursor.next());
    if (!more) return {};
    fields_.push_back(cursor.field());
  }
}

Result<ProtobufMessage> ProtobufMessage::open(const ProtobufField& field) const {
  if (field.type != ProtobufType::Delimited) return fail_type(field, "a message");
  if (frames_.size() >= kMaxMessageDepth) {
    return fail_at(ErrorKind::Malformed, field.tag_offset, "messages nest deeper than {}",
                   kMaxMessageDepth);
  }
  ProtobufMessage message;
  message.content_ = field.content;
  message.offset_ = field.content_offset;
  message.frames_ = frames_;
  message.frames_.push_back(
      {field.tag_offset, field.length_offset, field.content_offset, field.end_offset});
  VP_RETURN_IF_ERROR(message.list_fields());
  return message;
}

const ProtobufField* ProtobufMessage::find_last(std::uint32_t number) const {
  for (auto field = fields_.rbegin(); field != fields_.rend(); ++field) {
    if (field->number == number) return &*field;
  }
  return nullptr;
}

Result<std::uint64_t> ProtobufMessage::read_uint(std::uint32_t number,
                                                 std::uint64_t fallback) const {
  const ProtobufField* field = find_last(number);
  if (field == nullptr) return fallback;
  if (field->type != ProtobufType::Varint) return fail_type(*field, "an integer");
  return field->value;
}

Result<std::int64_t> ProtobufMessage::read_int(std::uint32_t number, std::int64_t fallback) const {
  VP_ASSIGN_OR_RETURN(const std::uint64_t bits,
                      read_uint(number, std::bit_cast<std::uint64_t>(fallback)));
  return std::bit_cast<std::int64_t>(bits);
}

Result<bool> ProtobufMessage::read_bool(std::uint32_t number) const {
  VP_ASSIGN_OR_RETURN(const std::uint64_t value, read_uint(number));
  return value != 0;
}

Result<float> ProtobufMessage::read_float(std::uint32_t number, float fallback) const {
  const ProtobufField* field = find_last(number);
  if (field == nullptr) return fallback;
  if (field->type != ProtobufType::Fixed32) return fail_type(*field, "a float");
  return std::bit_cast<float>(static_cast<std::uint32_t>(field->value));
}

Result<std::string> ProtobufMessage::read_text(std::uint32_t number) const {
  const ProtobufField* field = find_last(number);
  if (field == nullptr) return std::string();
  if (field->type != ProtobufType::Delimited) return fail_type(*field, "text");
  return std::string(view_text(field->content));
}

Result<std::vector<std::string>> ProtobufMessage::read_texts(std::uint32_t number) const {
  std::vector<std::string> texts;
  for (const ProtobufField& field : fields_) {
    if (field.number != number) continue;
    if (field.type != ProtobufType::Delimited) return fail_type(field, "text");
    texts.emplace_back(view_text(field.content));
  }
  return texts;
}

Result<std::vector<std::int64_t>> ProtobufMessage::read_ints(std::uint32_t number) const {
  std::vector<std::int64_t> values;
  for (const ProtobufField& field : fields_) {
    if (field.number != number) continue;
    if (field.type == ProtobufType::Varint) {
      values.push_back(std::bit_cast<std::int64_t>(field.value));
      continue;
    }
    if (field.type != ProtobufType::Delimited) return fail_type(field, "integers");
    const std::string_view text = view_text(field.content);
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at != end) {
      try {
        values.push_back(std::bit_cast<std::int64_t>(protozero::decode_varint(&at, end)));
      } catch (const protozero::exception& error) {
        return fail_at(ErrorKind::Malformed,
                       field.content_offset + static_cast<std::uint64_t>(at - text.data()),
                       "field {}: packed integers: {}", field.number, error.what());
      }
    }
  }
  return values;
}

Result<std::vector<float>> ProtobufMessage::read_floats(std::uint32_t number) const {
  std::vector<float> values;
  for (const ProtobufField& field : fields_) {
    if (field.number != number) continue;
    if (field.type == ProtobufType::Fixed32) {
      values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
      continue;
    }
    if (field.type != ProtobufType::Delimited) return fail_type(field, "floats");
    if (field.content.size() % sizeof(float) != 0) {
      return fail_at(ErrorKind::Malformed, field.content_offset,
                     "field {}: packed floats are {} bytes, no multiple of 4", field.number,
                     field.content.size());
    }
    for (std::size_t at = 0; at < field.content.size(); at += sizeof(float)) {
      values.push_back(load_le<float>(field.content, at));
    }
  }
  return values;
}

Result<std::optional<ProtobufMessage>> ProtobufMessage::read_message(std::uint32_t number) const {
  const ProtobufField* found = nullptr;
  for (const ProtobufField& field : fields_) {
    if (field.number != number) continue;
    if (found != nullptr) {
      return fail_at(ErrorKind::Unsupported, field.tag_offset,
                     "field {}: the message appears twice, expected once", number);
    }
    found = &field;
  }
  if (found == nullptr) return std::optional<ProtobufMessage>();
  VP_ASSIGN_OR_RETURN(ProtobufMessage message, open(*found));
  return std::optional<ProtobufMessage>(std::move(message));
}

Result<std::vector<ProtobufMessage>> ProtobufMessage::read_messages(std::uint32_t number) const {
  std::vector<ProtobufMessage> messages;
  for (const ProtobufField& field : fields_) {
    if (field.number != number) continue;
    VP_ASSIGN_OR_RETURN(ProtobufMessage message, open(field));
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace visionpress
