#pragma once

// Outputs with one row of numbers for each box that a network proposes: where the rows lie, and
// what is the same for all heads of this kind.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "eval/detection.h"
#include "eval/heads/network_outline.h"
#include "model/output_view.h"

namespace visionpress {

/// A table of `count` rows of `width` values in memory.
struct CandidateRows {
  std::size_t count = 0;
  std::size_t width = 0;
  std::size_t row_step = 0;    ///< values from one row to the next
  std::size_t value_step = 0;  ///< from one value of a row to the next

  [[nodiscard]] double value(std::span<const float> values, std::size_t row,
                             std::size_t column) const {
    return values[row * row_step + column * value_step];
  }
};

/// One cell of the image that the network looks at, in its order: strides 8, 16, 32, each by rows.
struct Cell {
  double x = 0.0;  ///< of the cell's top-left corner, in cells
  double y = 0.0;
  double stride = 0.0;  ///< pixels
};

[[nodiscard]] std::vector<Cell> list_cells(int width, int height);

/// The output as rows: [.., count, width] (is_transposed: [.., width, count]) with leading ones.
[[nodiscard]] std::optional<CandidateRows> find_rows(const Shape& shape, std::size_t count,
                                                     bool is_transposed);

/// A box by its centre and size, in shares of the network's input.
struct CenterBox {
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  double height = 0.0;
};

/// Which classes of a box count.
enum class BoxClasses : std::uint8_t {
  All,   ///< each one whose score is high enough
  Best,  ///< the one with the highest score; the first of equal ones
};

/// Where the scores of a row's classes lie.
struct ClassScores {
  std::size_t first = 0;  ///< column of the first class; the others follow to the row's end
  double factor = 1.0;    ///< of each of them
  BoxClasses classes = BoxClasses::All;
  double probability = 0.0;  ///< only scores above it count
};

/// Appends the row's box once for each class that counts; none where a number of it is not finite.
void add_candidate(const CandidateRows& rows, std::span<const float> values, std::size_t row,
                   const CenterBox& box, const ClassScores& scores, Detections& found);

}  // namespace visionpress
