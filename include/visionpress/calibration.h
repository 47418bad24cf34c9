#pragma once

/// Pictures that show a network's weights which of their errors matter. Their labels are not used.

#include <cstddef>
#include <cstdint>
#include <string>

#include "visionpress/vocabulary.h"

namespace visionpress {

struct CalibrationOptions {
  /// A folder of pictures (with the folders in it), or a data set file; empty: no calibration.
  std::string images = {};
  std::size_t count = 48;  ///< pictures taken at most, chosen by `seed`; 0: all
  std::uint64_t seed = 1;  ///< of the choice of pictures and of positions in them
  PreprocessOptions preprocess = {};
  /// Noise that the codes may add to the results in exchange for fewer bytes to download (gzip):
  /// about the sum over the layers of noise / signal, 0 to 1. A larger number makes a smaller
  /// download, in any form with levels or a table; 8 bits have the most room. The file keeps its
  /// size. 0: each layer gets the least noise that its form allows. docs/calibration.md has
  /// measured values.
  double noise_budget = 0.0;
  Progress progress = {};  ///< layers done, layers in all, the layer's name
};

/// What calibration did.
struct CalibrationSummary {
  std::size_t pictures = 0;  ///< 0: there was none
  std::size_t views = 1;     ///< of each picture: whole, and parts of it
  std::size_t layers = 0;    ///< whose codes were chosen by the pictures
  /// The layer whose results lost most on the pictures, by the signal to noise ratio in dB.
  double worst_snr_db = 0.0;
  std::string worst_layer = {};
};

}  // namespace visionpress
