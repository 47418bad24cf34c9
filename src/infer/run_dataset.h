#pragma once

// Runs one network over every image of a data set and collects its answers.

#include <cstddef>
#include <string>
#include <vector>

#include "eval/bad_images.h"
#include "eval/dataset.h"
#include "eval/predictions.h"
#include "infer/model_runner.h"
#include "infer/run_images.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

struct RunDatasetOptions {
  int threads = 1;
  Progress progress = {};
  std::string what = {};      ///< name of the work, passed to the progress callback
  OnPart on_part = {};        ///< called before the part's outputs are read
  bool collects_bad = false;  ///< images that cannot be decoded are collected, not an error
};

struct DatasetRun {
  Predictions predictions = {};
  BadImages bad = {};
  std::size_t broken_count = 0;         ///< images for which the network gives NaN or infinity
  std::vector<float> first_input = {};  ///< of the first image that could be decoded
  double images_per_second = 0.0;       ///< of the images that could be decoded
};

/// Boxes in pixels of the annotations' frames, or the best class of every image (of every true box
/// with options.crops). runner: not a Raw one, with labels. tags: the tag of each of its classes,
/// -1 for a class that is not a tag. errors: as run_images.
[[nodiscard]] Result<DatasetRun> run_dataset(const ModelRunner& runner,
                                             const std::vector<int>& tags, const Dataset& dataset,
                                             const EvaluateOptions& options,
                                             const RunDatasetOptions& run);

}  // namespace visionpress
