#pragma once

// TensorFlow's padding rule SAME along one axis, which readers, writers and the executor follow.

#include <algorithm>
#include <cstdint>

namespace visionpress {

/// Pixels that are given, and put before and behind the input's.
struct SamePadding {
  std::int64_t out = 0;  ///< ceil(in / stride)
  std::int64_t before = 0;
  std::int64_t after = 0;  ///< the odd pixel is here
};

/// in: pixels, 1 or more; extent: of the kernel with its dilation; stride: 1 or more.
/// source: tensorflow/core/framework/kernel_shape_util.cc, GetWindowedOutputSizeVerbose.
[[nodiscard]] inline SamePadding same_padding(std::int64_t in, std::int64_t extent,
                                              std::int64_t stride) {
  const std::int64_t out = (in + stride - 1) / stride;
  const std::int64_t total = std::max<std::int64_t>((out - 1) * stride + extent - in, 0);
  return {out, total / 2, total - total / 2};
}

}  // namespace visionpress
