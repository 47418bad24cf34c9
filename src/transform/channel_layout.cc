#include "transform/channel_layout.h"

namespace visionpress {
std::optional<AxisSplit> find_channel_layout(const Op& op, const Shape& kernel) {
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
      AxisSplit layout = split_at(kernel, 3);
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
