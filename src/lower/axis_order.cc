#include "lower/axis_order.h"

#include <algorithm>

#include "base/error.h"

namespace visionpress {

Result<int> resolve_axis(int axis, std::size_t rank) {
  const int count = static_cast<int>(rank);
  const int resolved = axis < 0 ? axis + count : axis;
  if (resolved >= 0 && resolved < count) return resolved;
  return fail(ErrorKind::Malformed, "axis {} of a tensor with {} axes", axis, count);
}

SliceSpan slice_span(std::int64_t begin, std::int64_t end, std::int64_t stride, std::int64_t size) {
  const auto place = [size](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const std::int64_t first = place(begin);
  const std::int64_t last = place(end);
  return {.begin = first, .count = first >= last ? 0 : (last - first - 1) / stride + 1};
}

Shape physical_shape(const Shape& logical, Layout layout) {
  if (layout == Layout::ChannelsLast || logical.size() != 4) return logical;
  return {logical[0], logical[2], logical[3], logical[1]};
}

Shape logical_shape(const Shape& physical, Layout layout) {
  if (layout == Layout::ChannelsLast || physical.size() != 4) return physical;
  return {physical[0], physical[3], physical[1], physical[2]};
}

bool is_open(const Shape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](std::int64_t size) { return size < 0; });
}

}  // namespace visionpress
