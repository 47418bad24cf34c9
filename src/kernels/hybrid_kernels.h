#pragma once

// The vector loops of hybrid int8 networks: quantizing activations and turning int32 sums back into
// floats with the rounding of a named runtime. Codes are stored as q + 128 in a byte.
// Formulas: measured on LiteRT 2.3, x86-64, bit for bit.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace visionpress {

/// The range of `count` values, widened to contain 0.
void range_with_zero(const float* x, std::size_t count, float* low, float* high);

/// XNNPACK's code for values in [low, high], which contains 0.
struct EvenCode {
  float inverse = 1.0F;
  float scale = 1.0F;
  std::int32_t zero_point = 0;
};
[[nodiscard]] inline EvenCode choose_even_code(float low, float high) {
  EvenCode code;
  code.inverse = low == high ? 1.0F : 255.0F / (high - low);
  const float scaled_low = low * code.inverse;
  const float scaled_high = high * code.inverse;
  const float low_error = -128.0F + scaled_low;
  const float high_error = 127.0F + scaled_high;
  const float zero = low_error + high_error > 0.0F ? -128.0F - scaled_low : 127.0F - scaled_high;
  code.zero_point =
      static_cast<std::int32_t>(std::nearbyint(std::min(std::max(zero, -128.0F), 127.0F)));
  code.scale = 1.0F / code.inverse;
  return code;
}

/// XNNPACK: clamp(rint(x * inverse) + zero_point, -128, 127) + 128, ties to even.
void quantize_even(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
                   std::uint8_t* codes);

struct AwayRounding {
  float inverse = 1.0F;
  std::int32_t zero_point = 0;
  std::int32_t lowest = -128;  ///< -127 for symmetric codes
  /// The builtin kernels' vector body rounds by trunc(fl(x * inverse +- 0.5)), their scalar tail by
  /// a true round half away from zero; they differ just below one half.
  bool is_tail = false;
};
/// TFLite builtin kernels: clamp(round(x * inverse) + zero_point, lowest, 127) + 128.
void quantize_away(const float* x, std::size_t count, const AwayRounding& rounding,
                   std::uint8_t* codes);
/// The same codes without their zero point, as floats: round(x * inverse), clamped.
void round_away(const float* x, std::size_t count, const AwayRounding& rounding, float* y);

/// In which order a sum is multiplied by its two scales and rounded (fl).
enum class ScaleOrder : std::uint8_t {
  InputFused,       ///< fma(fl(sum * input_scale), kernel_scale, bias): XNNPACK
  Product,          ///< fl(fl(sum * fl(kernel_scale * input_scale)) + bias): builtin
  KernelThenInput,  ///< fl(fl(fl(sum * kernel_scale) * input_scale) + bias): builtin, grouped
  /// fl(fl(fl(f * kernel_scale) + bias) + fl(fl(u * input_scale) * kernel_scale)) with
  /// u = sum + kKernelShift * input_sum and f = fl(-kKernelShift * input_sum * input_scale):
  /// builtin, 4-bit matrices.
  ShiftedKernel,
  Raw,    ///< none: the int32 sums themselves, in the place of the floats
  Codes,  ///< codes of 8 bits, as SumsToCodes says
};

/// What the builtin kernel for 4-bit matrices adds to each of their codes, -7..7.
inline constexpr std::int32_t kKernelShift = 7;

/// How sums become floats. sum = raw - code_zero * kernel_sums[c], because `raw` was summed over
/// codes stored as q + 128.
struct Dequantization {
  const std::int32_t* kernel_sums = nullptr;  ///< per output channel: sum of its int8 weights
  const float* kernel_scales = nullptr;       ///< per output channel
  const float* bias = nullptr;                ///< per output channel
  std::int32_t code_zero = 128;               ///< zero point + 128
  float input_scale = 1.0F;
  std::int32_t input_sum = 0;  ///< ShiftedKernel: the sum of the row's codes
  ScaleOrder order = ScaleOrder::InputFused;
  float slope = 1.0F;  ///< applied next: y < 0 ? slope * y : y
  /// The bounds of the final clamp. With XNNPACK's order NaN becomes `low`, else it stays NaN.
  float low = 0.0F;
  float high = 0.0F;
};

/// The output and the range of the values written to it. The range starts as 0..0, because every
/// user's range contains 0.
struct FloatRows {
  float* y = nullptr;
  std::size_t stride = 0;  ///< floats from one pixel to the next
  float low = 0.0F;
  float high = 0.0F;
};

/// One sum of channel `channel` as a float. The vector code of byte_product gives the same bits.
[[nodiscard]] float dequantize_one(std::int32_t raw, std::size_t channel,
                                   const Dequantization& how);

/// Writes the maximum of each 2x2 block of pixels to `out`, dense, and widens its range. row, next:
/// 2 * count pixels each.
void max_of_blocks(const float* row, const float* next, std::size_t channels, std::size_t count,
                   FloatRows& out);

}  // namespace visionpress
