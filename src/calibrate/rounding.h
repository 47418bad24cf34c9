#pragma once

// Chooses the codes of a matrix such that the results of its layer change least, not the weights:
// the error of a column that is rounded is made up for by the columns that are not rounded yet.
//
// source: Frantar et al., GPTQ, 2022, in the form of Chee et al., QuIP, 2023 (its LDLQ): with H = L
// D L^T, the columns are rounded from the last to the first, each with the errors of those after
// it.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/dense_matrix.h"

namespace visionpress {

/// The values that codes of one row stand for: scale * code + offset, or the entries of a table.
struct RowGrid {
  float scale = 1.0F;
  float offset = 0.0F;
  int least_code = 0;
  int most_code = 255;
  bool is_sign = false;  ///< the codes are -1 and +1, without 0
  /// Its scale is that of all grids that say so, and its offset a multiple of it: they are
  /// refitted as one.
  bool is_shared = false;
  std::span<const float> table = {};  ///< not empty: ascending entries in place of the grid

  [[nodiscard]] float value_of(int code) const {
    if (!table.empty()) return table[static_cast<std::size_t>(code)];
    return scale * static_cast<float>(code) + offset;
  }
};

/// What a rounding needs to know about a layer's inputs.
struct RoundingProblem {
  MatrixView moments = {};             ///< [k, k]: H above and on the diagonal, L below it
  std::span<const float> pivots = {};  ///< D
  MatrixView targets = {};             ///< [rows, k]: the values to come near to
  /// Rows of one number share their scale and offset; as many numbers as there are grids.
  std::span<const std::size_t> grid_of_row = {};
  /// The error that one bit of the download is worth: a code is chosen by its error and by the
  /// bits that it takes where codes of its frequency in the matrix are stored by their entropy.
  /// 0: by the error alone.
  double error_per_bit = 0.0;
  bool refit_offset = false;  ///< grids have offsets that may be chosen
  bool refit_scale = true;    ///< false for tables and for scales that are given
  int passes = 2;             ///< of coordinate descent, each after a refit of the grids
  int threads = 1;
};

/// Rounds every row.
/// grids: chosen for the values; refitted to the codes.
/// returns: codes [rows, k].  errors: [rows, k], targets - decoded codes, kept for the caller.
[[nodiscard]] std::vector<std::int16_t> round_rows(const RoundingProblem& problem,
                                                   std::span<RowGrid> grids,
                                                   std::vector<float>& errors);

/// sum over rows of e * H * e^T.
[[nodiscard]] double measure_rounding(const MatrixView& moments, const MatrixView& errors,
                                      int threads);

}  // namespace visionpress
