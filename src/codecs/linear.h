#pragma once

#include "codecs/family.h"

namespace visionpress {

/// Codes of 1 to 8 bits on an even grid between the smallest and the largest value, with one scale
/// and offset per channel or weight. Signed codes are symmetric around 0 and need 2 bits: they run
/// from -(2^(bits - 1) - 1), one step less than the bits could hold.
[[nodiscard]] Family linear_family();

/// errors: Malformed where the scales, offsets or zero points do not fit the shape.
[[nodiscard]] Result<void> check_linear(const WeightRef& weight);

/// decode_part (decode.h) of a Linear weight. codes: those of the elements from `begin` on, one
/// byte each.
void decode_linear_part(const WeightRef& weight, std::size_t begin, Bytes codes,
                        std::span<float> out);

}  // namespace visionpress
