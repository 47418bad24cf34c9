#include "codecs/decode.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/fp16.h"
#include "codecs/linear.h"
#include "codecs/palette.h"
#include "model/bit_packing.h"

namespace visionpress {
namespace {

bool is_packed(const WeightRef& weight) { return weight.packing != Packing::Whole; }

const char* name_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::Float32:
      return "float32";
    case Encoding::Float16:
      return "float16";
    case Encoding::Linear:
      return "linear";
    case Encoding::Table:
      return "table";
  }
  return "unknown";
}

Result<void> check_bits(const WeightRef& weight) {
  const WeightCode& code = weight.code;
  int low = 1;
  int high = 8;
  if (code.encoding == Encoding::Float32) low = high = 32;
  if (code.encoding == Encoding::Float16) low = high = 16;
  if (code.bits < low || code.bits > high) {
    return fail(ErrorKind::Malformed, "{} weight has {} bits, expected {}", name_of(code.encoding),
                code.bits, low == high ? fmt::format("{}", low) : fmt::format("{}..{}", low, high));
  }
  if (high > 8 && is_packed(weight)) {
    return fail(ErrorKind::Malformed, "{} weight is bit-packed, expected whole elements",
                name_of(code.encoding));
  }
  return {};
}

Result<void> check_payload(const WeightRef& weight, std::int64_t count) {
  const int stored_bits = is_packed(weight) ? weight.code.bits : std::max(weight.code.bits, 8);
  const auto needed = packed_bytes(count, stored_bits);
  if (!needed || static_cast<std::uint64_t>(*needed) != weight.payload.size()) {
    return fail(ErrorKind::Malformed, "payload is {} bytes, shape {} of {} bits each needs {}",
                weight.payload.size(), to_string(weight.shape), stored_bits, needed.value_or(-1));
  }
  return {};
}

/// Elements [begin, begin + count) as codes of one byte: the payload's own bytes if its codes are
/// whole, else unpacked into `buffer`.
Bytes view_codes(const WeightRef& weight, std::size_t begin, std::size_t count,
                 MutableBytes buffer) {
  if (!is_packed(weight) || weight.code.bits == 8) return weight.payload.subspan(begin, count);
  const MutableBytes codes = buffer.first(count);
  unpack_codes(weight.payload, weight.code.bits, weight.packing, begin, codes);
  if (weight.code.is_signed) extend_signs(codes, weight.code.bits);
  return codes;
}

/// Checks the range of whole codes of fewer than 8 bits; packed codes cannot leave their range.
Result<void> check_codes(const WeightRef& weight) {
  const int bits = weight.code.bits;
  if (is_packed(weight) || bits >= 8) return {};
  const bool is_signed = weight.code.encoding == Encoding::Linear && weight.code.is_signed;
  const int low = is_signed ? -(1 << (bits - 1)) : 0;
  // The encoder's signed codes of 1 bit are -1 and +1 (codecs/linear_grid.h).
  const int high = is_signed && bits == 1 ? 1 : low + (1 << bits) - 1;
  // One pass that the compiler makes vector code of; the place matters only if there is one.
  unsigned all = 0;
  for (const std::byte code : weight.payload)
    all |= (std::to_integer<unsigned>(code) - static_cast<unsigned>(low)) & 0xffU;
  if (all <= static_cast<unsigned>((1 << bits) - 1)) return {};
  for (std::size_t i = 0; i < weight.payload.size(); ++i) {
    const int code = is_signed ? load_le<std::int8_t>(weight.payload, i)
                               : load_le<std::uint8_t>(weight.payload, i);
    if (code < low || code > high) {
      return fail(ErrorKind::Malformed, "code {} of element {} is outside {}..{}", code, i, low,
                  high);
    }
  }
  return {};
}

}  // namespace

