#pragma once

// The maximum of several pixels, channel by channel.

#include <cstddef>

namespace visionpress {

/// out[c] = the largest of the pixels' values, minus infinity without pixels; NaN where one is NaN.
void max_of_pixels(const float* const* pixels, std::size_t count, std::size_t channels, float* out);

}  // namespace visionpress
