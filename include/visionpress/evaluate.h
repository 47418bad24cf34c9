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
  LegacyFlipped,  ///< Legacy with the comparison reversed
};

struct EvaluateOptions {
  std::string data = {};  ///< a data set of any form in docs/data.md
  /// Labels are not used: `data` may be any folder of pictures, and the result has agreement and
  /// times alone. Set by `evaluate` for a folder with pictures and no folder for a tag.
  bool unlabelled = false;
  std::string images =
      {};  ///< where the images are; empty: next to `data`, then in a folder `images` next to it
  std::string labels =
      {};  ///< label file; empty: in the model, then labels.txt or NAME_labels.txt next to it
  bool crops = false;  ///< classifiers: score the boxes of a detection data set as crops
  Metric metric = Metric::Standard;
  float probability = 0.4F;  ///< precision and recall: detections above this count
  float iou = 0.25F;         ///< precision and recall: overlap that makes a match
  /// AP and saved predictions: detections above this count. Empty: 0.005; if only prediction files
  /// are scored, every detection in them counts, as in pycocotools.
  std::optional<float> ap_probability = std::nullopt;
  float nms_iou = 0.45F;             ///< overlap above which the weaker box of a tag is dropped
  std::size_t max_detections = 100;  ///< kept per image
  double min_box =
      0.0;  ///< truth boxes narrower or lower than this share of the image are left out
  Arithmetic arithmetic = Arithmetic::Runtime;
  PreprocessOptions preprocess = {};
  /// JPEGs at least twice as large as the model's input are decoded at reduced size, which is
  /// faster and gives other pixels. Not for `crops`.
  bool fast_decode = false;
  /// Limit of images: of an annotation file the first ones by id; of a folder with one folder per
  /// tag, evenly spread. 0: all.
  std::size_t max_images = 0;
  bool skip_missing = false;            ///< missing images are left out
  bool skip_bad = false;                ///< images that cannot be decoded are left out
  bool clip_boxes = false;              ///< every predicted box is cut to its image's frame
  int threads = 0;                      ///< 0: one per core
  std::uint64_t seed = 1;               ///< of the bootstrap
  std::size_t bootstrap_rounds = 1000;  ///< 0: no intervals
  std::optional<double> max_drop = std::nullopt;  ///< largest allowed drop below the first file, in
                                                  ///< points of AP (top-1 for classifiers)
  /// Smallest allowed agreement with the first file, 0..1; see ModelScore::agreement.
  std::optional<double> min_agreement = std::nullopt;
  std::string save_predictions = {};  ///< COCO results JSON to write; only with one model
  bool overwrite = false;             ///< of save_predictions
};

/// Points lost against the first column (negative: gained), with a 95 % paired bootstrap interval
/// over images. There is no interval without bootstrap rounds or with fewer than 10 images.
struct Difference {
  double points = 0.0;
  std::optional<double> low = std::nullopt;
  std::optional<double> high = std::nullopt;
};

/// One tag of one model. Shares, 0..1; empty where undefined.
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

/// Times of repeated runs of one network on one image.
struct RunTime {
  double median_ms = 0.0;
  double low_ms = 0.0;   ///< lower quartile
  double high_ms = 0.0;  ///< upper quartile
  /// Cores that other programs kept busy meanwhile; empty where the system does not say.
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
  std::string preprocessing = {};           ///< one line, with the source of the choice
  std::optional<double> ap = std::nullopt;  ///< mean over tags; detection
  std::optional<double> ap50 = std::nullopt;
  std::optional<double> top1 = std::nullopt;       ///< classification
  std::optional<RunTime> run_time = std::nullopt;  ///< network alone, all threads on one image
  std::optional<double> images_per_second =
      std::nullopt;  ///< decoding, resizing, network and NMS, all threads
  /// Points lost against the first column; negative: gained.
  std::optional<Difference> ap_drop = std::nullopt;
  std::optional<Difference> top1_drop = std::nullopt;
  /// `experiment`: drop of AP or top-1 against the exported file that this file was made from.
  std::optional<Difference> export_drop = std::nullopt;
  /// How far the answers are those of the first column, 0..1; no labels are used. Detection: AP50
  /// (COCO's) of the boxes above 0.005 with the first column's boxes above 0.3 as truth, mean over
  /// the tags that have such boxes. Classification: the share of images (crops) with the same
  /// strongest class, whether or not that class is a tag of the data set. Empty for the first
  /// column, and where that has no answer to agree with.
  std::optional<double> agreement = std::nullopt;
  /// Its 95 % bootstrap interval over images; empty where Difference has none.
  std::optional<double> agreement_low = std::nullopt;
  std::optional<double> agreement_high = std::nullopt;
  std::vector<TagScore> tags = {};
  bool within_max_drop = true;       ///< also false where the first file finds nothing
  bool within_min_agreement = true;  ///< also false where no agreement can be measured

