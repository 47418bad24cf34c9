#pragma once

/// Runs a model on unlabelled images.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

struct PredictOptions {
  std::string labels =
      {};  ///< label file; empty: in the model, then labels.txt or NAME_labels.txt next to it
  float probability = 0.4F;  ///< detections above this are returned
  float nms_iou = 0.45F;     ///< overlap above which the weaker box of a tag is dropped
  std::size_t max_detections = 100;
  std::size_t top = 5;  ///< classes returned by a classifier
  Arithmetic arithmetic = Arithmetic::Runtime;
  PreprocessOptions preprocess = {};
  int threads = 0;        ///< 0: one per core
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

/// One output tensor of the network, for models that are neither detector nor classifier.
struct RawOutput {
  std::string name = {};
  std::vector<std::int64_t> shape = {};
  double minimum = 0.0;  ///< this and the next two: over the finite values; 0 if there are none
  double maximum = 0.0;
  double mean = 0.0;
  std::size_t not_finite = 0;  ///< values that are NaN or infinite
};

struct ImagePrediction {
  std::string file = {};
  int width = 0;  ///< of the upright image (EXIF orientation applied)
  int height = 0;
  std::vector<Prediction> predictions = {};  ///< strongest first
  std::vector<RawOutput> outputs = {};       ///< task "raw"
  std::string drawn = {};                    ///< path of the copy with boxes, if requested
  /// Why the image could not be read; then every field above except `file` is empty.
  std::optional<Error> error = std::nullopt;
};

struct PredictResult {
  std::string model = {};
  std::string task = {};         ///< "detection", "classification", "raw"
  std::string raw_because = {};  ///< task "raw": why the outputs are neither boxes nor classes
  std::string arithmetic = {};
  std::string preprocessing = {};
  std::vector<ImagePrediction> images = {};
  std::vector<std::string> warnings = {};
};

/// Called once per image, in the order of the result, as soon as that image and all before it are
/// done; the result's other images may still be empty. Called from one thread at a time.
using OnPrediction = std::function<void(const PredictResult& result, std::size_t image)>;

/// Runs the model on each image. images: files, or folders, which stand for the JPEG, PNG, BMP and
/// WebP files in them, sorted by name. An image that cannot be read does not end the call: its
/// entry says why. errors: Io, Malformed, Unsupported of the model, naming its file; Output, where
/// a copy or a tensor cannot be written.
[[nodiscard]] Result<PredictResult> predict(const std::string& model,
                                            const std::vector<std::string>& images,
                                            const PredictOptions& options,
                                            const OnPrediction& on_prediction = {});

}  // namespace visionpress
