#include "kernels/transpose.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/transpose.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/isa.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kWidth = sizeof(float);
constexpr std::size_t kTile = 16;  // elements of one cache line

/// Transposes 16 x 16 elements. Copies them to a buffer first, one cache line per row: rows often
/// lie a power of two apart and would evict each other from the cache before all their elements are
/// read.
void transpose_tile(const std::byte* from, std::size_t from_stride, std::byte* to,
                    std::size_t to_stride) {
  alignas(64) float tile[kTile * kTile];
  for (std::size_t r = 0; r < kTile; ++r) {
    std::memcpy(tile + r * kTile, from + r * from_stride, kTile * kWidth);
  }
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t c = 0; c < kTile; ++c) {
    for (std::size_t r = 0; r < kTile; ++r) {
      std::memcpy(to + c * to_stride + r * kWidth, tile + r * kTile + c, kWidth);
    }
  }
#else
  const hn::FixedTag<float, 4> d;
  for (std::size_t c = 0; c < kTile; c += 4) {
    alignas(64) float rows[4 * kTile];
    for (std::size_t r = 0; r < kTile; r += 4) {
      const float* at = tile + r * kTile + c;
      const auto r0 = hn::Load(d, at);
      const auto r1 = hn::Load(d, at + kTile);
      const auto r2 = hn::Load(d, at + 2 * kTile);
      const auto r3 = hn::Load(d, at + 3 * kTile);
      const auto low01 = hn::InterleaveLower(d, r0, r1);
      const auto high01 = hn::InterleaveUpper(d, r0, r1);
      const auto low23 = hn::InterleaveLower(d, r2, r3);
      const auto high23 = hn::InterleaveUpper(d, r2, r3);
      hn::Store(hn::ConcatLowerLower(d, low23, low01), d, rows + r);
      hn::Store(hn::ConcatUpperUpper(d, low23, low01), d, rows + kTile + r);
      hn::Store(hn::ConcatLowerLower(d, high23, high01), d, rows + 2 * kTile + r);
      hn::Store(hn::ConcatUpperUpper(d, high23, high01), d, rows + 3 * kTile + r);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      std::memcpy(to + (c + i) * to_stride, rows + i * kTile, kTile * kWidth);
    }
  }
#endif
}

/// Transposes an incomplete tile at the edge, element by element.
void transpose_edge(const std::byte* from, std::size_t from_stride, std::byte* to,
                    std::size_t to_stride, std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      std::memcpy(to + c * to_stride + r * kWidth, from + r * from_stride + c * kWidth, kWidth);
    }
  }
}

void transpose_range(const std::byte* from, std::size_t rows, std::size_t columns,
                     std::size_t begin, std::size_t end, std::byte* to) {
  for (std::size_t r = 0; r < rows; r += kTile) {
    const std::size_t height = std::min(kTile, rows - r);
    for (std::size_t c = begin; c < end; c += kTile) {
      const std::size_t width = std::min(kTile, end - c);
      const std::byte* source = from + (r * columns + c) * kWidth;
      std::byte* target = to + (c * rows + r) * kWidth;
      if (height == kTile && width == kTile) {
        transpose_tile(source, columns * kWidth, target, rows * kWidth);
      } else {
        transpose_edge(source, columns * kWidth, target, rows * kWidth, height, width);
      }
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(transpose_range);

void transpose_columns(Bytes matrix, std::size_t rows, std::size_t columns, std::size_t begin,
                       std::size_t end, MutableBytes out) {
  if (active_isa() == Isa::Scalar) {
    transpose_columns_ref(matrix, rows, columns, begin, end, out);
    return;
  }
  HWY_DYNAMIC_DISPATCH(transpose_range)(matrix.data(), rows, columns, begin, end, out.data());
}

void transpose_columns_ref(Bytes matrix, std::size_t rows, std::size_t columns, std::size_t begin,
                           std::size_t end, MutableBytes out) {
  for (std::size_t c = begin; c < end; ++c) {
    for (std::size_t r = 0; r < rows; ++r) {
      std::memcpy(out.data() + (c * rows + r) * sizeof(float),
                  matrix.data() + (r * columns + c) * sizeof(float), sizeof(float));
    }
  }
}

}  // namespace visionpress
#endif  // HWY_ONCE
