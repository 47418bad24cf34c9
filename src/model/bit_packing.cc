#include "model/bit_packing.h"

#include <algorithm>

namespace visionpress {

std::optional<std::int64_t> packed_bytes(std::int64_t count, int bits) {
  const auto total = checked_multiply(count, bits);
  if (!total) return std::nullopt;
  return *total / 8 + (*total % 8 != 0 ? 1 : 0);
}

namespace {

constexpr std::size_t kGroup = 8;

/// Packs kGroup codes into `width` bytes.
void pack_group(Bytes codes, unsigned width, Packing packing, MutableBytes packed) {
  const std::uint64_t mask = (1U << width) - 1;
  const bool msb_first = packing == Packing::MsbFirst;
  std::uint64_t stream = 0;
  for (std::size_t i = 0; i < kGroup; ++i) {
    const std::uint64_t code = std::to_integer<std::uint64_t>(codes[i]) & mask;
    stream = msb_first ? (stream << width) | code : stream | (code << (i * width));
  }
  for (std::size_t i = 0; i < width; ++i) {
    const std::size_t shift = 8 * (msb_first ? width - 1 - i : i);
    packed[i] = static_cast<std::byte>((stream >> shift) & 0xffU);
  }
}

/// The inverse of pack_group; codes are zero-extended.
void unpack_group(Bytes packed, unsigned width, Packing packing, MutableBytes codes) {
  const std::uint64_t mask = (1U << width) - 1;
  const bool msb_first = packing == Packing::MsbFirst;
  std::uint64_t stream = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const auto byte = std::to_integer<std::uint64_t>(packed[i]);
    stream |= byte << (8 * (msb_first ? width - 1 - i : i));
  }
  for (std::size_t i = 0; i < kGroup; ++i) {
    const std::size_t shift = width * (msb_first ? kGroup - 1 - i : i);
    codes[i] = static_cast<std::byte>((stream >> shift) & mask);
  }
}

}  // namespace

ByteBuffer pack_codes(Bytes codes, int bits, Packing packing) {
  const auto width = static_cast<unsigned>(bits);
  const std::uint32_t mask = (1U << width) - 1;
  ByteBuffer packed((codes.size() * width + 7) / 8);
  // Eight codes fill `width` whole bytes.
  const std::size_t groups = codes.size() / kGroup;
  for (std::size_t group = 0; group < groups; ++group) {
    pack_group(codes.subspan(group * kGroup, kGroup), width, packing,
               MutableBytes(packed).subspan(group * width, width));
  }
  std::uint32_t pending = 0;  // bits that do not fill a byte yet, in the low end
  unsigned pending_bits = 0;
  std::size_t at = groups * width;
  for (const std::byte code : codes.subspan(groups * kGroup)) {
    const std::uint32_t value = std::to_integer<std::uint32_t>(code) & mask;
    pending = packing == Packing::MsbFirst ? (pending << width) | value
                                           : pending | (value << pending_bits);
    pending_bits += width;
    if (pending_bits < 8) continue;
    pending_bits -= 8;
    if (packing == Packing::MsbFirst) {
      // Bits that are written already stay above these; the mask drops them.
      packed[at++] = static_cast<std::byte>((pending >> pending_bits) & 0xffU);
    } else {
      packed[at++] = static_cast<std::byte>(pending & 0xffU);
      pending >>= 8U;
    }
  }
  if (pending_bits == 0) return packed;
  // The last bits fill the byte from its high end; zeros pad the low end.
  if (packing == Packing::MsbFirst) pending <<= 8 - pending_bits;
  packed[at] = static_cast<std::byte>(pending & 0xffU);
  return packed;
}

std::optional<std::size_t> find_wide_code(Bytes codes, int bits) {
  const auto fits = [bits](std::byte code) {
    return std::to_integer<unsigned>(code) >> static_cast<unsigned>(bits) == 0;
  };
  // One pass that the compiler makes vector code of; the place matters only if there is one.
  std::byte all = {};
  for (const std::byte code : codes) all |= code;
  if (fits(all)) return std::nullopt;
  const auto wide = std::find_if_not(codes.begin(), codes.end(), fits);
  if (wide == codes.end()) return std::nullopt;
  return static_cast<std::size_t>(wide - codes.begin());
}

void unpack_codes(Bytes packed, int bits, Packing packing, std::size_t begin, MutableBytes codes) {
  // Codes of whole bytes look the same in both orders.
  if (bits == 8) {
    std::copy_n(packed.begin() + static_cast<std::ptrdiff_t>(begin), codes.size(), codes.begin());
    return;
  }
  const auto width = static_cast<std::size_t>(bits);
  const unsigned mask = (1U << width) - 1;
  const std::size_t groups = begin % kGroup == 0 ? codes.size() / kGroup : 0;
  for (std::size_t group = 0; group < groups; ++group) {
    unpack_group(packed.subspan((begin / kGroup + group) * width, width),
                 static_cast<unsigned>(width), packing, codes.subspan(group * kGroup, kGroup));
  }
  for (std::size_t i = groups * kGroup; i < codes.size(); ++i) {
    const std::size_t at = (begin + i) * width;
    const std::size_t shift = at % 8;
    const auto first = std::to_integer<unsigned>(packed[at / 8]);
    // The next byte is read only if the code reaches into it: behind the last code there may be
    // none.
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
