#include "run/ops/broadcast.h"

#include "run/operator.h"

namespace visionpress {

Strides broadcast_strides(const Shape& dims, const Shape& out, Layout layout) {
  Strides strides(out.size(), 0);
  const Strides dense = dense_strides(dims);
  const std::size_t missing = out.size() - dims.size();
  // The index of a logical axis in the physical order.
  const auto place = [&](std::size_t axis, std::size_t rank) {
    const bool is_planar = layout == Layout::ChannelsFirst && rank == 4;
    constexpr std::size_t kPhysicalOfNchw[4] = {0, 3, 1, 2};
    return is_planar ? kPhysicalOfNchw[axis] : axis;
  };
  for (std::size_t a = 0; a < dims.size(); ++a) {
    const std::size_t from = place(a, dims.size());
    strides[place(missing + a, out.size())] = dims[from] == 1 ? 0 : dense[from];
  }
  return strides;
}

Shape widen(const Shape& dims, std::size_t rank, Layout layout) {
  if (dims.size() >= rank || orders_differ(dims, layout)) return dims;
  Shape logical = logical_shape(dims, layout);
  logical.insert(logical.begin(), rank - logical.size(), 1);
  Shape wide = physical_shape(logical, layout);
  return orders_differ(wide, layout) ? dims : wide;
}

}  // namespace visionpress
