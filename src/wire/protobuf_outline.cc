#include "wire/protobuf_outline.h"

#include <cstddef>
#include <optional>

#include "wire/varint.h"

namespace visionpress {

namespace {

/// Walks the top-level fields of a message.
class FieldWalk {
 public:
  explicit FieldWalk(Bytes bytes) : bytes_(bytes) {}

  /// The number of the next field; nothing at the end, and where no field can begin.
  std::optional<std::uint64_t> next() {
    if (at_ >= bytes_.size()) return std::nullopt;
    const auto tag = read_varint(bytes_, at_);
    if (!tag || (*tag >> 3U) == 0) return std::nullopt;
    std::optional<std::uint64_t> skip;
    // The low three bits are the wire type: varint, 64-bit, length-delimited, 32-bit.
    switch (*tag & 7U) {
      case 0:
        skip = read_varint(bytes_, at_) ? std::optional<std::uint64_t>(0) : std::nullopt;
        break;
      case 1:
        skip = 8;
        break;
      case 2:
        skip = read_varint(bytes_, at_);
        break;
      case 5:
        skip = 4;
        break;
      default:
        break;
    }
    // The end of the bytes may cut the last field off: it counts and ends the walk.
    const std::size_t left = bytes_.size() - at_;
    if (skip && *skip > left) missing_ = *skip - left;
    at_ = skip && *skip <= left ? at_ + *skip : bytes_.size();
    return *tag >> 3U;
  }

  /// The bytes by which the last field reaches beyond the end.
  [[nodiscard]] std::uint64_t missing() const { return missing_; }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
  std::uint64_t missing_ = 0;
};

}  // namespace

std::vector<std::uint64_t> list_top_fields(Bytes bytes) {
  constexpr std::size_t kMost = 64;
  std::vector<std::uint64_t> fields;
  FieldWalk walk(bytes);
  while (fields.size() < kMost) {
    const auto field = walk.next();
    if (!field) break;
    fields.push_back(*field);
  }
  return fields;
}

std::optional<std::uint64_t> find_needed_bytes(Bytes message) {
  // Random bytes give lengths of any size; no file that anybody has is as large as this.
  constexpr std::uint64_t kMost = std::uint64_t{1} << 36;
  FieldWalk walk(message);
  while (walk.next()) {
  }
  if (walk.missing() == 0 || walk.missing() > kMost) return std::nullopt;
  return message.size() + walk.missing();
}

}  // namespace visionpress
