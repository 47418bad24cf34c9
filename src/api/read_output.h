#pragma once

// What a model's outputs say of an image, in words: the same for files and for requests.

#include <cstddef>
#include <span>
#include <vector>

#include "api/model_runner.h"
#include "eval/image.h"
#include "visionpress/predict.h"

namespace visionpress {

struct ReadOutputOptions {
  double probability = 0.0;  ///< detections above it
  double nms_iou = 0.0;
  std::size_t max_detections = 0;  ///< 0: all
  std::size_t top = 0;             ///< classes of a classifier; 0: all
};

/// What of which image the network was given.
struct Seen {
  ImageSize size = {};       ///< the upright image's
  Placement placement = {};  ///< of the network's input in it
};

/// How many values are NaN or infinite: a sound network gives none.
[[nodiscard]] std::size_t count_not_finite(std::span<const float> values);

/// The same in all outputs that the runner's task reads.
[[nodiscard]] std::size_t count_not_finite(const ModelRunner& runner,
                                           const std::vector<OutputView>& outputs);

/// Strongest first; boxes in pixels, not cut to the image. runner.task is not Raw.
[[nodiscard]] std::vector<Prediction> read_output(const ModelRunner& runner,
                                                  const std::vector<OutputView>& outputs,
                                                  const Seen& seen,
                                                  const ReadOutputOptions& options);

}  // namespace visionpress
