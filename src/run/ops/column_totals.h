#pragma once

// Sums of the terms of each channel over many pixels, on several threads.

#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "kernels/column_sums.h"

namespace visionpress {

/// returns: one sum per column. Pieces of the same rows are added on any number of threads, in the
/// same order.
[[nodiscard]] inline std::vector<double> total_columns(const ColumnRows& rows, ColumnTerm term,
                                                       int threads) {
  constexpr std::size_t kPieceValues = std::size_t{1} << 15;
  const std::size_t piece =
      std::max<std::size_t>(kPieceValues / std::max<std::size_t>(rows.columns, 1), 1);
  const std::size_t pieces = (rows.rows + piece - 1) / piece;
  std::vector<double> parts(pieces * rows.columns, 0.0);
  parallel_for(pieces, threads, [&](std::size_t i) {
    ColumnRows part = rows;
    part.x += i * piece * rows.columns;
    part.rows = std::min(piece, rows.rows - i * piece);
    add_columns(part, term, parts.data() + i * rows.columns);
  });
  std::vector<double> totals(rows.columns, 0.0);
  for (std::size_t i = 0; i < pieces; ++i) {
    for (std::size_t c = 0; c < rows.columns; ++c) totals[c] += parts[i * rows.columns + c];
  }
  return totals;
}

}  // namespace visionpress
