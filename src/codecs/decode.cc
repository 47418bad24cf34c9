#include "codecs/decode.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/bit_packing.h"
#include "kernels/weight_codes.h"

namespace visionpress {
namespace {

// Largest zero point of which code - zero_point is exact in float32 (24 bits of precision).
constexpr std::int32_t kMaxZeroPoint = (1 << 24) - 256;

// Below this many contiguous elements of one channel, a kernel call costs more than a plain loop.
constexpr std::size_t kShortRun = 16;

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

Result<void> check_linear(const WeightRef& weight) {
  const WeightCode& code = weight.code;
  if (code.scales.size() != 1) {
    if (code.axis < 0 || static_cast<std::size_t>(code.axis) >= weight.shape.size()) {
      return fail(ErrorKind::Malformed, "{} scales along axis {} of shape {}", code.scales.size(),
                  code.axis, to_string(weight.shape));
    }
    const std::int64_t channels = weight.shape[static_cast<std::size_t>(code.axis)];
    if (static_cast<std::uint64_t>(channels) != code.scales.size()) {
      return fail(ErrorKind::Malformed, "{} scales, axis {} of shape {} needs 1 or {}",
                  code.scales.size(), code.axis, to_string(weight.shape), channels);
    }
  }
  if (!code.offsets.empty() && code.offsets.size() != code.scales.size()) {
    return fail(ErrorKind::Malformed, "{} offsets for {} scales", code.offsets.size(),
                code.scales.size());
  }
  if (!code.zero_points.empty() && code.zero_points.size() != code.scales.size()) {
    return fail(ErrorKind::Malformed, "{} zero points for {} scales", code.zero_points.size(),
                code.scales.size());
  }
  for (const std::int32_t zero_point : code.zero_points) {
    if (zero_point < -kMaxZeroPoint || zero_point > kMaxZeroPoint) {
      return fail(ErrorKind::Malformed, "zero point {} is outside {}..{}", zero_point,
                  -kMaxZeroPoint, kMaxZeroPoint);
    }
  }
  return {};
}

Result<void> check_table(const WeightCode& code) {
  const std::size_t entries = std::size_t{1} << code.bits;
  if (code.table.size() == entries) return {};
  return fail(ErrorKind::Malformed, "table has {} entries, {} bits need {}", code.table.size(),
              code.bits, entries);
}

LinearStep step_of(const WeightCode& code, std::size_t channel) {
  LinearStep step;
  step.scale = code.scales[channel];
  step.offset = code.offsets.empty() ? 0.0F : code.offsets[channel];
  step.zero_point = code.zero_points.empty() ? 0 : code.zero_points[channel];
  step.is_signed = code.is_signed;
  return step;
}

/// Elements [begin, begin + count) as codes of one byte: the payload's own bytes where it holds
/// such, else unpacked into `buffer`.
Bytes view_codes(const WeightRef& weight, std::size_t begin, std::size_t count,
                 MutableBytes buffer) {
  if (!is_packed(weight) || weight.code.bits == 8) return weight.payload.subspan(begin, count);
  const MutableBytes codes = buffer.first(count);
  unpack_codes(weight.payload, weight.code.bits, weight.packing, begin, codes);
  if (weight.code.is_signed) extend_signs(codes, weight.code.bits);
  return codes;
}

void decode_linear_chunk(const WeightRef& weight, std::size_t begin, Bytes codes,
                         std::span<float> out) {
  const WeightCode& code = weight.code;
  if (code.scales.size() == 1) return decode_linear(codes, step_of(code, 0), out);
  const std::size_t inner = split_at(weight.shape, static_cast<std::size_t>(code.axis)).inner;
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t at = begin + done;
    const std::size_t run = std::min(inner - at % inner, out.size() - done);
    const LinearStep step = step_of(code, at / inner % code.scales.size());
    if (run < kShortRun) {
      decode_linear_ref(codes.subspan(done, run), step, out.subspan(done, run));
    } else {
      decode_linear(codes.subspan(done, run), step, out.subspan(done, run));
    }
    done += run;
  }
}

/// Whole codes of fewer than 8 bits could be out of their range; packed ones cannot.
Result<void> check_codes(const WeightRef& weight) {
  const int bits = weight.code.bits;
  if (is_packed(weight) || bits >= 8) return {};
  const bool is_signed = weight.code.encoding == Encoding::Linear && weight.code.is_signed;
  const int low = is_signed ? -(1 << (bits - 1)) : 0;
  const int high = low + (1 << bits) - 1;
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
    VP_RETURN_IF_ERROR(check_table(weight.code));
  }
  return check_codes(weight);
}

void decode_part(const WeightRef& weight, std::size_t begin, std::span<float> out) {
  if (weight.code.encoding == Encoding::Float32) {
    std::memcpy(out.data(), weight.payload.data() + begin * 4, out.size_bytes());
    return;
  }
  if (weight.code.encoding == Encoding::Float16) {
    decode_halves(weight.payload.subspan(begin * 2), out);
    return;
  }
  std::array<std::byte, kMaxDecodePart> buffer;  // uninitialised: view_codes writes what is read
  const Bytes codes = view_codes(weight, begin, out.size(), buffer);
  if (weight.code.encoding == Encoding::Linear) {
    decode_linear_chunk(weight, begin, codes, out);
    return;
  }
  // Whole codes may exceed the table; check_codes has looked at them.
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = weight.code.table[std::to_integer<std::size_t>(codes[i])];
  }
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

std::optional<FloatView> view_weight(const WeightRef& weight) {
  if (weight.code.encoding != Encoding::Float32 || !check_weight(weight)) return std::nullopt;
  return FloatView(weight.payload);
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
