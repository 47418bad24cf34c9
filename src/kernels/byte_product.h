#pragma once

// Products of uint8 codes with an int8 kernel, summed exactly and turned into floats at once:
// hybrid matrix products and convolutions. A row is one pixel's codes; in a convolution they lie in
// several segments, one per row of the kernel.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/hybrid_kernels.h"
#include "kernels/integer_sums.h"

namespace visionpress {

struct ByteProductShape {
  std::size_t segments = 1;
  std::size_t segment = 0;  ///< codes per segment
  std::size_t columns = 0;  ///< output channels
};

/// Neighbouring codes whose products are added to one sum at once.
inline constexpr std::size_t kByteQuad = 4;
/// The kernel may read this many bytes past the last code of a segment; their values do not matter.
inline constexpr std::size_t kByteProductSlack = kByteQuad - 1;

/// Length of the packed kernel in bytes. The layout depends on the instruction set in use.
[[nodiscard]] std::size_t byte_product_packed_size(const ByteProductShape& shape);
/// kernel: int8 as bytes, [columns][segments][segment].
void pack_byte_product(const ByteProductShape& shape, std::span<const std::uint8_t> kernel,
                       std::span<std::uint8_t> packed);

/// How one row was quantized.
struct RowCode {
  std::int32_t code_zero = 128;  ///< zero point + 128
  float input_scale = 1.0F;
  /// ScaleOrder::ShiftedKernel: the sum of the row's codes. ScaleOrder::Codes: added to each sum.
  std::int32_t input_sum = 0;
};

/// Quantizes each row of `inner` values as XNNPACK does, with a code of its own.
/// codes: rows * inner bytes and kQuantizeSlack more, which may be written.
struct RowsToQuantize {
  const float* x = nullptr;
  std::size_t count = 0;
  std::size_t inner = 0;
};
inline constexpr std::size_t kQuantizeSlack = 64;
void quantize_rows(const RowsToQuantize& rows, std::uint8_t* codes, RowCode* row_codes);

struct ByteRows {
  const std::uint8_t* const* rows = nullptr;  ///< the first code of each row
  std::size_t count = 0;
  const std::size_t* offsets = nullptr;  ///< bytes from a row to each of its segments
  /// One per row, or one for all.
  const RowCode* codes = nullptr;
  bool has_one_code = false;
};

/// The columns to compute: whole multiples of `byte_product_column_step`, but for the end.
struct ColumnRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};
[[nodiscard]] std::size_t byte_product_column_step();

/// Where and how ScaleOrder::Codes writes.
struct CodeTarget {
  SumsToCodes how = {};           ///< XNNPACK's scales
  std::uint8_t* codes = nullptr;  ///< of the first row
  std::size_t stride = 0;         ///< bytes from one row to the next
};

/// Writes the columns of each row to out.y + row * out.stride + column and widens the range of
/// `out`. how: of all columns; code_zero, input_scale and input_sum are taken from the rows.
struct ByteProduct {
  ByteProductShape shape = {};
  const std::uint8_t* packed = nullptr;
  Dequantization how = {};  ///< ScaleOrder::Codes: only the order counts
  CodeTarget to_codes = {};
};
void multiply_bytes(const ByteProduct& product, const ByteRows& rows, ColumnRange columns,
                    FloatRows& out);

}  // namespace visionpress
