#pragma once

// Depthwise convolutions of float rows: plain float ones, and those of hybrid networks, whose codes
// are held as floats. Sums of such codes are whole numbers below 2^24, which float arithmetic adds
// exactly in any order; it is as fast as integer arithmetic here, on every instruction set.

#include <cstddef>

#include "kernels/conv_small.h"

namespace visionpress {

/// One row of output pixels. Input rows are padded, so that every tap of every pixel exists.
struct DepthwiseRow {
  const float* x = nullptr;              ///< the first pixel's window
  const std::size_t* offsets = nullptr;  ///< floats from a window to its taps, in the sums' order
  std::size_t taps = 0;
  std::size_t channels = 0;
  std::size_t pixel_step = 0;  ///< floats from window to window
  std::size_t pixels = 0;
  const float* weights = nullptr;  ///< [taps][depthwise_stride(channels)]
  const float* bias = nullptr;     ///< [depthwise_stride(channels)]
  float* y = nullptr;              ///< [pixels][channels], dense
  std::size_t y_floats = 0;        ///< floats of y that exist; the last pixels may be cut off
};

/// The channels, rounded up to whole vectors.
[[nodiscard]] std::size_t depthwise_stride(std::size_t channels);
/// Neighbouring pixels that are best treated as one of `count` times the channels, where windows
/// follow each other without a gap (stride 1): vectors are then filled whatever the channels.
[[nodiscard]] std::size_t depthwise_fold(std::size_t channels);
/// The kernels read this many floats past the last window; their values do not matter.
inline constexpr std::size_t kDepthwiseSlack = 64;

/// Starts at the bias and adds one product after another, each with one rounding (XNNPACK).
void depthwise_row(const DepthwiseRow& row, const SmallConvActivation& activation);

/// From sums of codes to floats, as TFLite's builtin kernel does it.
struct DepthwiseScales {
  /// y = fl(fl(fl(sum * first) * second) + bias), per channel, padded like the bias.
  const float* first = nullptr;
  const float* second = nullptr;
  const float* for_nan = nullptr;  ///< what NaN becomes, per channel
  float low = 0.0F;
  float high = 0.0F;
};
/// x, weights: whole numbers, of at most 255 and 128 in size.
void depthwise_code_row(const DepthwiseRow& row, const DepthwiseScales& scales);

}  // namespace visionpress
