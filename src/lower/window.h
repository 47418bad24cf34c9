#pragma once

// Windows that slide over an image: the number of their positions, and the padding. Readers,
// writers, passes and the runner use these functions.

#include <array>
#include <cstdint>

#include "model/ops.h"
#include "visionpress/result.h"

namespace visionpress {

/// Limit in pixels along one axis of an image, a window, a stride or a padding; it keeps every sum
/// far from overflow.
constexpr std::int64_t kMostPixels = 1 << 24;

/// TensorFlow's padding rule SAME along one axis: pixels added before and after the input.
struct SamePadding {
  std::int64_t out = 0;  ///< ceil(in / stride)
  std::int64_t before = 0;
  std::int64_t after = 0;  ///< includes the odd pixel
};

/// in: pixels, 1 or more; extent: of the kernel with its dilation; stride: 1 or more.
/// source: tensorflow/core/framework/kernel_shape_util.cc, GetWindowedOutputSizeVerbose.
[[nodiscard]] SamePadding same_padding(std::int64_t in, std::int64_t extent, std::int64_t stride);

/// A window along one axis: pixels of padding before and after, and the number of its positions.
struct WindowGeometry {
  std::int64_t before = 0;
  std::int64_t after = 0;
  std::int64_t out = 0;  ///< -1 where the input's size is open; the padding is not known then
};

/// in: pixels, or -1 where the size is open; extent: of the window; axis: 0 height, 1 width.
/// errors: Malformed when the window is larger than the padded input.
[[nodiscard]] Result<WindowGeometry> window_geometry(std::int64_t in, std::int64_t extent,
                                                     std::int64_t stride,
                                                     const SpatialPadding& padding,
                                                     std::size_t axis);

/// The sizes of a convolution of an image, height before width.
struct ConvGeometry {
  std::int64_t groups = 1;  ///< 0 where each channel is a group and their number is open
  std::int64_t out_channels = 0;
  std::array<std::int64_t, 2> kernel = {1, 1};
  std::array<std::int64_t, 2> out = {0, 0};  ///< -1 where the input's size is open
  std::array<std::int64_t, 2> before = {0, 0};
  /// Chosen such that (in + before + after - extent) / stride + 1 is exactly `out`, so it may be
  /// negative.
  std::array<std::int64_t, 2> after = {0, 0};
};

/// x: [N,H,W,C], sizes may be -1; kernel: in op.kernel_layout, all sizes known.
/// errors: Malformed for shapes, strides and paddings that do not fit.
[[nodiscard]] Result<ConvGeometry> conv_geometry(const Conv2d& op, const Shape& x,
                                                 const Shape& kernel);

}  // namespace visionpress