Result<void> check_weight(const WeightRef& weight) {
  const auto count = element_count(weight.shape);
  if (!count) {
    return fail(ErrorKind::Malformed, "shape {} has no element count", to_string(weight.shape));
  }
  VP_RETURN_IF_ERROR(check_bits(weight));
  VP_RETURN_IF_ERROR(check_payload(weight, *count));
  if (weight.code.encoding == Encoding::Linear) {
    VP_RETURN_IF_ERROR(check_linear(weight));
  }
  if (weight.code.encoding == Encoding::Table) {
    VP_RETURN_IF_ERROR(check_palette(weight.code));
  }
  return check_codes(weight);
}

void decode_part(const WeightRef& weight, std::size_t begin, std::span<float> out) {
  if (weight.code.encoding == Encoding::Float32) {
    std::memcpy(out.data(), weight.payload.data() + begin * 4, out.size_bytes());
    return;
  }
  if (weight.code.encoding == Encoding::Float16) return decode_fp16_part(weight, begin, out);
  std::array<std::byte, kMaxDecodePart> buffer;  // uninitialised: view_codes writes what is read
  const Bytes codes = view_codes(weight, begin, out.size(), buffer);
  if (weight.code.encoding == Encoding::Linear) {
    decode_linear_part(weight, begin, codes, out);
    return;
  }
  // Whole codes could exceed the table; check_codes has excluded that.
  decode_palette_part(weight.code, codes, out);
}

Result<void> decode_weight(const WeightRef& weight, std::span<float> out, int threads) {
  VP_RETURN_IF_ERROR(check_weight(weight));
  const auto count = static_cast<std::size_t>(*element_count(weight.shape));
  if (out.size() != count) {
    return fail(ErrorKind::Internal, "{} values asked of a weight of shape {}", out.size(),
                to_string(weight.shape));
  }
  parallel_for((count + kMaxDecodePart - 1) / kMaxDecodePart, threads, [&](std::size_t chunk) {
    const std::size_t begin = chunk * kMaxDecodePart;
    decode_part(weight, begin, out.subspan(begin, std::min(kMaxDecodePart, count - begin)));
  });
  return {};
}

Result<std::vector<float>> load_weight(const WeightRef& weight, int threads) {
  VP_RETURN_IF_ERROR(check_weight(weight));
  std::vector<float> values(static_cast<std::size_t>(*element_count(weight.shape)));
  VP_RETURN_IF_ERROR(decode_weight(weight, values, threads));
  return values;
}

EncodedWeight store_floats(FloatView values, const Shape& shape) {
  EncodedWeight stored;
  stored.shape = shape;
  stored.codes = ByteBuffer(values.bytes().begin(), values.bytes().end());
  return stored;
}

std::optional<FloatView> view_weight(const WeightRef& weight) {
  if (weight.code.encoding != Encoding::Float32 || !check_weight(weight)) return std::nullopt;
  return FloatView(weight.payload);
}

Result<bool> has_codes(const WeightRef& weight, Bytes codes) {
  VP_RETURN_IF_ERROR(check_weight(weight));
  if (static_cast<std::uint64_t>(*element_count(weight.shape)) != codes.size()) return false;
  std::array<std::byte, kMaxDecodePart> buffer;  // uninitialised: view_codes writes what is read
  for (std::size_t begin = 0; begin < codes.size(); begin += buffer.size()) {
    const std::size_t count = std::min(buffer.size(), codes.size() - begin);
    const Bytes stored = view_codes(weight, begin, count, buffer);
    if (std::memcmp(stored.data(), codes.data() + begin, count) != 0) return false;
  }
  return true;
}

Result<std::vector<std::uint8_t>> load_codes(const WeightRef& weight) {
  VP_RETURN_IF_ERROR(check_weight(weight));
  const Encoding encoding = weight.code.encoding;
  if (encoding != Encoding::Linear && encoding != Encoding::Table) {
    return fail(ErrorKind::InvalidArgument, "a {} weight has no codes", name_of(encoding));
  }
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(*element_count(weight.shape)));
  const MutableBytes buffer = std::as_writable_bytes(std::span(codes));
  const Bytes seen = view_codes(weight, 0, codes.size(), buffer);
  if (!seen.empty() && seen.data() != buffer.data()) {
    std::memcpy(buffer.data(), seen.data(), seen.size());
  }
  return codes;
}

}  // namespace visionpress
