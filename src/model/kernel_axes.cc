#include "model/kernel_axes.h"

#include <cstddef>

#include "base/bytes.h"

namespace visionpress {
namespace {

std::int64_t size_at(const Shape& shape, int axis) { return shape[static_cast<std::size_t>(axis)]; }

}  // namespace

KernelAxes kernel_axes(KernelLayout layout) {
  switch (layout) {
    case KernelLayout::Oihw:
      break;
    case KernelLayout::Iohw:
      return {.out = 1, .in = 0, .height = 2, .width = 3};
    case KernelLayout::Ohwi:
      return {.out = 0, .in = 3, .height = 1, .width = 2};
    case KernelLayout::Hwo:
      return {.out = 3, .in = 0, .height = 1, .width = 2};
    case KernelLayout::Hwio:
    case KernelLayout::Hwim:
      return {.out = 3, .in = 2, .height = 0, .width = 1};
    case KernelLayout::Hwoi:
      return {.out = 2, .in = 3, .height = 0, .width = 1};
  }
  return {.out = 0, .in = 1, .height = 2, .width = 3};
}

KernelSizes kernel_sizes(const Shape& shape, KernelLayout layout, std::int64_t groups) {
  const KernelAxes axes = kernel_axes(layout);
  KernelSizes sizes;
  sizes.groups = groups;
  sizes.out = size_at(shape, axes.out);
  sizes.in_per_group = size_at(shape, axes.in);
  sizes.height = size_at(shape, axes.height);
  sizes.width = size_at(shape, axes.width);
  // Iohw holds the inputs of all groups, each with the outputs of its own group.
  if (layout == KernelLayout::Iohw) {
    sizes.out = checked_multiply(sizes.out, groups).value_or(0);
    sizes.in_per_group /= groups;
  }
  if (layout == KernelLayout::Hwim) {
    sizes.out = checked_multiply(sizes.out, sizes.in_per_group).value_or(0);
  }
  if (layout == KernelLayout::Hwo || layout == KernelLayout::Hwim) sizes.in_per_group = 1;
  return sizes;
}

std::array<std::int64_t, 5> kernel_strides(const KernelSizes& sizes, KernelLayout layout) {
  const std::int64_t all = sizes.out;
  const std::int64_t o = all / sizes.groups;
  const std::int64_t i = sizes.in_per_group;
  const std::int64_t h = sizes.height;
  const std::int64_t w = sizes.width;
  switch (layout) {
    case KernelLayout::Oihw:
      return {o * i * h * w, i * h * w, h * w, w, 1};
    case KernelLayout::Iohw:
      return {i * o * h * w, h * w, o * h * w, w, 1};
    case KernelLayout::Ohwi:
      return {o * h * w * i, h * w * i, 1, w * i, i};
    case KernelLayout::Hwo:
    case KernelLayout::Hwim:  // [in, multiplier] is [out], each channel's results together
      return {o, 1, 1, w * all, all};
    case KernelLayout::Hwio:
      return {o, 1, all, w * i * all, i * all};
    case KernelLayout::Hwoi:
      return {o * i, i, 1, w * all * i, all * i};
  }
  return {};
}

std::optional<AxisSplit> find_output_channels(const Op& op, const Shape& kernel) {
  const auto known = element_count(kernel);
  if (!known || *known == 0) return std::nullopt;
  if (const auto* connected = std::get_if<FullyConnected>(&op)) {
    if (kernel.size() != 2) return std::nullopt;
    return split_at(kernel, connected->kernel_is_in_out ? 1 : 0);
  }
  const auto* conv = std::get_if<Conv2d>(&op);
  if (conv == nullptr || kernel.size() != 4) return std::nullopt;
  if (conv->kernel_layout == KernelLayout::Iohw) return std::nullopt;
  const KernelAxes axes = kernel_axes(conv->kernel_layout);
  AxisSplit split = split_at(kernel, static_cast<std::size_t>(axes.out));
  if (conv->kernel_layout == KernelLayout::Hwim) {
    const auto channels = static_cast<std::size_t>(size_at(kernel, axes.in));
    split.channels *= channels;
    split.outer /= channels;
  }
  return split;
}

std::optional<ChannelTaps> find_channel_taps(const Op& op, const Shape& kernel, int axis) {
  const auto known = element_count(kernel);
  if (!known || *known == 0) return std::nullopt;
  if (const auto* connected = std::get_if<FullyConnected>(&op)) {
    if (kernel.size() != 2 || axis != (connected->kernel_is_in_out ? 1 : 0)) return std::nullopt;
    return ChannelTaps{.inputs = static_cast<std::size_t>(size_at(kernel, 1 - axis))};
  }
  const auto* conv = std::get_if<Conv2d>(&op);
  if (conv == nullptr || conv->transposed || kernel.size() != 4) return std::nullopt;
  const KernelAxes axes = kernel_axes(conv->kernel_layout);
  // A channel of Hwim is an input with all of its multiplier's results.
  const bool is_multiplied = conv->kernel_layout == KernelLayout::Hwim;
  if (is_multiplied && size_at(kernel, axes.out) != 1) return std::nullopt;
  if (axis != (is_multiplied ? axes.in : axes.out)) return std::nullopt;
  ChannelTaps taps;
  taps.height = static_cast<std::size_t>(size_at(kernel, axes.height));
  taps.width = static_cast<std::size_t>(size_at(kernel, axes.width));
  const auto per_channel = static_cast<std::size_t>(*known / size_at(kernel, axis));
  taps.inputs = per_channel / (taps.height * taps.width);
  taps.inputs_last = conv->kernel_layout != KernelLayout::Oihw;
  return taps;
}

std::optional<std::size_t> find_kernel(const Graph& graph, const Node& node) {
  const bool has_kernel =
      std::holds_alternative<Conv2d>(node.op) || std::holds_alternative<FullyConnected>(node.op);
  if (!has_kernel || node.inputs.size() < 2 || node.inputs[1] == kNoTensor) return std::nullopt;
  return graph.tensor(node.inputs[1]).weight;
}

}  // namespace visionpress
