#define HWY_WANT_AVX3_DL  // the target with VNNI, which Highway leaves out unless it is asked for
#include "kernels/byte_product.h"

#include <algorithm>
#include <cstring>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/byte_product.cc"
#include <hwy/foreach_target.h>

#include "kernels/hybrid_vectors_inl.h"
#include "kernels/integer_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL && HWY_COMPILER_GCC_ACTUAL
// The target's flags as Highway 1.0.3 names them lack VNNI, which it checks for at run time.
#pragma GCC target("avx512vnni")
#endif
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE IntVector spread_quad(const std::uint8_t* codes) {
  std::int32_t quad = 0;
  std::memcpy(&quad, codes, sizeof(quad));
  return hn::Set(IntTag(), quad);
}

HWY_INLINE IntVector load_weights(const std::uint8_t* packed) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): for unaligned vector loads alone
  return hn::LoadU(IntTag(), reinterpret_cast<const std::int32_t*>(packed));
}

constexpr std::size_t kRows = 4;  // rows summed at once, over one or two vectors of columns

// Separate variables, because the compiler would keep an array of them in memory.
struct Sums {
  IntVector a0, a1, a2, a3;  // the first vector of columns, one per row
  IntVector b0, b1, b2, b3;  // the second
};

struct Tile {
  std::array<const std::uint8_t*, kRows> rows = {};
  const std::size_t* offsets = nullptr;
  std::size_t segments = 0;
  std::size_t quads = 0;                   // per segment
  const std::uint8_t* weights = nullptr;   // of the first vector of columns
  const std::uint8_t* weights2 = nullptr;  // of the second
};

template <std::size_t kCount, bool kTwo>
HWY_INLINE Sums sum_tile(const Tile& tile) {
  const IntTag d;
  const auto zero = hn::Zero(d);
  auto a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  auto b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  constexpr std::size_t kStep = sizeof(std::int32_t);
  const std::size_t vector = hn::Lanes(d) * kStep;
  const std::uint8_t* first = tile.weights;
  const std::uint8_t* second = tile.weights2;
  for (std::size_t segment = 0; segment < tile.segments; ++segment) {
    const std::size_t offset = tile.offsets[segment];
    const std::uint8_t* r0 = tile.rows[0] + offset;
    const std::uint8_t* r1 = tile.rows[1] + offset;
    const std::uint8_t* r2 = tile.rows[2] + offset;
    const std::uint8_t* r3 = tile.rows[3] + offset;
    for (std::size_t at = 0; at < tile.quads * kByteQuad; at += kByteQuad) {
      const auto w = load_weights(first);
      const auto v = kTwo ? load_weights(second) : zero;
      first += vector;
      second += vector;
      const auto x0 = spread_quad(r0 + at);
      a0 = add_quads(a0, x0, w);
      if constexpr (kTwo) b0 = add_quads(b0, x0, v);
      if constexpr (kCount > 1) {
        const auto x1 = spread_quad(r1 + at);
        const auto x2 = spread_quad(r2 + at);
        const auto x3 = spread_quad(r3 + at);
        a1 = add_quads(a1, x1, w);
        a2 = add_quads(a2, x2, w);
        a3 = add_quads(a3, x3, w);
        if constexpr (kTwo) {
          b1 = add_quads(b1, x1, v);
          b2 = add_quads(b2, x2, v);
          b3 = add_quads(b3, x3, v);
        }
      }
    }
  }
  return {a0, a1, a2, a3, b0, b1, b2, b3};
}

struct Range {
  FloatVector low;
  FloatVector high;
};

// The constants of one vector of columns, and where its results go.
struct Target {
  IntVector kernel_sums;
  FloatVector scale;
  FloatVector bias;
  float* y = nullptr;
  std::uint8_t* codes = nullptr;
  std::size_t valid = 0;  // columns of this vector that exist
};

Target make_target(const ByteProduct& product, std::size_t column, std::size_t end, float* y) {
  const FloatTag d;
  const IntTag di;
  const std::size_t valid = std::min(hn::Lanes(d), end - column);
  const auto mask = hn::FirstN(d, valid);
  const auto int_mask = hn::FirstN(di, valid);
  if (product.how.order == ScaleOrder::Codes) {
    const CodeTarget& to = product.to_codes;
    return {hn::MaskedLoad(int_mask, di, to.how.offsets + column),
            hn::MaskedLoad(mask, d, to.how.scales + column),
            hn::Zero(d),
            nullptr,
            to.codes + column,
            valid};
  }
  const Dequantization& how = product.how;
  return {hn::MaskedLoad(int_mask, di, how.kernel_sums + column),
          hn::MaskedLoad(mask, d, how.kernel_scales + column),
          hn::MaskedLoad(mask, d, how.bias + column),
          y + column,
          nullptr,
          valid};
}

