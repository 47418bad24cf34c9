#pragma once

// Sums of products in the order in which a named runtime adds them: for the small float kernels of
// hybrid networks, where an ulp can flip a code of the next layer.

#include <cstddef>

#include "kernels/conv_small.h"

namespace visionpress {

/// One output pixel's inputs and weights. Channels are padded to whole vectors in `weights` and
/// `bias`: ordered_sums_stride(out_channels) floats.
struct OrderedTaps {
  const float* const* pixels = nullptr;  ///< the first channel of each tap; null outside the image
  std::size_t count = 0;                 ///< taps, in the order of the sum
  std::size_t in_channels = 0;  ///< of each tap; 0: depthwise, channel o reads channel o alone
  std::size_t out_channels = 0;
  const float* weights = nullptr;  ///< [count][in_channels][stride], depthwise [count][stride]
  const float* bias = nullptr;     ///< [stride]
};

[[nodiscard]] std::size_t ordered_sums_stride(std::size_t out_channels);

/// Writes out_channels sums.
void ordered_sums(const OrderedTaps& taps, SumOrder order, float* y);

}  // namespace visionpress
