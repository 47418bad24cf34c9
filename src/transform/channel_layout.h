#pragma once

#include <cstddef>
#include <optional>

#include "model/ops.h"

namespace visionpress {

/// How a kernel falls into output channels: element (o, c, i) lies at (o * channels + c) * inner +
/// i.
struct ChannelLayout {
  std::size_t outer = 1;
  std::size_t channels = 1;
  std::size_t inner = 1;
};

/// Of a convolution or a matrix with this kernel; nothing where channels do not lie so (a grouped
/// transposed kernel) or the shape does not fit.
[[nodiscard]] std::optional<ChannelLayout> find_channel_layout(const Op& op, const Shape& kernel);

}  // namespace visionpress
