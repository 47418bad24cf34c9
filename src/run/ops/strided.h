#pragma once

// Walks tensors whose axes lie in memory in any order.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/tensor.h"

namespace visionpress {

using Strides = std::vector<std::int64_t>;

/// The strides, in elements, of a dense row-major tensor.
[[nodiscard]] inline Strides dense_strides(const Shape& dims) {
  Strides strides(dims.size(), 1);
  for (std::size_t a = dims.size(); a-- > 1;) strides[a - 1] = strides[a] * dims[a];
  return strides;
}

/// Calls body(offset_a, offset_b, count, step_a, step_b) for each line along the innermost axis.
template <typename Body>
void walk_lines(const Shape& dims, const Strides& a, const Strides& b, const Body& body) {
  for (const std::int64_t size : dims) {
    if (size == 0) return;
  }
  if (dims.empty()) {
    body(0, 0, 1, 0, 0);
    return;
  }
  const std::size_t last = dims.size() - 1;
  Shape index(dims.size(), 0);
  std::int64_t at_a = 0;
  std::int64_t at_b = 0;
  while (true) {
    body(at_a, at_b, dims[last], a[last], b[last]);
    std::size_t axis = last;
    while (true) {
      if (axis == 0) return;
      --axis;
      at_a += a[axis];
      at_b += b[axis];
      if (++index[axis] < dims[axis]) break;
      at_a -= a[axis] * dims[axis];
      at_b -= b[axis] * dims[axis];
      index[axis] = 0;
    }
  }
}

/// Copies an N,H,W,C tensor to N,C,H,W (to_planar) or back. dims: N,H,W,C.
inline void swap_layout(const Shape& dims, const float* from, float* to, bool to_planar) {
  const std::size_t pixels = static_cast<std::size_t>(dims[1] * dims[2]);
  const auto channels = static_cast<std::size_t>(dims[3]);
  for (std::size_t n = 0; n < static_cast<std::size_t>(dims[0]); ++n) {
    const float* source = from + n * pixels * channels;
    float* target = to + n * pixels * channels;
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t p = 0; p < pixels; ++p) {
        if (to_planar) {
          target[c * pixels + p] = source[p * channels + c];
        } else {
          target[p * channels + c] = source[c * pixels + p];
        }
      }
    }
  }
}

}  // namespace visionpress
