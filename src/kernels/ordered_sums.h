#pragma once

// Sums of products in the order in which a named runtime adds them. Used for the small float
// kernels of hybrid networks, where a difference of one ulp can flip a code of the next layer.

#include <cstddef>

#include "kernels/conv_small.h"

namespace visionpress {

/// The inputs and weights of one output pixel. `weights` and `bias` pad the channels to whole
/// vectors: stride = ordered_sums_stride(out_channels) floats.
struct OrderedTaps {
  const float* const* pixels = nullptr;  ///< the first channel of each tap; null outside the image
  std::size_t count = 0;                 ///< taps, in the order of the sum
  std::size_t in_channels = 0;           ///< per tap; 0: depthwise, channel o reads only channel o
  std::size_t out_channels = 0;
  const float* weights = nullptr;  ///< [count][in_channels][stride], depthwise [count][stride]
  const float* bias = nullptr;     ///< [stride]
};

[[nodiscard]] std::size_t ordered_sums_stride(std::size_t out_channels);

/// Writes out_channels sums.
void ordered_sums(const OrderedTaps& taps, SumOrder order, float* y);

}  // namespace visionpress
