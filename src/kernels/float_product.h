#pragma once

// Products of float rows with a packed kernel, each summed from the bias on, one product after
// another with one rounding each (XNNPACK's order): 1x1 convolutions and matrix products.

#include <cstddef>
#include <span>

#include "kernels/conv_small.h"

namespace visionpress {

/// Rows that are summed at once; fewer take nearly as long.
inline constexpr std::size_t kFloatProductRows = 6;

struct FloatProductShape {
  std::size_t inner = 0;
  std::size_t columns = 0;  ///< output channels
};

/// Length of the packed kernel in floats. The layout depends on the instruction set in use.
[[nodiscard]] std::size_t float_product_packed_size(const FloatProductShape& shape);
/// kernel(column, i) gives a weight.
template <typename Kernel>
void pack_float_product(const FloatProductShape& shape, const Kernel& kernel,
                        std::span<float> packed);
/// Columns whose weights lie side by side in the packed kernel: position = (column / lanes * inner
/// + i) * lanes + column % lanes.
[[nodiscard]] std::size_t float_product_lanes();

struct FloatProduct {
  FloatProductShape shape = {};
  const float* packed = nullptr;
  const float* bias = nullptr;  ///< one per column
  SmallConvActivation activation = {};
};

/// Rows of `inner` values, `step` floats apart.
struct FloatInput {
  const float* x = nullptr;
  std::size_t step = 0;
  std::size_t count = 0;
};

/// Writes columns [begin, end) of each row to y + row * shape.columns + column. begin: a whole
/// multiple of 2 * float_product_lanes().
void multiply_floats(const FloatProduct& product, const FloatInput& rows, std::size_t begin,
                     std::size_t end, float* y);

template <typename Kernel>
void pack_float_product(const FloatProductShape& shape, const Kernel& kernel,
                        std::span<float> packed) {
  const std::size_t lanes = float_product_lanes();
  for (std::size_t column = 0; column < shape.columns; ++column) {
    for (std::size_t i = 0; i < shape.inner; ++i)
      packed[(column / lanes * shape.inner + i) * lanes + column % lanes] = kernel(column, i);
  }
}

}  // namespace visionpress
