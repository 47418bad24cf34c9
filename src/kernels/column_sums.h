#pragma once

// Sums down the columns of float rows, in double: a plane of 300,000 pixels summed in float would
// lose three digits.

#include <cstddef>
#include <cstdint>

namespace visionpress {

enum class ColumnTerm : std::uint8_t {
  Value,
  Square,            ///< of the value
  SquaredDifference  ///< of the value and its column's mean
};

struct ColumnRows {
  const float* x = nullptr;  ///< [rows][columns], dense
  std::size_t rows = 0;
  std::size_t columns = 0;
  const double* means = nullptr;  ///< [columns]; of SquaredDifference alone
};

/// Adds the terms of each column to totals[column]. Each column has four sums, of every fourth row;
/// at the end (s0 + s1) + (s2 + s3) is added, so that every instruction set gives the same bits.
void add_columns(const ColumnRows& rows, ColumnTerm term, double* totals);

}  // namespace visionpress
