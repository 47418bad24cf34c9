#pragma once

/// A picture of quality against size: what each file holds for its bytes.

#include <string>

#include "visionpress/evaluate.h"
#include "visionpress/fit.h"
#include "visionpress/result.h"

namespace visionpress {

struct PictureOptions {
  std::string path = {};  ///< the SVG file to write
  /// A CSV file of points that were measured elsewhere on the same images, with the columns label,
  /// bytes and score (0..1); empty: none. They are drawn hollow.
  std::string points = {};
  bool overwrite = false;
};

/// Checks before the work that the picture can be saved: its name ends in .svg, so that it replaces
/// no model, picture or report; nothing is there unless `overwrite`; the points can be read.
/// errors: Usage, Output; Io, Malformed of the points, with the line.
[[nodiscard]] Result<void> check_picture(const PictureOptions& options);

/// Draws the files of the result: bytes on a logarithmic axis, AP, top-1 or, without labels,
/// agreement upwards, with the interval of each file's difference to the first.
/// errors: of check_picture; Usage where fewer than two files have bytes and a score.
/// example: save_picture(*result, {.path = "sizes.svg"})
[[nodiscard]] Result<void> save_picture(const EvaluateResult& result,
                                        const PictureOptions& options);
/// The same for the original and every file that was tried, on the images that chose.
[[nodiscard]] Result<void> save_picture(const FitResult& result, const PictureOptions& options);

}  // namespace visionpress
