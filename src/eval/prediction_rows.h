#pragma once

// Rows of a file of predictions, between its reader and what becomes of them.

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "eval/dataset.h"
#include "eval/dataset_parts.h"

namespace visionpress {

struct PredictionRow {
  JsonId image_id = {};
  JsonId category_id = {};
  double score = 0.0;
  std::optional<std::array<double, 4>> box = std::nullopt;
  std::optional<std::size_t> image = std::nullopt;  ///< index, once it is found
  int tag = -1;                                     ///< index, once it is found
};

/// Judges whether the rows are what they are taken for: boxes in pixels as x, y, width, height,
/// categories and images by the data set's ids. A row that is read otherwise and then finds the
/// true boxes tells the cause. Rows without an image or tag are the caller's to report. returns:
/// the doubts that leave the figures some meaning, for a warning each. errors: Malformed with the
/// likely cause where as good as nothing fits.
[[nodiscard]] Result<std::vector<std::string>> judge_rows(std::span<const PredictionRow> rows,
                                                          const Dataset& dataset);

}  // namespace visionpress
