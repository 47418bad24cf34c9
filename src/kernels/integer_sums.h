#pragma once

// The vector loops of fully integer networks: sums of products of codes, and sums turned back into
// codes with the rounding of a named runtime. Codes are bytes 0..255; an int8 code q is stored as
// q + 128, and its zero point is moved along.

#include <cstddef>
#include <cstdint>

#include "kernels/fixed_point.h"

namespace visionpress {

/// How the sums of one pixel become codes, column by column.
struct SumsToCodes {
  const std::int32_t* offsets = nullptr;  ///< added to each sum: the bias, and what zero points add
  /// XNNPACK: zero + rint(fl(fl(sum) * scale)), ties to even. Null: `factors` are used.
  const float* scales = nullptr;
  /// Builtin kernels: zero + multiply_by(sum, factor), or multiply_upwards in the first columns.
  const FixedFactor* factors = nullptr;
  std::size_t upward_columns = 0;
  std::int32_t zero = 0;  ///< the zero point of the result
  std::int32_t low = 0;   ///< bounds of the codes
  std::int32_t high = 255;
};

/// The code of one sum; the offset is already in it.
[[nodiscard]] std::uint8_t code_of_sum(std::int32_t sum, std::size_t column,
                                       const SumsToCodes& how);

/// row_offset: added to each sum of the pixel.
void sums_to_codes(const std::int32_t* sums, std::int32_t row_offset, std::size_t columns,
                   const SumsToCodes& how, std::uint8_t* codes);

/// codes = zero + round(x / scale), a half away from zero; NaN gives 0.
void codes_of_quotients(const float* x, std::size_t count, float scale, std::int32_t zero,
                        std::uint8_t* codes);
/// codes = zero + rint(x * factor), ties to even; NaN gives 0.
void codes_of_products(const float* x, std::size_t count, float factor, std::int32_t zero,
                       std::uint8_t* codes);

[[nodiscard]] std::int32_t sum_of_codes(const std::uint8_t* codes, std::size_t count);

/// Windows that consist of `segments` runs of `segment` codes.
struct CodeWindows {
  const std::uint8_t* const* starts = nullptr;
  std::size_t count = 0;
  const std::size_t* offsets = nullptr;  ///< bytes from a window's start to each run
  std::size_t segments = 0;
  std::size_t segment = 0;
};
/// sums[i] = the sum of the codes of window i.
void sum_windows(const CodeWindows& windows, std::int32_t* sums);

/// sums[c] = the sum over the taps of pixels[t][c] * weights[t * channels + c].
/// weights: in -255..255.
void sum_depthwise_codes(const std::uint8_t* const* pixels, const std::int16_t* weights,
                         std::size_t taps, std::size_t channels, std::int32_t* sums);

}  // namespace visionpress
