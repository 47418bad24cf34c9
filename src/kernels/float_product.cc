#include "kernels/float_product.h"

#include <algorithm>
#include <array>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/float_product.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

constexpr std::size_t kRows = 4;  // rows summed at once, over one or two vectors of columns

// Separate variables, because the compiler would keep an array of them in memory.
struct Sums {
  FloatVector a0, a1, a2, a3;  // the first vector of columns, one per row
  FloatVector b0, b1, b2, b3;  // the second
};

struct Tile {
  std::array<const float*, kRows> rows = {};
  std::size_t inner = 0;
  const float* first = nullptr;   // weights of the first vector of columns
  const float* second = nullptr;  // of the second
};

template <std::size_t kCount, bool kTwo>
HWY_INLINE Sums sum_tile(const Tile& tile, FloatVector start, FloatVector start2) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  auto a0 = start, a1 = start, a2 = start, a3 = start;
  auto b0 = start2, b1 = start2, b2 = start2, b3 = start2;
  const float* r0 = tile.rows[0];
  const float* r1 = tile.rows[1];
  const float* r2 = tile.rows[2];
  const float* r3 = tile.rows[3];
  for (std::size_t i = 0; i < tile.inner; ++i) {
    const auto w = hn::LoadU(d, tile.first + i * lanes);
    const auto v = kTwo ? hn::LoadU(d, tile.second + i * lanes) : w;
    const auto x0 = hn::Set(d, r0[i]);
    a0 = hn::MulAdd(x0, w, a0);
    if constexpr (kTwo) b0 = hn::MulAdd(x0, v, b0);
    if constexpr (kCount > 1) {
      const auto x1 = hn::Set(d, r1[i]);
      const auto x2 = hn::Set(d, r2[i]);
      const auto x3 = hn::Set(d, r3[i]);
      a1 = hn::MulAdd(x1, w, a1);
      a2 = hn::MulAdd(x2, w, a2);
      a3 = hn::MulAdd(x3, w, a3);
      if constexpr (kTwo) {
        b1 = hn::MulAdd(x1, v, b1);
        b2 = hn::MulAdd(x2, v, b2);
        b3 = hn::MulAdd(x3, v, b3);
      }
    }
  }
  return {a0, a1, a2, a3, b0, b1, b2, b3};
}

// Where one vector of columns goes.
struct Target {
  SmallConvActivation activation = {};
  std::size_t columns = 0;  // of a row of y
  std::size_t valid = 0;    // columns of this vector that exist
  float* y = nullptr;       // the first row's
};

template <bool kLeaky>
HWY_INLINE void store(FloatVector y, const Target& target, std::size_t row) {
  const FloatTag d;
  if constexpr (kLeaky) {
    const auto scaled = hn::Mul(y, hn::Set(d, target.activation.slope));
    y = hn::IfThenElse(hn::Lt(y, hn::Zero(d)), scaled, y);
  }
  y = clamp_keeping_nan(y, target.activation.low, target.activation.high);
  float* out = target.y + row * target.columns;
  if (target.valid == hn::Lanes(d)) {
    hn::StoreU(y, d, out);
  } else {
    hn::BlendedStore(y, hn::FirstN(d, target.valid), d, out);
  }
}

template <bool kTwo, bool kLeaky>
HWY_INLINE void store_row(FloatVector a, FloatVector b, const Target& first, const Target& second,
                          std::size_t row) {
  store<kLeaky>(a, first, row);
  if constexpr (kTwo) store<kLeaky>(b, second, row);
}

