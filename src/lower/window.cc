#include "lower/window.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/error.h"
#include "model/kernel_axes.h"

namespace visionpress {
namespace {

tl::unexpected<Error> no_window(std::int64_t extent, std::int64_t stride, std::int64_t in) {
  return fail(ErrorKind::Malformed, "window {} with stride {} over {} pixels", extent, stride, in);
}

/// errors: Malformed for amounts below 0 or beyond kMostPixels.
Result<void> check_padding(std::int64_t before, std::int64_t after) {
  if (before >= 0 && after >= 0 && before <= kMostPixels && after <= kMostPixels) return {};
  return fail(ErrorKind::Malformed, "padding of {} and {} pixels", before, after);
}

// Whether the kernel's axes fit `channels` input channels in `groups` groups.
bool fits_channels(const Shape& k, KernelLayout layout, const KernelSizes& kernel,
                   std::int64_t channels, std::int64_t groups) {
  if (layout == KernelLayout::Hwo && k[0] != 1) return false;
  if (layout == KernelLayout::Hwim && k[2] != channels) return false;
  const bool is_depthwise = layout == KernelLayout::Hwo || layout == KernelLayout::Hwim;
  if (is_depthwise) return groups == channels && kernel.out % groups == 0;
  return checked_multiply(kernel.in_per_group, groups) == channels && kernel.out % groups == 0;
}

// The input channels of a depthwise kernel (one channel per group); -1 where its shape does not
// say.
std::int64_t depthwise_channels(const Conv2d& op, const Shape& k) {
  return op.kernel_layout == KernelLayout::Hwim ? k[2] : -1;
}

Result<void> set_transposed(const Conv2d& op, const Shape& x, ConvGeometry& geometry) {
  for (std::size_t a = 0; a < 2; ++a) {
    const std::int64_t in = x[a + 1];
    std::int64_t out = op.output_size[a];
    if (in < 0) {
      geometry.out[a] = out == 0 ? -1 : out;
      continue;
    }
    const std::int64_t extent = (geometry.kernel[a] - 1) * op.dilation[a] + 1;
    if (in > kMostPixels || op.stride[a] > kMostPixels) return no_window(extent, op.stride[a], in);
    if (op.padding.rule == PadRule::Explicit)
      VP_RETURN_IF_ERROR(check_padding(op.padding.before[a], op.padding.after[a]));
    const std::int64_t full = (in - 1) * op.stride[a] + extent;
    if (out == 0) {
      out = op.padding.rule == PadRule::Explicit ? full - op.padding.before[a] - op.padding.after[a]
                                                 : in * op.stride[a];
    }
    std::int64_t before = op.padding.before[a];
    if (op.padding.rule != PadRule::Explicit) {
      const std::int64_t total = std::max<std::int64_t>(0, full - out);
      before = op.padding.rule == PadRule::SameUpper ? total / 2 : total - total / 2;
    }
    if (out <= 0 || before < 0 || before >= extent) {
      return fail(ErrorKind::Malformed, "transposed convolution of {} pixels to {} with padding {}",
                  in, out, before);
    }
    geometry.out[a] = out;
    geometry.before[a] = before;
    geometry.after[a] = full - out - before;
  }
  return {};
}

}  // namespace

SamePadding same_padding(std::int64_t in, std::int64_t extent, std::int64_t stride) {
  const std::int64_t out = (in + stride - 1) / stride;
  const std::int64_t total = std::max<std::int64_t>((out - 1) * stride + extent - in, 0);
  return {out, total / 2, total - total / 2};
}

Result<WindowGeometry> window_geometry(std::int64_t in, std::int64_t extent, std::int64_t stride,
                                       const SpatialPadding& padding, std::size_t axis) {
  if (in == 0 || extent <= 0 || stride <= 0 || in > kMostPixels || extent > kMostPixels ||
      stride > kMostPixels) {
    return no_window(extent, stride, in);
  }
  WindowGeometry geometry = {padding.before[axis], padding.after[axis], -1};
  if (in < 0) return geometry;
  if (padding.rule == PadRule::SameUpper || padding.rule == PadRule::SameLower) {
    const SamePadding same = same_padding(in, extent, stride);
    const bool odd_behind = padding.rule == PadRule::SameUpper;
    geometry.out = same.out;
    geometry.before = odd_behind ? same.before : same.after;
    geometry.after = odd_behind ? same.after : same.before;
    return geometry;
  }
  VP_RETURN_IF_ERROR(check_padding(geometry.before, geometry.after));
  const std::int64_t span = in + geometry.before + geometry.after - extent;
  if (span < 0) {
    return fail(ErrorKind::Malformed, "window of {} over {} pixels with padding {} and {}", extent,
                in, geometry.before, geometry.after);
  }
  if (padding.rule == PadRule::Explicit) {
    geometry.out = span / stride + 1;
    return geometry;
  }
  // Rounded up: the last window may reach beyond the padding.
  geometry.out = (span + stride - 1) / stride + 1;
  // Padding along either axis counts for both. source: NeuralNetwork.proto, PoolingLayerParams.
  const bool is_padded = padding.before[0] > 0 || padding.before[1] > 0;
  // A last window that would start in the padding is dropped.
  if (is_padded && (geometry.out - 1) * stride >= in + geometry.before) --geometry.out;
  geometry.after = std::max<std::int64_t>(
      geometry.after, (geometry.out - 1) * stride + extent - in - geometry.before);
  return geometry;
}

Result<ConvGeometry> conv_geometry(const Conv2d& op, const Shape& x, const Shape& kernel) {
  if (x.size() != 4 || kernel.size() != 4 || !element_count(kernel)) {
    return fail(ErrorKind::Malformed, "input {} and kernel {} need four axes each", to_string(x),
                to_string(kernel));
  }
  ConvGeometry geometry;
  const std::int64_t channels = x[3] < 0 ? depthwise_channels(op, kernel) : x[3];
  const bool is_open = channels < 0;
  geometry.groups = op.groups == 0 && is_open ? 0 : op.groups == 0 ? channels : op.groups;
  if (geometry.groups < 0 || (geometry.groups == 0 && !is_open))
    return fail(ErrorKind::Malformed, "{} groups", geometry.groups);
  const KernelSizes sizes =
      kernel_sizes(kernel, op.kernel_layout, std::max<std::int64_t>(geometry.groups, 1));
  geometry.out_channels = sizes.out;
  geometry.kernel = {sizes.height, sizes.width};
  // This layout counts the output channels of one group.
  if (geometry.groups == 0 && op.kernel_layout == KernelLayout::Iohw) geometry.out_channels = -1;
  const bool fits =
      is_open || fits_channels(kernel, op.kernel_layout, sizes, channels, geometry.groups);
  if (!fits || sizes.out <= 0) {
    return fail(ErrorKind::Malformed, "kernel {} does not fit {} input channels in {} groups",
                to_string(kernel), channels, geometry.groups);
  }
  for (std::size_t a = 0; a < 2; ++a) {
    if (op.stride[a] <= 0 || op.dilation[a] <= 0 || op.dilation[a] > (1 << 20) ||
        geometry.kernel[a] > (1 << 20)) {
      return fail(ErrorKind::Malformed, "stride {} and dilation {}", op.stride[a], op.dilation[a]);
    }
  }
  if (op.transposed) {
    VP_RETURN_IF_ERROR(set_transposed(op, x, geometry));
    return geometry;
  }
  for (std::size_t a = 0; a < 2; ++a) {
    const std::int64_t extent = (geometry.kernel[a] - 1) * op.dilation[a] + 1;
    VP_ASSIGN_OR_RETURN(const WindowGeometry window,
                        window_geometry(x[a + 1], extent, op.stride[a], op.padding, a));
    geometry.out[a] = window.out;
    if (window.out < 0) continue;
    geometry.before[a] = window.before;
    geometry.after[a] = (window.out - 1) * op.stride[a] + extent - x[a + 1] - window.before;
  }
  return geometry;
}

}  // namespace visionpress