  /// The one of ap_drop and top1_drop that is there.
  [[nodiscard]] const std::optional<Difference>& drop() const {
    return ap_drop ? ap_drop : top1_drop;
  }
};

struct EvaluateResult {
  Task task = Task::Detection;
  std::size_t images = 0;
  std::size_t images_of = 0;  ///< including those beyond max_images and bad_images
  std::size_t boxes = 0;
  std::size_t clamped_boxes = 0;  ///< VoTT: true boxes cut to their frame, by two pixels at most
  std::size_t exceeding_boxes =
      0;                       ///< true boxes that reach beyond their frame, scored as they are
  std::size_t bad_images = 0;  ///< left out because they could not be decoded
  /// Not empty: a file whose boxes all end at the image's frame, so the boxes of every column were
  /// cut there.
  std::string clipped_like = {};
  std::string data = {};
  EvaluateOptions options = {};  ///< as used: metric, thresholds, seed, unlabelled
  int threads = 0;
  std::vector<ModelScore> models = {};
  std::vector<std::string> warnings = {};
};

struct ShardOptions {
  Shard shard = {};
  std::string save = {};   ///< file to write
  bool overwrite = false;  ///< of that file
};

struct PartialResult {
  std::string file = {};  ///< that was written
  Shard shard = {};
  std::size_t images = 0;     ///< of the shard
  std::size_t images_of = 0;  ///< of all shards
  std::size_t files = 0;      ///< that were evaluated
  std::vector<std::string> warnings = {};
};

/// Scores each file over the data set, one after the other. A file whose name ends in .json holds
/// predictions (COCO results) instead of a model.
/// If one column's boxes end at the frames of their images (the service and `serve` cut them
/// there), the boxes of every column are cut there.
/// Unlabelled pictures: tags are the classes of the first file, which is a model.
/// errors: Io, Malformed, Unsupported of models, images and annotations, each naming its file.
[[nodiscard]] Result<EvaluateResult> evaluate(const std::vector<std::string>& files,
                                              const EvaluateOptions& options,
                                              const Progress& progress);

/// Runs the files over one shard of the images and writes everything that merge_evaluations needs:
/// exact predictions, labels, options. The file is written whole or not at all.
/// options: as for `evaluate`, but save_predictions is empty. errors: those of evaluate, and
/// Output.
[[nodiscard]] Result<PartialResult> evaluate_shard(const std::vector<std::string>& files,
                                                   const EvaluateOptions& options,
                                                   const ShardOptions& shard,
                                                   const Progress& progress);

/// Puts the shards of one evaluation together. The result is that of one run to the last bit,
/// without times; models and pictures are not needed. partials: files of evaluate_shard, in any
/// order. threads: 0: one per core.
/// errors: Io and Malformed of a file; Usage, naming it, for one of another evaluation (other
/// files, data, options or version), and for a shard that is missing or there twice.
[[nodiscard]] Result<EvaluateResult> merge_evaluations(const std::vector<std::string>& partials,
                                                       int threads);

}  // namespace visionpress
