#include "codecs/bit_packing.h"

#include <algorithm>

namespace visionpress {

std::optional<std::int64_t> packed_bytes(std::int64_t count, int bits) {
  const auto total = checked_multiply(count, bits);
  if (!total) return std::nullopt;
  return *total / 8 + (*total % 8 != 0 ? 1 : 0);
}

void unpack_codes(Bytes packed, int bits, Packing packing, std::size_t begin, MutableBytes codes) {
  if (bits == 8) {
    std::copy_n(packed.begin() + static_cast<std::ptrdiff_t>(begin), codes.size(), codes.begin());
    return;
  }
  const auto width = static_cast<std::size_t>(bits);
  const unsigned mask = (1U << width) - 1;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::size_t at = (begin + i) * width;
    const std::size_t shift = at % 8;
    const auto first = std::to_integer<unsigned>(packed[at / 8]);
    // A code reaches into the next byte only where that byte belongs to the stream.
    const unsigned second = shift + width > 8 ? std::to_integer<unsigned>(packed[at / 8 + 1]) : 0U;
    const unsigned code = packing == Packing::MsbFirst
                              ? ((first << 8) | second) >> (16 - shift - width)
                              : ((second << 8) | first) >> shift;
    codes[i] = static_cast<std::byte>(code & mask);
  }
}

void extend_signs(MutableBytes codes, int bits) {
  const unsigned sign = 1U << (bits - 1);
  for (std::byte& code : codes) {
    code = static_cast<std::byte>((std::to_integer<unsigned>(code) ^ sign) - sign);
  }
}

}  // namespace visionpress
