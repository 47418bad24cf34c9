#pragma once

// Multiplication of integers by a real factor with integer arithmetic alone, as TFLite's builtin
// kernels round it: twice, once after the product and once after the shift.

#include <cstdint>
#include <limits>

namespace visionpress {

/// A factor mantissa * 2^(exponent - 31); the mantissa is 0 or has 31 bits.
struct FixedFactor {
  std::int32_t mantissa = 0;
  int exponent = 0;
};

/// The factor next to `real`, a half away from zero. Factors below 2^-32 are 0.
/// source: QuantizeMultiplier in tflite/kernels/internal/quantization_util.cc, LiteRT 2.3.
[[nodiscard]] FixedFactor make_fixed_factor(double real);

/// x / 2^bits, a half away from zero. bits: 0..31
[[nodiscard]] inline std::int32_t shift_rounding_away(std::int32_t x, int bits) {
  const auto mask = static_cast<std::int32_t>((std::int64_t{1} << bits) - 1);
  const std::int32_t rest = x & mask;
  const std::int32_t half = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> bits) + (rest > half ? 1 : 0);
}

/// a * b / 2^31 to the nearest, a half upwards; the one product that does not fit is the largest
/// number.
[[nodiscard]] inline std::int32_t multiply_high(std::int32_t a, std::int32_t b) {
  constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
  if (a == kLowest && b == kLowest) return std::numeric_limits<std::int32_t>::max();
  const std::int64_t product = static_cast<std::int64_t>(a) * b;
  constexpr std::int64_t kHalf = std::int64_t{1} << 30;
  // The quotient is truncated towards zero, so a negative product is moved by just under a half.
  return static_cast<std::int32_t>((product + (product >= 0 ? kHalf : 1 - kHalf)) /
                                   (std::int64_t{1} << 31));
}

/// x * factor, where both roundings move a half upwards: the matrix products of LiteRT 2.3 on
/// x86-64 and its int8 depthwise convolutions (measured; the other kernels use multiply_by).
[[nodiscard]] inline std::int32_t multiply_upwards(std::int32_t x, const FixedFactor& factor) {
  const int left = factor.exponent > 0 ? factor.exponent : 0;
  const int right = factor.exponent > 0 ? 0 : -factor.exponent;
  const auto shifted = static_cast<std::int32_t>(static_cast<std::uint32_t>(x) << left);
  const std::int64_t product = static_cast<std::int64_t>(shifted) * factor.mantissa;
  const std::int64_t high = (product + (std::int64_t{1} << 30)) >> 31;
  return static_cast<std::int32_t>((high + ((std::int64_t{1} << right) >> 1)) >> right);
}

/// x * factor, where the second rounding moves a half away from zero. The left shift of a factor
/// above 1 wraps, as in the runtime.
[[nodiscard]] inline std::int32_t multiply_by(std::int32_t x, const FixedFactor& factor) {
  const int left = factor.exponent > 0 ? factor.exponent : 0;
  const int right = factor.exponent > 0 ? 0 : -factor.exponent;
  const auto shifted = static_cast<std::int32_t>(static_cast<std::uint32_t>(x) << left);
  return shift_rounding_away(multiply_high(shifted, factor.mantissa), right);
}

}  // namespace visionpress
