#pragma once

// Matrices of 4-byte elements with rows and columns exchanged. The bits move as they are, so the
// `_ref` twin gives the same bytes.

#include <cstddef>

#include "base/bytes.h"

namespace visionpress {

/// Columns [begin, end) of a row-major matrix of rows x columns elements of 4 bytes become rows
/// [begin, end) of `out`, which has columns x rows elements; the rest of `out` is not touched, so
/// threads can share the work by columns.
/// matrix, out: at any alignment, of exactly rows * columns * 4 bytes, not overlapping.
void transpose_columns(Bytes matrix, std::size_t rows, std::size_t columns, std::size_t begin,
                       std::size_t end, MutableBytes out);
void transpose_columns_ref(Bytes matrix, std::size_t rows, std::size_t columns, std::size_t begin,
                           std::size_t end, MutableBytes out);

/// Columns that one call should have, where there are so many: fewer than 128 read slower, and more
/// leave threads without work.
inline constexpr std::size_t kTransposeColumns = 256;

}  // namespace visionpress
