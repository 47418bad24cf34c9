#pragma once

/// Finds out by labelled images how a network wants its pixels, where its file does not say.

#include <optional>
#include <string>
#include <vector>

#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// One scaling and colour order, and how well the network does with it.
struct PreprocessTrial {
  std::string name = {};     ///< "-1..1, RGB"
  std::string options = {};  ///< for every command: "--mean 127.5 --std 127.5 --color rgb"
  std::optional<double> score = std::nullopt;     ///< COCO's mAP, or top-1; a share
  double drop_points = 0.0;                       ///< below the best
  std::optional<double> drop_low = std::nullopt;  ///< its 95 % interval, over images
  std::optional<double> drop_high = std::nullopt;
  bool is_best = false;  ///< the best, or one that these images do not tell from it
};

struct FindPreprocessingResult {
  std::string file = {};
  std::string data = {};
  Task task = Task::Detection;
  std::size_t images = 0;                    ///< that were tried
  std::size_t images_of = 0;                 ///< that the data set has
  std::string preprocessing = {};            ///< what is used where nothing is asked for
  std::vector<PreprocessTrial> trials = {};  ///< best first
  std::vector<std::string> warnings = {};
};

/// Runs the network with each usual scaling in RGB and BGR over images spread evenly over the data
/// set, and scores each. options.max_images: how many; 0: 64. options.preprocess: its size and
/// filter are kept, its mean, std and color are what is tried.
/// errors: as `evaluate`.   cost: a dozen runs of the network for each image.
[[nodiscard]] Result<FindPreprocessingResult> find_preprocessing(const std::string& file,
                                                                 const EvaluateOptions& options,
                                                                 const Progress& progress);

}  // namespace visionpress
