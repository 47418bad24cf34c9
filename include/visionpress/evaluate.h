#pragma once

/// Scores model files, or files of predictions, on labelled images.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// How precision and recall count a detection; AP is always COCO's.
enum class Metric : std::uint8_t {
  Standard,  ///< greedy one-to-one by score; false positives counted in every image
  Legacy,    ///< the original project's count, which kept predictions *below* the IoU threshold
  LegacyFlipped,  ///< the same with the comparison the other way round
};

struct EvaluateOptions {
  std::string data = {};  ///< COCO JSON, VoTT JSON, or a folder with one folder for each tag
  std::string images =
      {};  ///< where the images are; empty: beside `data`, then in `images` beside it
  std::string labels =
      {};  ///< label file; empty: in the model, then labels.txt or NAME_labels.txt beside it
  bool crops = false;  ///< classifiers: score the boxes of a detection data set as crops
  Metric metric = Metric::Standard;
  float probability = 0.4F;  ///< precision and recall: detections above it count
  float iou = 0.25F;         ///< precision and recall: overlap that makes a match
  /// AP and saved predictions: detections above it count. Empty: 0.005, and where only files of
  /// predictions are scored, every detection in them, as pycocotools does.
  std::optional<float> ap_probability = std::nullopt;
  float nms_iou = 0.45F;             ///< overlap above which the weaker box of a tag is dropped
  std::size_t max_detections = 100;  ///< kept an image
  double min_box =
      0.0;  ///< truth boxes narrower or lower than this share of the image are left out
  Arithmetic arithmetic = Arithmetic::Runtime;
  PreprocessOptions preprocess = {};
  /// The first so many of a file's, by id; of a folder for each tag, evenly spread. 0: all.
  std::size_t max_images = 0;
  bool skip_missing = false;            ///< images that are not there are left out
  bool skip_bad = false;                ///< images that cannot be decoded are left out
  bool clip_boxes = false;              ///< every predicted box is cut to its image's frame
  int threads = 0;                      ///< 0: one a core
  std::uint64_t seed = 1;               ///< of the bootstrap
  std::size_t bootstrap_rounds = 1000;  ///< 0: no intervals
  std::optional<double> max_drop =
      std::nullopt;                   ///< points of AP (top-1 for classifiers) below the first file
  std::string save_predictions = {};  ///< COCO results JSON to write; only with one model
  bool overwrite = false;             ///< of save_predictions
};

/// A drop: points lost against the first column (negative: gained), with a paired bootstrap
/// interval over images (95 %). No interval without rounds or with fewer than 10 images.
struct Difference {
  double points = 0.0;
  std::optional<double> low = std::nullopt;
  std::optional<double> high = std::nullopt;
};

/// One tag of one model. Shares, 0..1; empty where nothing defines them.
struct TagScore {
  std::string tag = {};
  std::size_t truth = 0;           ///< true boxes (detection) or images (classification)
  std::size_t true_positives = 0;  ///< legacy metrics: truths accompanied by a prediction
  std::size_t predicted = 0;       ///< detections counted, true and false
  std::optional<double> precision = std::nullopt;
  std::optional<double> recall = std::nullopt;
  std::optional<double> ap = std::nullopt;    ///< COCO, IoU 0.50:0.05:0.95
  std::optional<double> ap50 = std::nullopt;  ///< COCO, IoU 0.50
};

/// Repeated runs of one network on one image.
struct RunTime {
  double median_ms = 0.0;
  double low_ms = 0.0;   ///< lower quartile
  double high_ms = 0.0;  ///< upper quartile
  /// Cores that other programs kept busy meanwhile; nothing where the system does not tell.
  std::optional<double> other_cores = std::nullopt;
  /// Other programs took cores that the run's threads wanted: the times are too high.
  bool was_disturbed = false;
};

/// One column of the table.
struct ModelScore {
  std::string file = {};
  std::uint64_t bytes = 0;
  std::string format = {};                  ///< "Core ML", "TFLite", "predictions"
  std::string arithmetic = {};              ///< "float32", "LiteRT XNNPACK int8", ...
  std::string preprocessing = {};           ///< one line, with who said so
  std::optional<double> ap = std::nullopt;  ///< mean over tags; detection
  std::optional<double> ap50 = std::nullopt;
  std::optional<double> top1 = std::nullopt;       ///< classification
  std::optional<RunTime> run_time = std::nullopt;  ///< network alone, all threads on one image
  std::optional<double> images_per_second =
      std::nullopt;  ///< decoding, resizing, network and NMS, all threads
  /// Points lost against the first column; negative: gained.
  std::optional<Difference> ap_drop = std::nullopt;
  std::optional<Difference> top1_drop = std::nullopt;
  /// `experiment`: of AP or top-1, against the exported file that this one was made of
  std::optional<Difference> export_drop = std::nullopt;
  std::vector<TagScore> tags = {};
  bool within_max_drop = true;  ///< false too where the first file finds nothing
};

struct EvaluateResult {
  Task task = Task::Detection;
  std::size_t images = 0;
  std::size_t images_of = 0;  ///< with those that max_images did not take and bad_images
  std::size_t boxes = 0;
  std::size_t clamped_boxes = 0;    ///< VoTT: true boxes cut to their frame, by two pixels at most
  std::size_t exceeding_boxes = 0;  ///< true boxes that reach beyond their frame, scored so
  std::size_t bad_images = 0;       ///< left out, since they could not be decoded
  /// A file whose boxes all end at the frame, so that every column's were cut there; or empty.
  std::string clipped_like = {};
  std::string data = {};
  EvaluateOptions options = {};  ///< as used: metric, thresholds, seed
  int threads = 0;
  std::vector<ModelScore> models = {};
  std::vector<std::string> warnings = {};
};

/// Scores each file over the data set, one after the other. A file ending in .json is predictions
/// (COCO results) in place of a model.
/// Where one column's boxes end at the frame of their images (the service cuts them, and `serve`
/// does), those of every column are cut there.
/// errors: Io, Malformed, Unsupported of models, images and annotations, each naming its file.
[[nodiscard]] Result<EvaluateResult> evaluate(const std::vector<std::string>& files,
                                              const EvaluateOptions& options,
                                              const Progress& progress);

}  // namespace visionpress
