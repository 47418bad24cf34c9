#pragma once

#include <optional>

#include "model/ops.h"

namespace visionpress {

/// How a kernel falls into the output channels of its convolution or matrix; nothing where channels
/// do not lie so (a grouped transposed kernel) or the shape does not fit.
[[nodiscard]] std::optional<AxisSplit> find_channel_layout(const Op& op, const Shape& kernel);

}  // namespace visionpress
