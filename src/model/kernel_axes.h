#pragma once

// Which axes of a kernel are its rows (output channels) and which its columns (the inputs of one
// channel), for every kernel layout of ops.h.

#include <array>
#include <cstdint>
#include <optional>

#include "model/graph.h"
#include "model/ops.h"
#include "model/tensor.h"

namespace visionpress {

/// Where each axis of a convolution lies in a kernel of four axes.
struct KernelAxes {
  int out = 0;  ///< Iohw: of one group; Hwim: the multiplier, whose input channel is a row, too
  int in = 1;   ///< of one group; Hwo: the axis of size 1
  int height = 2;
  int width = 3;
};

[[nodiscard]] KernelAxes kernel_axes(KernelLayout layout);

/// A kernel as a matrix per group: rows are output channels, columns [in, height, width].
struct KernelSizes {
  std::int64_t groups = 1;
  std::int64_t out = 0;  ///< of all groups
  std::int64_t in_per_group = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;

  friend bool operator==(const KernelSizes&, const KernelSizes&) = default;
};

/// Sizes of a kernel of four axes.  groups: 1 or more; of a depthwise layout (Hwo, Hwim) the number
/// of input channels. out is 0 where the number of output channels does not fit 63 bits.
[[nodiscard]] KernelSizes kernel_sizes(const Shape& shape, KernelLayout layout,
                                       std::int64_t groups);

/// Elements between neighbours on the axes group, out (within its group), in, height, width. The
/// offset of an element is the sum of its index on each axis times that axis's stride.
[[nodiscard]] std::array<std::int64_t, 5> kernel_strides(const KernelSizes& sizes,
                                                         KernelLayout layout);

/// How a kernel divides into the output channels of its convolution or matrix; nothing where an
/// AxisSplit cannot say so (a transposed kernel of Core ML) or the shape does not fit.
[[nodiscard]] std::optional<AxisSplit> find_output_channels(const Op& op, const Shape& kernel);

/// How the values of one channel of a kernel meet the inputs of its layer. The channel's values, in
/// the order in which the kernel stores them, are [inputs][height][width], or [height][width]
/// [inputs] where `inputs_last`.
struct ChannelTaps {
  std::size_t height = 1;
  std::size_t width = 1;
  std::size_t inputs = 1;
  bool inputs_last = false;
};

/// The taps of each channel along `axis`; nothing where the values of a channel do not all add up
/// to one result: transposed convolutions, and axes that are not the output channels.
[[nodiscard]] std::optional<ChannelTaps> find_channel_taps(const Op& op, const Shape& kernel,
                                                           int axis);

/// The weight that a convolution or a fully connected layer has as its kernel; nothing for other
/// nodes and computed kernels.
[[nodiscard]] std::optional<std::size_t> find_kernel(const Graph& graph, const Node& node);

}  // namespace visionpress
