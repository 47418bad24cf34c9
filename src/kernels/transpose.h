#pragma once

// Transposes matrices of 4-byte elements. Bits are copied unchanged, so the `_ref` twin gives the
// same bytes.

#include <cstddef>

#include "base/bytes.h"

namespace visionpress {

/// Writes columns [begin, end) of a row-major matrix of rows x columns 4-byte elements as rows
/// [begin, end) of `out`, which has columns x rows elements. The rest of `out` is not touched, so
/// threads can share the work by columns.
/// matrix, out: exactly rows * columns * 4 bytes each, any alignment, not overlapping.
void transpose_columns(Bytes matrix, std::size_t rows, std::size_t columns, std::size_t begin,
                       std::size_t end, MutableBytes out);
void transpose_columns_ref(Bytes matrix, std::size_t rows, std::size_t columns, std::size_t begin,
                           std::size_t end, MutableBytes out);

/// The number of columns to pass per call, if the matrix has that many. Calls with fewer than 128
/// read memory slower; calls with more than this leave threads without work.
inline constexpr std::size_t kTransposeColumns = 256;

}  // namespace visionpress
