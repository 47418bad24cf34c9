#include "wire/protobuf_outline.h"

#include <cstddef>
#include <optional>

#include "wire/varint.h"

namespace visionpress {

std::vector<std::uint64_t> list_top_fields(Bytes bytes) {
  std::vector<std::uint64_t> fields;
  std::size_t at = 0;
  while (at < bytes.size() && fields.size() < 64) {
    const auto tag = read_varint(bytes, at);
    if (!tag || (*tag >> 3U) == 0) break;
    fields.push_back(*tag >> 3U);
    std::optional<std::uint64_t> skip;
    // The low three bits are the wire type: varint, 64-bit, length-delimited, 32-bit.
    switch (*tag & 7U) {
      case 0:
        skip = read_varint(bytes, at) ? std::optional<std::uint64_t>(0) : std::nullopt;
        break;
      case 1:
        skip = 8;
        break;
      case 2:
        skip = read_varint(bytes, at);
        break;
      case 5:
        skip = 4;
        break;
      default:
        break;
    }
    // The end of the bytes may cut the last field off: it counts and ends the walk.
    if (!skip || *skip > bytes.size() - at) break;
    at += *skip;
  }
  return fields;
}

}  // namespace visionpress