template <ScaleOrder kOrder>
HWY_INLINE void store_sums(IntVector raw, const Target& target, const Dequantization& how,
                           std::size_t at, Range& range) {
  const FloatTag d;
  if constexpr (kOrder == ScaleOrder::Raw) {
    hn::BlendedStore(hn::BitCast(d, raw), hn::FirstN(d, target.valid), d, target.y + at);
    return;
  }
  Channels channels = {hn::Mul(target.kernel_sums, hn::Set(IntTag(), how.code_zero)), target.scale,
                       target.bias};
  if constexpr (kOrder == ScaleOrder::Product) {
    channels.scale = hn::Mul(channels.scale, hn::Set(d, how.input_scale));
  }
  auto y = to_float<kOrder>(raw, channels, how);
  if (target.valid == hn::Lanes(d)) {
    hn::StoreU(y, d, target.y + at);
  } else {
    const auto mask = hn::FirstN(d, target.valid);
    hn::BlendedStore(y, mask, d, target.y + at);
    y = hn::IfThenElseZero(mask, y);
  }
  range.low = hn::Min(y, range.low);
  range.high = hn::Max(y, range.high);
}

HWY_INLINE void store_code_sums(IntVector raw, const Target& target, const SumsToCodes& how,
                                std::int32_t row_offset, std::size_t at) {
  const IntTag d;
  const hn::Rebind<std::uint8_t, IntTag> d8;
  const auto sum = hn::Add(raw, hn::Add(target.kernel_sums, hn::Set(d, row_offset)));
  const auto codes = hn::DemoteTo(d8, xnnpack_codes(sum, target.scale, how));
  if (target.valid == hn::Lanes(d)) return hn::StoreU(codes, d8, target.codes + at);
#if HWY_TARGET <= HWY_AVX3  // which stores single bytes
  hn::BlendedStore(codes, hn::FirstN(d8, target.valid), d8, target.codes + at);
#else
  HWY_ALIGN std::uint8_t last[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(codes, d8, last);
  std::copy_n(last, target.valid, target.codes + at);
#endif
}

struct Outputs {
  const Target& first;
  const Target& second;
  const ByteProduct& product;
  const ByteRows& rows;
  std::size_t stride = 0;
};

template <ScaleOrder kOrder, bool kTwo>
HWY_INLINE void finish_row(const Outputs& outputs, std::size_t row, IntVector a, IntVector b,
                           Range& range) {
  const RowCode& code = outputs.rows.codes[outputs.rows.has_one_code ? 0 : row];
  const std::size_t at = row * outputs.stride;
  if constexpr (kOrder == ScaleOrder::Codes) {
    const SumsToCodes& how = outputs.product.to_codes.how;
    store_code_sums(a, outputs.first, how, code.input_sum, at);
    if constexpr (kTwo) store_code_sums(b, outputs.second, how, code.input_sum, at);
  } else {
    Dequantization how = outputs.product.how;
    how.code_zero = code.code_zero;
    how.input_scale = code.input_scale;
    how.input_sum = code.input_sum;
    store_sums<kOrder>(a, outputs.first, how, at, range);
    if constexpr (kTwo) store_sums<kOrder>(b, outputs.second, how, at, range);
  }
}

// One vector of columns, or two, over all rows.
template <ScaleOrder kOrder, bool kTwo>
void multiply_columns(const ByteProduct& product, const ByteRows& rows, std::size_t column,
                      std::size_t end, FloatRows& out, Range& range) {
  const std::size_t lanes = hn::Lanes(IntTag());
  const ByteProductShape& shape = product.shape;
  Tile tile;
  tile.offsets = rows.offsets;
  tile.segments = shape.segments;
  tile.quads = (shape.segment + kByteQuad - 1) / kByteQuad;
  const std::size_t vector_bytes = shape.segments * tile.quads * lanes * kByteQuad;
  tile.weights = product.packed + column / lanes * vector_bytes;
  tile.weights2 = kTwo ? tile.weights + vector_bytes : tile.weights;
  const Target first = make_target(product, column, end, out.y);
  const Target second = kTwo ? make_target(product, column + lanes, end, out.y) : first;
  const std::size_t stride = kOrder == ScaleOrder::Codes ? product.to_codes.stride : out.stride;
  const Outputs outputs = {first, second, product, rows, stride};
  Range seen = range;  // in registers
  if (rows.count == 1) {
    tile.rows.fill(rows.rows[0]);
    const Sums s = sum_tile<1, kTwo>(tile);
    finish_row<kOrder, kTwo>(outputs, 0, s.a0, s.b0, seen);
  }
  for (std::size_t row = 0; rows.count > 1 && row < rows.count; row += kRows) {
    const std::size_t count = std::min(kRows, rows.count - row);
    // Rows beyond the last repeat it and are not stored.
    for (std::size_t r = 0; r < kRows; ++r) tile.rows[r] = rows.rows[row + std::min(r, count - 1)];
    const Sums s = sum_tile<kRows, kTwo>(tile);
    finish_row<kOrder, kTwo>(outputs, row, s.a0, s.b0, seen);
    if (count > 1) finish_row<kOrder, kTwo>(outputs, row + 1, s.a1, s.b1, seen);
    if (count > 2) finish_row<kOrder, kTwo>(outputs, row + 2, s.a2, s.b2, seen);
    if (count > 3) finish_row<kOrder, kTwo>(outputs, row + 3, s.a3, s.b3, seen);
  }
  range = seen;
}

template <ScaleOrder kOrder>
void multiply_in(const ByteProduct& product, const ByteRows& rows, ColumnRange columns,
                 FloatRows& out) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  Range range = {hn::Zero(d), hn::Zero(d)};
  std::size_t column = columns.begin;
  for (; column + lanes < columns.end; column += 2 * lanes)
    multiply_columns<kOrder, true>(product, rows, column, columns.end, out, range);
  if (column < columns.end)
    multiply_columns<kOrder, false>(product, rows, column, columns.end, out, range);
  out.low = std::min(out.low, hn::GetLane(hn::MinOfLanes(d, range.low)));
  out.high = std::max(out.high, hn::GetLane(hn::MaxOfLanes(d, range.high)));
}

