#pragma once

// Depthwise convolutions of 8-bit codes with XNNPACK's rounding. A row's pixels are taken in steps
// of one or, where the windows of neighbours lie side by side, several pixels.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/integer_sums.h"

namespace visionpress {

/// The kernel may read this many bytes past the last code of a step; their values do not matter.
inline constexpr std::size_t kDepthwiseCodeSlack = 64;

/// A kernel packed for the instruction set in use.
struct DepthwiseCodeKernel {
  std::size_t taps = 0;
  std::size_t codes = 0;        ///< per step
  std::int32_t zero_point = 0;  ///< of the weights
  std::vector<std::uint8_t> weights = {};
  std::vector<std::int32_t> offsets = {};
  std::vector<float> scales = {};
};
/// weights: int8 as bytes, [taps][channels]. how: its scales and offsets, one per channel.
/// pixels: per step; the channels are repeated so often.
[[nodiscard]] DepthwiseCodeKernel pack_depthwise_codes(std::span<const std::uint8_t> weights,
                                                       std::size_t taps, std::int32_t zero_point,
                                                       const SumsToCodes& how, std::size_t channels,
                                                       std::size_t pixels);

struct DepthwiseCodeRow {
  const std::uint8_t* x = nullptr;    ///< the first code of the first step's first tap
  const std::size_t* taps = nullptr;  ///< bytes from there to each tap
  std::size_t steps = 0;
  std::size_t stride = 0;     ///< bytes from one step's codes to the next's
  std::uint8_t* y = nullptr;  ///< steps * kernel.codes
};
/// how: its zero point and bounds; scales and offsets are the packed ones.
void convolve_depthwise_codes(const DepthwiseCodeKernel& kernel, const DepthwiseCodeRow& row,
                              const SumsToCodes& how);

}  // namespace visionpress
