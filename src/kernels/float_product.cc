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

// Over one or two vectors of columns: twelve sums, two vectors of weights and one value fit the
// sixteen registers of AVX2.
constexpr std::size_t kRows = kFloatProductRows;
static_assert(kRows == 6);  // the variables of Sums

// Separate variables, because the compiler would keep an array of them in memory.
struct Sums {
  FloatVector a0, a1, a2, a3, a4, a5;  // the first vector of columns, one per row
  FloatVector b0, b1, b2, b3, b4, b5;  // the second
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
  Sums s = {start,  start,  start,  start,  start,  start,
            start2, start2, start2, start2, start2, start2};
  const float* r0 = tile.rows[0];
  const float* r1 = tile.rows[1];
  const float* r2 = tile.rows[2];
  const float* r3 = tile.rows[3];
  const float* r4 = tile.rows[4];
  const float* r5 = tile.rows[5];
  const float* first = tile.first;
  const float* second = tile.second;
  for (std::size_t i = 0; i < tile.inner; ++i, first += lanes, second += lanes) {
    const auto w = hn::LoadU(d, first);
    const auto v = kTwo ? hn::LoadU(d, second) : w;
    const auto add = [&](const float* row, FloatVector& a, FloatVector& b) HWY_ATTR {
      const auto x = hn::Set(d, row[i]);
      a = hn::MulAdd(x, w, a);
      if constexpr (kTwo) b = hn::MulAdd(x, v, b);
    };
    add(r0, s.a0, s.b0);
    if constexpr (kCount > 1) add(r1, s.a1, s.b1);
    if constexpr (kCount > 2) add(r2, s.a2, s.b2);
    if constexpr (kCount > 3) add(r3, s.a3, s.b3);
    if constexpr (kCount > 4) add(r4, s.a4, s.b4);
    if constexpr (kCount > 5) add(r5, s.a5, s.b5);
  }
  return s;
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

// What one vector of columns, or two, needs for every row.
struct Columns {
  Tile tile = {};
  Target first = {};
  Target second = {};
};

template <std::size_t kCount, bool kTwo, bool kLeaky>
HWY_INLINE void multiply_rows(Columns& columns, const FloatInput& rows, std::size_t row,
                              FloatVector bias, FloatVector bias2) {
  for (std::size_t r = 0; r < kCount; ++r) columns.tile.rows[r] = rows.x + (row + r) * rows.step;
  const Sums s = sum_tile<kCount, kTwo>(columns.tile, bias, bias2);
  const auto store = [&](FloatVector a, FloatVector b, std::size_t r) HWY_ATTR {
    store_row<kTwo, kLeaky>(a, b, columns.first, columns.second, row + r);
  };
  store(s.a0, s.b0, 0);
  if constexpr (kCount > 1) store(s.a1, s.b1, 1);
  if constexpr (kCount > 2) store(s.a2, s.b2, 2);
  if constexpr (kCount > 3) store(s.a3, s.b3, 3);
  if constexpr (kCount > 4) store(s.a4, s.b4, 4);
  if constexpr (kCount > 5) store(s.a5, s.b5, 5);
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
  const auto load_bias = [&](const Target& t, std::size_t at) HWY_ATTR {
    return hn::MaskedLoad(hn::FirstN(d, t.valid), d, product.bias + at);
  };
  Columns columns;
  columns.first = target(column);
  columns.second = kTwo ? target(column + lanes) : columns.first;
  columns.tile.inner = inner;
  columns.tile.first = product.packed + column * inner;
  columns.tile.second = columns.tile.first + (kTwo ? lanes * inner : 0);
  const auto bias = load_bias(columns.first, column);
  const auto bias2 = kTwo ? load_bias(columns.second, column + lanes) : bias;
  std::size_t row = 0;
  for (; row + kRows <= rows.count; row += kRows)
    multiply_rows<kRows, kTwo, kLeaky>(columns, rows, row, bias, bias2);
  switch (rows.count - row) {
    case 5:
      return multiply_rows<5, kTwo, kLeaky>(columns, rows, row, bias, bias2);
    case 4:
      return multiply_rows<4, kTwo, kLeaky>(columns, rows, row, bias, bias2);
    case 3:
      return multiply_rows<3, kTwo, kLeaky>(columns, rows, row, bias, bias2);
    case 2:
      return multiply_rows<2, kTwo, kLeaky>(columns, rows, row, bias, bias2);
    case 1:
      return multiply_rows<1, kTwo, kLeaky>(columns, rows, row, bias, bias2);
    default:
      return;
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