void multiply_any(const ByteProduct& product, const ByteRows& rows, ColumnRange columns,
                  FloatRows& out) {
  switch (product.how.order) {
    case ScaleOrder::InputFused:
      return multiply_in<ScaleOrder::InputFused>(product, rows, columns, out);
    case ScaleOrder::Product:
      return multiply_in<ScaleOrder::Product>(product, rows, columns, out);
    case ScaleOrder::KernelThenInput:
      return multiply_in<ScaleOrder::KernelThenInput>(product, rows, columns, out);
    case ScaleOrder::ShiftedKernel:
      return multiply_in<ScaleOrder::ShiftedKernel>(product, rows, columns, out);
    case ScaleOrder::Raw:
      return multiply_in<ScaleOrder::Raw>(product, rows, columns, out);
    case ScaleOrder::Codes:
      return multiply_in<ScaleOrder::Codes>(product, rows, columns, out);
  }
}

RowCode quantize_row(const float* x, std::size_t count, std::uint8_t* codes) {
  const FloatTag d;
  const IntTag di;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = count / lanes * lanes;
  // Zeros in place of the lanes beyond the row change neither the range nor a code of the row.
  const auto rest = hn::FirstN(d, count - whole);
  const auto load = [&](std::size_t at) {
    return at < whole ? hn::LoadU(d, x + at) : hn::MaskedLoad(rest, d, x + at);
  };
  auto low = hn::Zero(d);
  auto high = low;
  for (std::size_t i = 0; i < count; i += lanes) {
    const auto v = load(i);
    low = hn::Min(v, low);  // in this operand order x86 ignores NaN
    high = hn::Max(v, high);
  }
  const EvenCode code =
      choose_even_code(hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high)));
  const auto inverse = hn::Set(d, code.inverse);
  const auto zero = hn::Set(di, code.zero_point + 128);
  for (std::size_t i = 0; i < count; i += lanes)
    store_codes(even_codes(load(i), inverse, zero), codes + i);
  return {code.zero_point + 128, code.scale, 0};
}

// In order, since a row's last store may reach into the next row.
void quantize_all_rows(const RowsToQuantize& rows, std::uint8_t* codes, RowCode* row_codes) {
  for (std::size_t r = 0; r < rows.count; ++r)
    row_codes[r] = quantize_row(rows.x + r * rows.inner, rows.inner, codes + r * rows.inner);
}

