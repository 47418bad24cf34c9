#include "eval/heads/candidate_rows.h"

#include <algorithm>
#include <cmath>

namespace visionpress {

std::vector<Cell> list_cells(int width, int height) {
  constexpr std::array<int, 3> kStrides = {8, 16, 32};
  std::vector<Cell> cells;
  for (const int stride : kStrides) {
    const int columns = (width + stride - 1) / stride;
    const int rows = (height + stride - 1) / stride;
    for (int y = 0; y < rows; ++y) {
      for (int x = 0; x < columns; ++x) {
        cells.push_back(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(stride)});
      }
    }
  }
  return cells;
}

std::optional<CandidateRows> find_rows(const Shape& shape, std::size_t count, bool is_transposed) {
  if (shape.size() < 2) return std::nullopt;
  const std::span<const std::int64_t> all(shape);
  if (std::ranges::any_of(all.first(shape.size() - 2), [](std::int64_t n) { return n != 1; }))
    return std::nullopt;
  const std::int64_t rows = is_transposed ? shape.back() : all[shape.size() - 2];
  const std::int64_t width = is_transposed ? all[shape.size() - 2] : shape.back();
  if (rows < 1 || width < 1 || static_cast<std::size_t>(rows) != count) return std::nullopt;
  CandidateRows found;
  found.count = count;
  found.width = static_cast<std::size_t>(width);
  found.row_step = is_transposed ? 1 : found.width;
  found.value_step = is_transposed ? count : 1;
  return found;
}

void add_candidate(const CandidateRows& rows, std::span<const float> values, std::size_t row,
                   const CenterBox& box, const ClassScores& scores, Detections& found) {
  Detection candidate;
  candidate.x = box.x - box.width / 2;
  candidate.y = box.y - box.height / 2;
  candidate.width = box.width;
  candidate.height = box.height;
  const bool is_finite =
      std::isfinite(candidate.x + candidate.y + candidate.width + candidate.height);
  if (!is_finite) return;
  std::size_t begin = scores.first;
  std::size_t end = rows.width;
  if (scores.classes == BoxClasses::Best) {
    for (std::size_t column = scores.first + 1; column < rows.width; ++column) {
      if (rows.value(values, row, column) > rows.value(values, row, begin)) begin = column;
    }
    end = begin + 1;
  }
  for (std::size_t column = begin; column < end; ++column) {
    const double score = scores.factor * rows.value(values, row, column);
    if (!(score > scores.probability)) continue;
    candidate.tag = static_cast<int>(column - scores.first);
    candidate.score = score;
    found.push_back(candidate);
  }
}

}  // namespace visionpress
