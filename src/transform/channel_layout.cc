#include "transform/channel_layout.h"

#include <algorithm>

namespace visionpress {
namespace {

ChannelLayout split_at(const Shape& shape, std::size_t axis) {
  ChannelLayout layout;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto size = static_cast<std::size_t>(shape[i]);
    if (i < axis) layout.outer *= size;
    if (i == axis) layout.channels = size;
    if (i > axis) layout.inner *= size;
  }
  return layout;
}

}  // namespace

std::optional<ChannelLayout> find_channel_layout(const Op& op, const Shape& kernel) {
  const auto known = element_count(kernel);
  if (!known || *known == 0) return std::nullopt;
  if (const auto* connected = std::get_if<FullyConnected>(&op)) {
    if (kernel.size() != 2) return std::nullopt;
    return split_at(kernel, connected->kernel_is_in_out ? 1 : 0);
  }
  const auto* conv = std::get_if<Conv2d>(&op);
  if (conv == nullptr || kernel.size() != 4) return std::nullopt;
  switch (conv->kernel_layout) {
    case KernelLayout::Oihw:
    case KernelLayout::Ohwi:
      return split_at(kernel, 0);
    case KernelLayout::Hwo:
    case KernelLayout::Hwio:
      return split_at(kernel, 3);
    case KernelLayout::Hwoi:
      return split_at(kernel, 2);
    case KernelLayout::Hwim: {
      ChannelLayout layout = split_at(kernel, 3);
      layout.channels *= static_cast<std::size_t>(kernel[2]);
      layout.outer /= static_cast<std::size_t>(kernel[2]);
      return layout;
    }
    case KernelLayout::Iohw:
      break;
  }
  return std::nullopt;
}

}  // namespace visionpress
