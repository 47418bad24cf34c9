#pragma once

/// Runs a model on images that nobody labelled.

#include <cstdint>
#include <string>
#include <vector>

#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

struct PredictOptions {
  std::string labels =
      {};  ///< label file; empty: in the model, then labels.txt or NAME_labels.txt beside it
  float probability = 0.4F;  ///< detections above it are given
  float nms_iou = 0.45F;     ///< overlap above which the weaker box of a tag is dropped
  std::size_t max_detections = 100;
  std::size_t top = 5;  ///< classes given of a classifier
  Arithmetic arithmetic = Arithmetic::Runtime;
  PreprocessOptions preprocess = {};
  int threads = 0;        ///< 0: one a core
  std::string draw = {};  ///< folder for copies (PNG) with the boxes drawn in; empty: none
  std::string save_raw =
      {};  ///< .npy for the raw outputs of one image; several outputs: NAME.0.npy, NAME.1.npy ...
  std::string save_input = {};  ///< .npy for the preprocessed tensor of one image
  bool overwrite = false;       ///< of the drawn copies and .npy files
};

/// One box, or one class of a classifier (then the box is the whole image).
struct Prediction {
  std::string tag = {};
  double probability = 0.0;
  double left = 0.0;  ///< pixels of the upright image
  double top = 0.0;
  double width = 0.0;
  double height = 0.0;
};

struct ImagePrediction {
  std::string file = {};
  int width = 0;  ///< of the upright image (EXIF orientation applied)
  int height = 0;
  std::vector<Prediction> predictions = {};  ///< strongest first
  std::string drawn = {};                    ///< the copy with boxes, where asked for
};

/// One output tensor of the network, for models that are neither detector nor classifier.
struct RawOutput {
  std::string name = {};
  std::vector<std::int64_t> shape = {};
  double minimum = 0.0;
  double maximum = 0.0;
  double mean = 0.0;
};

struct PredictResult {
  std::string model = {};
  std::string task = {};  ///< "detection", "classification", "raw"
  std::string arithmetic = {};
  std::string preprocessing = {};
  std::vector<ImagePrediction> images = {};
  std::vector<std::vector<RawOutput>> raw = {};  ///< task "raw": one entry an image
  std::vector<std::string> warnings = {};
};

/// errors: Io, Malformed, Unsupported of the model and images, each naming its file; Output.
[[nodiscard]] Result<PredictResult> predict(const std::string& model,
                                            const std::vector<std::string>& images,
                                            const PredictOptions& options);

}  // namespace visionpress
