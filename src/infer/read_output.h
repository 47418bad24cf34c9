#pragma once

// Turns a model's outputs for an image into predictions, in the same way for files and for
// requests.

#include <cstddef>
#include <span>
#include <vector>

#include "eval/image.h"
#include "infer/model_runner.h"
#include "visionpress/predict.h"

namespace visionpress {

struct ReadOutputOptions {
  double probability = 0.0;  ///< detections above this are returned
  double nms_iou = 0.0;
  std::size_t max_detections = 0;  ///< 0: all
  std::size_t top = 0;             ///< classes of a classifier; 0: all
};

/// The part of an image that the network was given.
struct Seen {
  ImageSize size = {};       ///< the upright image's
  Placement placement = {};  ///< of the network's input in the image
};

/// Counts values that are NaN or infinite: a sound network gives none.
[[nodiscard]] std::size_t count_not_finite(std::span<const float> values);

/// The same over all outputs that the runner's task reads.
[[nodiscard]] std::size_t count_not_finite(const ModelRunner& runner,
                                           const std::vector<OutputView>& outputs);

/// Name, shape and the range of the finite values of each output.
[[nodiscard]] std::vector<RawOutput> summarize_outputs(const std::vector<OutputView>& outputs);

/// Strongest first; boxes in pixels, not cut to the image. runner.task is not Raw.
[[nodiscard]] std::vector<Prediction> read_output(const ModelRunner& runner,
                                                  const std::vector<OutputView>& outputs,
                                                  const Seen& seen,
                                                  const ReadOutputOptions& options);

}  // namespace visionpress
