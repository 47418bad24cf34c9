#pragma once

// Protobuf's variable-length whole numbers, which LevelDB's tables use too: seven bits per byte,
// the lowest first; the high bit says that another byte follows.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace visionpress {

/// Reads a number at `at` and moves `at` past it; nothing where the bytes end within it or it has
/// more than 64 bits.
[[nodiscard]] inline std::optional<std::uint64_t> read_varint(Bytes bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(bytes[at++]);
    value |= (byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  return std::nullopt;
}

}  // namespace visionpress
