#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/float_view.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// Writes the float values of `weight` to `out` (as many as its shape has elements), row-major.
/// errors: Malformed when the payload, scales or table do not fit the shape and bits.
[[nodiscard]] Result<void> decode_weight(const WeightRef& weight, std::span<float> out,
                                         int threads = 1);

/// Most elements that decode_part decodes in one call.
inline constexpr std::size_t kMaxDecodePart = 16384;

/// Decodes elements [begin, begin + out.size()) of a weight that check_weight has accepted.
/// begin: a multiple of 8, so that packed codes begin at a byte.  out: at most kMaxDecodePart.
void decode_part(const WeightRef& weight, std::size_t begin, std::span<float> out);

/// The values of a whole weight. Aligned Float32 payloads are copied too, since callers keep the
/// result.
[[nodiscard]] Result<std::vector<float>> load_weight(const WeightRef& weight, int threads = 1);

/// The Float32 weight of these values.  shape: as many elements.
[[nodiscard]] EncodedWeight store_floats(FloatView values, const Shape& shape);

/// The values of a Float32 weight in place, without a copy; nothing for any other encoding.
[[nodiscard]] std::optional<FloatView> view_weight(const WeightRef& weight);

/// The codes of a Linear or Table weight, one per byte (signed codes as two's complement).
[[nodiscard]] Result<std::vector<std::uint8_t>> load_codes(const WeightRef& weight);

/// Whether a Linear or Table weight has these codes, given as load_codes returns them. Needs no
/// memory for the codes of packed weights.
[[nodiscard]] Result<bool> has_codes(const WeightRef& weight, Bytes codes);

/// Checks payload length, scale counts and table length against shape and bits;
/// decoding relies on them. Readers lie below this layer and check their files themselves.
[[nodiscard]] Result<void> check_weight(const WeightRef& weight);

}  // namespace visionpress
