#pragma once

#include <bit>
#include <cstdint>

namespace visionpress {

/// IEEE 754 binary16 to binary32, exact.
[[nodiscard]] constexpr float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fU;
  std::uint32_t mantissa = half & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  // 112 is the difference of the exponents' biases, 127 and 15.
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  if (mantissa == 0) return std::bit_cast<float>(sign);
  std::uint32_t shift = 0;
  // A subnormal half is a normal float: its first one bit moves to the implicit place.
  while ((mantissa & 0x400U) == 0) {
    mantissa <<= 1;
    ++shift;
  }
  return std::bit_cast<float>(sign | ((113 - shift) << 23) | ((mantissa & 0x3ffU) << 13));
}

/// binary32 to binary16, ties to even; beyond the range becomes infinity, NaN stays NaN.
[[nodiscard]] constexpr std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  // 65520 and above: halfway from the largest half, 65504, to 65536 rounds to infinity.
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);
  if (magnitude < 0x33000001U) return sign;  // at most half of the smallest subnormal
  std::uint32_t exponent = magnitude >> 23;
  std::uint32_t mantissa = (magnitude & 0x7fffffU) | 0x800000U;
  // A half has 13 bits fewer of mantissa. Below 2^-14 (exponent 113) it is subnormal and loses
  // more.
  const std::uint32_t shift = exponent < 113 ? 126 - exponent : 13;
  const std::uint32_t half_unit = 1U << (shift - 1);
  std::uint32_t result = mantissa >> shift;
  const std::uint32_t rest = mantissa & ((1U << shift) - 1);
  if (rest > half_unit || (rest == half_unit && (result & 1U) != 0)) ++result;
  // A normal number keeps its implicit bit out of the sum; a subnormal has none.
  if (exponent >= 113) result += (exponent - 113) << 10;
  return static_cast<std::uint16_t>(sign | result);
}

}  // namespace visionpress
