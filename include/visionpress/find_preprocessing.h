#pragma once

/// Uses labelled images to find out how a network expects its pixels, if its file does not say.

#include <optional>
#include <string>
#include <vector>

#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// One scaling and colour order, and how well the network scores with it.
struct PreprocessTrial {
  std::string name = {};     ///< "-1..1, RGB"
  std::string options = {};  ///< for every command: "--mean 127.5 --std 127.5 --color rgb"
  std::optional<double> score = std::nullopt;     ///< COCO's mAP, or top-1; a share
  double drop_points = 0.0;                       ///< points below the best
  std::optional<double> drop_low = std::nullopt;  ///< 95 % interval of drop_points, over images
  std::optional<double> drop_high = std::nullopt;
  bool is_best = false;  ///< the best, or not distinguishable from it by these images
};

struct FindPreprocessingResult {
  std::string file = {};
  std::string data = {};
  Task task = Task::Detection;
  std::size_t images = 0;                    ///< that each trial ran
  std::size_t images_of = 0;                 ///< in the data set
  std::string preprocessing = {};            ///< used when no option is given
  std::vector<PreprocessTrial> trials = {};  ///< best first
  std::vector<std::string> warnings = {};
};

/// Runs the network with each usual scaling in RGB and BGR over images spread evenly over the data
/// set, and scores each. options.max_images: number of images; 0: 64. options.preprocess: size and
/// filter are kept; the trials set mean, std and color.
/// errors: as `evaluate`.   cost: a dozen runs of the network for each image.
[[nodiscard]] Result<FindPreprocessingResult> find_preprocessing(const std::string& file,
                                                                 const EvaluateOptions& options,
                                                                 const Progress& progress);

}  // namespace visionpress