std::size_t column_lanes() { return hn::Lanes(IntTag()); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(multiply_any);
HWY_EXPORT(column_lanes);
HWY_EXPORT(quantize_all_rows);

namespace {

/// Columns whose weights lie side by side in the packed kernel.
std::size_t packed_lanes() {
  return active_isa() == Isa::Scalar ? 1 : HWY_DYNAMIC_DISPATCH(column_lanes)();
}

std::size_t padded_segment(const ByteProductShape& shape) {
  return (shape.segment + kByteQuad - 1) / kByteQuad * kByteQuad;
}

void quantize_rows_ref(const RowsToQuantize& rows, std::uint8_t* codes, RowCode* row_codes) {
  for (std::size_t r = 0; r < rows.count; ++r) {
    const float* x = rows.x + r * rows.inner;
    float low = 0.0F;
    float high = 0.0F;
    range_with_zero(x, rows.inner, &low, &high);
    const EvenCode code = choose_even_code(low, high);
    quantize_even(x, rows.inner, code.inverse, code.zero_point, codes + r * rows.inner);
    row_codes[r] = {code.zero_point + 128, code.scale, 0};
  }
}

// The reference that VP_FORCE_ISA=scalar runs.
void multiply_ref(const ByteProduct& product, const ByteRows& rows, ColumnRange columns,
                  FloatRows& out) {
  const ByteProductShape& shape = product.shape;
  const std::size_t padded = padded_segment(shape);
  for (std::size_t row = 0; row < rows.count; ++row) {
    Dequantization how = product.how;
    const RowCode& code = rows.codes[rows.has_one_code ? 0 : row];
    how.code_zero = code.code_zero;
    how.input_scale = code.input_scale;
    how.input_sum = code.input_sum;
    for (std::size_t column = columns.begin; column < columns.end; ++column) {
      const std::uint8_t* weights = product.packed + column * shape.segments * padded;
      std::int32_t sum = 0;
      for (std::size_t s = 0; s < shape.segments; ++s) {
        for (std::size_t i = 0; i < shape.segment; ++i) {
          sum += static_cast<std::int32_t>(rows.rows[row][rows.offsets[s] + i]) *
                 static_cast<std::int8_t>(weights[s * padded + i]);
        }
      }
      if (how.order == ScaleOrder::Codes) {
        const CodeTarget& to = product.to_codes;
        to.codes[row * to.stride + column] =
            code_of_sum(sum + to.how.offsets[column] + code.input_sum, column, to.how);
        continue;
      }
      if (how.order == ScaleOrder::Raw) {
        std::memcpy(out.y + row * out.stride + column, &sum, sizeof(sum));
        continue;
      }
      const float y = dequantize_one(sum, column, how);
      out.y[row * out.stride + column] = y;
      out.low = std::min(out.low, y);
      out.high = std::max(out.high, y);
    }
  }
}

}  // namespace

std::size_t byte_product_packed_size(const ByteProductShape& shape) {
  return hwy::RoundUpTo(shape.columns, packed_lanes()) * shape.segments * padded_segment(shape);
}

// The layout: vectors of columns; in them segments and quads of codes; in these the columns, each
// with its four weights.
void pack_byte_product(const ByteProductShape& shape, std::span<const std::uint8_t> kernel,
                       std::span<std::uint8_t> packed) {
  const std::size_t lanes = packed_lanes();
  const std::size_t padded = padded_segment(shape);
  std::fill(packed.begin(), packed.end(), std::uint8_t{0});
  for (std::size_t column = 0; column < shape.columns; ++column) {
    std::uint8_t* block = packed.data() + column / lanes * lanes * shape.segments * padded;
    for (std::size_t s = 0; s < shape.segments; ++s) {
      const std::uint8_t* from = kernel.data() + (column * shape.segments + s) * shape.segment;
      for (std::size_t i = 0; i < shape.segment; ++i) {
        const std::size_t quad = (s * padded + i) / kByteQuad;
        block[(quad * lanes + column % lanes) * kByteQuad + i % kByteQuad] = from[i];
      }
    }
  }
}

std::size_t byte_product_column_step() {
  return active_isa() == Isa::Scalar ? 1 : 2 * packed_lanes();
}

void quantize_rows(const RowsToQuantize& rows, std::uint8_t* codes, RowCode* row_codes) {
  if (active_isa() == Isa::Scalar) return quantize_rows_ref(rows, codes, row_codes);
  HWY_DYNAMIC_DISPATCH(quantize_all_rows)(rows, codes, row_codes);
}

void multiply_bytes(const ByteProduct& product, const ByteRows& rows, ColumnRange columns,
                    FloatRows& out) {
  if (active_isa() == Isa::Scalar) return multiply_ref(product, rows, columns, out);
  HWY_DYNAMIC_DISPATCH(multiply_any)(product, rows, columns, out);
}

}  // namespace visionpress
#endif  // HWY_ONCE
