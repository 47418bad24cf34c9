#include "model/bit_packing.h"

#include <algorithm>
#include <cassert>

namespace visionpress {

std::optional<std::int64_t> packed_bytes(std::int64_t count, int bits) {
  const auto total = checked_multiply(count, bits);
  if (!total) return std::nullopt;
  return *total / 8 + (*total % 8 != 0 ? 1 : 0);
}

namespace {

constexpr std::size_t kGroup = 8;

std::uint64_t swap_bytes(std::uint64_t value) {
  constexpr std::uint64_t kBytes = 0x00ff00ff00ff00ffU;
  constexpr std::uint64_t kPairs = 0x0000ffff0000ffffU;
  value = ((value & kBytes) << 8U) | ((value >> 8U) & kBytes);
  value = ((value & kPairs) << 16U) | ((value >> 16U) & kPairs);
  return (value << 32U) | (value >> 32U);
}

/// The first `width` bytes of a stream as its low bits in the order of the packing, and back.
std::uint64_t order_stream(std::uint64_t stream, unsigned width, bool msb_first) {
  assert(width >= 1);
  return msb_first ? swap_bytes(stream) >> (64 - 8 * width) : stream;
}
std::uint64_t order_bytes(std::uint64_t stream, unsigned width, bool msb_first) {
  assert(width >= 1);
  return msb_first ? swap_bytes(stream << (64 - 8 * width)) : stream;
}

/// The low kSize bits of every lane of twice that size, and a one in each such lane.
template <unsigned kSize>
constexpr std::uint64_t kLowHalves = ~std::uint64_t{0} / ((std::uint64_t{1} << kSize) + 1);
template <unsigned kSize>
constexpr std::uint64_t kLaneOnes = kLowHalves<kSize> / ((std::uint64_t{1} << kSize) - 1);

/// Joins neighbouring lanes of kSize bits, of which `used` are used.
template <unsigned kSize>
std::uint64_t join_lanes(std::uint64_t lanes, unsigned used, bool msb_first) {
  const std::uint64_t first = lanes & kLowHalves<kSize>;
  const std::uint64_t second = (lanes >> kSize) & kLowHalves<kSize>;
  return msb_first ? (first << used) | second : first | (second << used);
}

/// The inverse of join_lanes.
template <unsigned kSize>
std::uint64_t split_lanes(std::uint64_t lanes, unsigned used, bool msb_first) {
  const std::uint64_t mask = kLaneOnes<kSize> * ((std::uint64_t{1} << used) - 1);
  const std::uint64_t low = lanes & mask;
  const std::uint64_t high = (lanes >> used) & mask;
  return msb_first ? high | (low << kSize) : low | (high << kSize);
}

/// Closes the gaps between kGroup codes of one byte each: between neighbours, then between pairs,
/// then between fours.
std::uint64_t join_group(std::uint64_t codes, unsigned width, bool msb_first) {
  std::uint64_t lanes = codes & (((1U << width) - 1) * 0x0101010101010101U);
  lanes = join_lanes<8>(lanes, width, msb_first);
  lanes = join_lanes<16>(lanes, 2 * width, msb_first);
  return join_lanes<32>(lanes, 4 * width, msb_first);
}

/// The inverse of join_group.
std::uint64_t split_group(std::uint64_t stream, unsigned width, bool msb_first) {
  std::uint64_t lanes = split_lanes<32>(stream, 4 * width, msb_first);
  lanes = split_lanes<16>(lanes, 2 * width, msb_first);
  return split_lanes<8>(lanes, width, msb_first);
}

/// Packs whole groups; a group fills `width` bytes.
void pack_groups(Bytes codes, unsigned width, bool msb_first, MutableBytes packed) {
  for (std::size_t at = 0; at < codes.size() / kGroup * width; at += width) {
    const std::uint64_t group = load_le<std::uint64_t>(codes, at / width * kGroup);
    const std::uint64_t bytes = order_bytes(join_group(group, width, msb_first), width, msb_first);
    // What is written too far is written again by the next group.
    if (packed.size() - at >= sizeof bytes) {
      store_le(packed, at, bytes);
      continue;
    }
    for (unsigned i = 0; i < width; ++i)
      packed[at + i] = static_cast<std::byte>((bytes >> (8 * i)) & 0xffU);
  }
}

/// The inverse of pack_groups; codes are zero-extended.
void unpack_groups(Bytes packed, unsigned width, bool msb_first, MutableBytes codes) {
  for (std::size_t group = 0; group < codes.size() / kGroup; ++group) {
    const std::size_t at = group * width;
    std::uint64_t bytes = 0;
    if (packed.size() - at >= sizeof bytes) {
      bytes = load_le<std::uint64_t>(packed, at);
    } else {
      for (unsigned i = 0; i < width; ++i)
        bytes |= std::to_integer<std::uint64_t>(packed[at + i]) << (8 * i);
    }
    const std::uint64_t stream = order_stream(bytes, width, msb_first);
    store_le(codes, group * kGroup, split_group(stream, width, msb_first));
  }
}

}  // namespace

ByteBuffer pack_codes(Bytes codes, int bits, Packing packing) {
  const auto width = static_cast<unsigned>(bits);
  const std::uint32_t mask = (1U << width) - 1;
  ByteBuffer packed((codes.size() * width + 7) / 8);
  const std::size_t groups = codes.size() / kGroup;
  pack_groups(codes.first(groups * kGroup), width, packing == Packing::MsbFirst, packed);
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
  if (groups > 0) {
    unpack_groups(packed.subspan(begin / kGroup * width), static_cast<unsigned>(width),
                  packing == Packing::MsbFirst, codes.first(groups * kGroup));
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
