#pragma once

// The pictures that show a network which errors matter: chosen, decoded, and cut into views.

#include <cstddef>
#include <string>
#include <vector>

#include "calibrate/activation_walk.h"
#include "infer/model_runner.h"
#include "visionpress/calibration.h"
#include "visionpress/result.h"

namespace visionpress {

struct CalibrationSet {
  std::vector<std::string> paths = {};  ///< one per picture
  CalibrationPictures inputs = {};      ///< of each picture: whole, and parts of it
};

/// The paths that CalibrationOptions::images names, at most `count` of them, chosen by `seed`.
/// errors: Io for a folder without pictures; of the data set's reader, naming the file.
[[nodiscard]] Result<std::vector<std::string>> list_calibration_pictures(
    const CalibrationOptions& options);

/// Keeps `count` of the paths (0: all), in their order; the same ones for the same seed.
void choose_pictures(std::vector<std::string>& paths, std::size_t count, std::uint64_t seed);

/// warnings: gains one where the activations of all pictures do not fit into memory.
/// errors: of the decoder, naming the file; of `infer_shapes`.
[[nodiscard]] Result<CalibrationSet> load_calibration(const ModelRunner& runner,
                                                      std::vector<std::string> paths,
                                                      const CalibrationOptions& options,
                                                      int threads,
                                                      std::vector<std::string>& warnings);

}  // namespace visionpress
