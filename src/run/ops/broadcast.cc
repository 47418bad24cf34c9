#include "run/ops/broadcast.h"

#include <algorithm>

#include "base/error.h"
#include "run/operator.h"

namespace visionpress {

Strides broadcast_strides(const Shape& dims, const Shape& out, Layout layout) {
  Strides strides(out.size(), 0);
  const Strides dense = dense_strides(dims);
  const std::size_t missing = out.size() - dims.size();
  // The place in memory of a logical axis; a position, where the axes are numbered in their order.
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

Result<Shape> broadcast(const Shape& a, const Shape& b, Layout layout) {
  const Shape first = logical_shape(a, layout);
  const Shape second = logical_shape(b, layout);
  Shape out(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t p = i < first.size() ? first[first.size() - 1 - i] : 1;
    const std::int64_t q = i < second.size() ? second[second.size() - 1 - i] : 1;
    if (p != q && p != 1 && q != 1) {
      return fail(ErrorKind::Malformed, "shapes {} and {} do not combine", to_string(first),
                  to_string(second));
    }
    out[out.size() - 1 - i] = p == 1 ? q : p;  // a size of 0 stays
  }
  return physical_shape(out, layout);
}

Shape widen(const Shape& dims, std::size_t rank, Layout layout) {
  if (dims.size() >= rank || orders_differ(dims, layout)) return dims;
  Shape logical = logical_shape(dims, layout);
  logical.insert(logical.begin(), rank - logical.size(), 1);
  Shape wide = physical_shape(logical, layout);
  return orders_differ(wide, layout) ? dims : wide;
}

}  // namespace visionpress
