#pragma once

// The columns of a matrix product, shared by threads where there are too few rows to share.

#include <algorithm>
#include <cstddef>

namespace visionpress {

struct ColumnParts {
  std::size_t columns = 0;
  std::size_t size = 0;  ///< columns of each part but the last
  std::size_t count = 1;

  [[nodiscard]] std::size_t begin(std::size_t part) const { return std::min(part * size, columns); }
  [[nodiscard]] std::size_t end(std::size_t part) const { return begin(part + 1); }
};

/// All columns in one part.
[[nodiscard]] inline ColumnParts keep_columns(std::size_t columns) { return {columns, columns, 1}; }

/// At most one part per thread. step: columns that a kernel computes at once; parts are whole
/// multiples of it.
[[nodiscard]] inline ColumnParts split_columns(std::size_t columns, std::size_t step,
                                               std::size_t threads) {
  ColumnParts parts = {columns, 0, 1};
  parts.size = std::max<std::size_t>((columns / step + threads - 1) / threads, 1) * step;
  parts.count = (columns + parts.size - 1) / parts.size;
  return parts;
}

}  // namespace visionpress
