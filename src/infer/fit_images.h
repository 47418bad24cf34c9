#pragma once

// Which images calibrate, which choose among candidates, and which only report.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "eval/dataset.h"
#include "visionpress/fit.h"
#include "visionpress/result.h"

namespace visionpress {

struct FitImages {
  std::vector<std::string> calibration = {};  ///< paths
  std::vector<std::size_t> search = {};       ///< indices of the data set's images, ascending
  std::vector<std::size_t> report = {};
  std::size_t overlap =
      0;  ///< images of the data set whose bytes are those of a calibration picture
};

/// Calibration pictures come from the options or, without any, from the data set: at most a third
/// of it. Images that are calibration pictures, by their bytes, judge only where the options allow
/// it. The others are halved by the seed.
/// errors: of list_calibration_pictures; Usage where fewer than two images are left to judge.
[[nodiscard]] Result<FitImages> split_images(const Dataset& dataset, const FitOptions& options);

}  // namespace visionpress
