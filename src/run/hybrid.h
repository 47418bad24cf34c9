#pragma once

// Quantizes the activations of one batch item to 8-bit codes as a named runtime does.

#include <cstdint>

#include "run/operator.h"

namespace visionpress {

/// The LiteRT kernel set whose rounding is reproduced.
enum class HybridRule {
  Xnnpack,            ///< asymmetric, ties to even
  BuiltinAsymmetric,  ///< filters whose scales differ, and depthwise
  BuiltinSymmetric,   ///< filters with one scale
  BuiltinFourBits,    ///< 4-bit matrices: symmetric, ties away from zero in every element
};

/// Codes q in [lowest, 127] with x = scale * (q - zero_point).
struct ActivationCode {
  float inverse = 1.0F;
  float scale = 1.0F;
  std::int32_t zero_point = 0;
  bool all_zero = false;  ///< every code is zero, whatever x holds
};

/// range: the batch item's range, widened to contain 0.
[[nodiscard]] ActivationCode choose_code(HybridRule rule, ActivationRange range);

/// Writes q + 128 for `count` values that start `offset` values into a batch item of `item_size`
/// values.
struct QuantizeJob {
  HybridRule rule = HybridRule::Xnnpack;
  ActivationCode code = {};
  std::size_t item_size = 0;
};
void quantize_values(const QuantizeJob& job, const float* x, std::size_t offset, std::size_t count,
                     std::uint8_t* codes);
/// The same for BuiltinAsymmetric codes, without their zero point and as floats.
void round_values(const QuantizeJob& job, const float* x, std::size_t offset, std::size_t count,
                  float* y);

}  // namespace visionpress