// One vector of columns, or two, over all rows.
template <bool kTwo, bool kLeaky>
void multiply_columns(const FloatProduct& product, const FloatInput& rows, std::size_t column,
                      std::size_t end, float* y) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t inner = product.shape.inner;
  const auto target = [&](std::size_t at) {
    return Target{product.activation, product.shape.columns, std::min(lanes, end - at), y + at};
  };
  const auto load_bias = [&](const Target& t, std::size_t at) {
    return hn::MaskedLoad(hn::FirstN(d, t.valid), d, product.bias + at);
  };
  const Target first = target(column);
  const Target second = kTwo ? target(column + lanes) : first;
  const auto bias = load_bias(first, column);
  const auto bias2 = kTwo ? load_bias(second, column + lanes) : bias;
  Tile tile;
  tile.inner = inner;
  tile.first = product.packed + column * inner;
  tile.second = tile.first + (kTwo ? lanes * inner : 0);
  if (rows.count == 1) {
    tile.rows.fill(rows.x);
    const Sums s = sum_tile<1, kTwo>(tile, bias, bias2);
    store_row<kTwo, kLeaky>(s.a0, s.b0, first, second, 0);
    return;
  }
  for (std::size_t row = 0; row < rows.count; row += kRows) {
    const std::size_t count = std::min(kRows, rows.count - row);
    // Rows beyond the last repeat it and are not stored.
    for (std::size_t r = 0; r < kRows; ++r)
      tile.rows[r] = rows.x + (row + std::min(r, count - 1)) * rows.step;
    const Sums s = sum_tile<kRows, kTwo>(tile, bias, bias2);
    store_row<kTwo, kLeaky>(s.a0, s.b0, first, second, row);
    if (count > 1) store_row<kTwo, kLeaky>(s.a1, s.b1, first, second, row + 1);
    if (count > 2) store_row<kTwo, kLeaky>(s.a2, s.b2, first, second, row + 2);
    if (count > 3) store_row<kTwo, kLeaky>(s.a3, s.b3, first, second, row + 3);
  }
}

template <bool kLeaky>
void multiply_with(const FloatProduct& product, const FloatInput& rows, std::size_t begin,
                   std::size_t end, float* y) {
  const std::size_t lanes = hn::Lanes(FloatTag());
  std::size_t column = begin;
  for (; column + lanes < end; column += 2 * lanes)
    multiply_columns<true, kLeaky>(product, rows, column, end, y);
  if (column < end) multiply_columns<false, kLeaky>(product, rows, column, end, y);
}

void multiply_all(const FloatProduct& product, const FloatInput& rows, std::size_t begin,
                  std::size_t end, float* y) {
  product.activation.slope == 1.0F ? multiply_with<false>(product, rows, begin, end, y)
                                   : multiply_with<true>(product, rows, begin, end, y);
}

std::size_t vector_lanes() { return hn::Lanes(FloatTag()); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(multiply_all);
HWY_EXPORT(vector_lanes);

namespace {

// The reference that VP_FORCE_ISA=scalar runs.
void multiply_ref(const FloatProduct& product, const FloatInput& rows, std::size_t begin,
                  std::size_t end, float* y) {
  const SmallConvActivation& activation = product.activation;
  for (std::size_t row = 0; row < rows.count; ++row) {
    for (std::size_t column = begin; column < end; ++column) {
      float sum = product.bias[column];
      for (std::size_t i = 0; i < product.shape.inner; ++i) {
        sum = std::fma(rows.x[row * rows.step + i],
                       product.packed[column * product.shape.inner + i], sum);
      }
      if (sum < 0.0F) sum *= activation.slope;
      if (sum < activation.low) sum = activation.low;
      y[row * product.shape.columns + column] = sum > activation.high ? activation.high : sum;
    }
  }
}

}  // namespace

std::size_t float_product_lanes() {
  return active_isa() == Isa::Scalar ? 1 : HWY_DYNAMIC_DISPATCH(vector_lanes)();
}

std::size_t float_product_packed_size(const FloatProductShape& shape) {
  return hwy::RoundUpTo(shape.columns, float_product_lanes()) * shape.inner;
}

void multiply_floats(const FloatProduct& product, const FloatInput& rows, std::size_t begin,
                     std::size_t end, float* y) {
  if (active_isa() == Isa::Scalar) return multiply_ref(product, rows, begin, end, y);
  HWY_DYNAMIC_DISPATCH(multiply_all)(product, rows, begin, end, y);
}

}  // namespace visionpress
#endif  // HWY_ONCE
