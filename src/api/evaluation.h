#pragma once

// The steps of an evaluation, for commands that need them one by one: make a column from a model or
// a file of predictions, score it, compare it, and show it.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/model_runner.h"
#include "api/run_images.h"
#include "base/error.h"
#include "eval/coco_ap.h"
#include "eval/dataset.h"
#include "eval/pixel_ways.h"
#include "eval/predictions.h"
#include "visionpress/evaluate.h"

namespace visionpress {

/// A column in progress: its score, and the data from which differences to it are computed.
struct Column {
  ModelScore score = {};
  Predictions predictions = {};
  ApMatches matches = {};
  bool ends_at_frame = false;                      ///< the column's source cuts boxes to the image
  std::optional<ColorOrder> color = std::nullopt;  ///< of the pixels that the network was given
  bool color_is_guess = false;  ///< neither the file nor an option says the colour order
};

/// A network's column under one of several ways to give it pixels.
struct TriedWay {
  Column column = {};
  PixelWay way = {};
};

struct TriedWays {
  std::vector<TriedWay> ways = {};
  std::string chosen = {};  ///< the network's preprocessing without a trial, in words
};

/// Checks the options that are numbers. errors: InvalidArgument for a share outside 0..1 or a
/// negative number of threads.
[[nodiscard]] Result<void> check_numbers(const EvaluateOptions& options);

/// The probability above which a network's detections are kept: those that AP or precision use.
[[nodiscard]] float least_probability(const EvaluateOptions& options);

/// True for files of predictions, by their name.
[[nodiscard]] bool is_predictions(const std::string& file);

/// Columns that can be scored together: over the same images, with boxes cut the same way. Only
/// `Evaluation::make_comparable` makes them, so no earlier step can be left out.
class ComparableColumns {
 public:
  /// Save predictions from here: scoring drops detections that AP does not use.
  [[nodiscard]] const std::vector<Column>& columns() const { return columns_; }

 private:
  friend class Evaluation;
  explicit ComparableColumns(std::vector<Column> columns) : columns_(std::move(columns)) {}
  std::vector<Column> columns_;
};

/// Columns with their figures; only `Evaluation::score` makes them.
class ScoredColumns {
 public:
  [[nodiscard]] std::vector<Column> take() && { return std::move(columns_); }

 private:
  friend class Evaluation;
  explicit ScoredColumns(std::vector<Column> columns) : columns_(std::move(columns)) {}
  std::vector<Column> columns_;
};

/// Call run_model or read_predictions for each column, then make_comparable, score and compare.
class Evaluation {
 public:
  /// options, progress: borrowed.
  Evaluation(const EvaluateOptions& options, const Progress& progress);

  /// Loads the data set; the first step. errors: as load_dataset.
  [[nodiscard]] Result<void> load_data(ImageNeed need);
  [[nodiscard]] const Dataset& dataset() const { return dataset_; }

  /// Sets labels and kind of export for models without their own, such as a compressed copy.
  /// source: the file that they come from, for a warning; empty: no warning.
  void adopt(std::vector<std::string> labels, PackageHint hint, std::string source);

  /// Opens a model with these options. errors: as open_model.
  [[nodiscard]] Result<OpenedModel> open(const std::string& file) const;
  /// Both return a column without figures. errors: as `evaluate`, but naming no file.
  [[nodiscard]] Result<Column> run_model(OpenedModel model);
  [[nodiscard]] Result<Column> read_predictions(const std::string& file, PredictionSource source);

  /// Decodes every image once and removes those that cannot be decoded from the data set, before
  /// any column exists. An image that cannot be decoded later ends the run. errors: as
  /// make_comparable.
  [[nodiscard]] Result<void> leave_out_undecodable();
  /// Removes the images that could not be decoded from the data set and from every column. Then
  /// cuts the boxes of every column to the image frames, if the boxes of one column end there or
  /// the options ask for it. If such a column, a service's, has no detection at or below the
  /// service's limit, AP counts only detections above that limit in every column. columns: all
  /// columns, at least one.
  /// errors: Malformed where no image is left.
  [[nodiscard]] Result<ComparableColumns> make_comparable(std::vector<Column> columns);

  /// Keeps at most `count` images, evenly spread over the data set.
  void thin_out(std::size_t count) { visionpress::thin_out(dataset_, count); }
  /// Runs one network under every usual way to give it pixels; the columns have no figures. errors:
  /// as run_model.
  [[nodiscard]] Result<TriedWays> run_ways(const std::string& file);
  /// Warnings from loading and running.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return diagnostics_.warnings(); }

  [[nodiscard]] ScoredColumns score(ComparableColumns comparable, Metric metric) const;
  /// The scores with their differences to the first column. exported: not empty: one column index
  /// per column; the differences to those columns are added.
  [[nodiscard]] EvaluateResult compare(ScoredColumns scored,
                                       std::span<const std::size_t> exported) const;

 private:
  /// A network that fits the data set, and the tag of each of its classes.
  struct Fitted {
    ModelRunner runner = {};
    std::vector<int> tags = {};
  };
  [[nodiscard]] Result<Fitted> fit_model(OpenedModel model);
  void share_labels(ModelRunner& runner, const std::string& file);
  [[nodiscard]] Result<void> check_fits(const ModelRunner& runner) const;
  [[nodiscard]] std::vector<std::string> list_paths() const;
  [[nodiscard]] Result<void> run_all(const ModelRunner& runner, const PartsOf& parts_of,
                                     const OnPart& on_part, const std::string& what);
  [[nodiscard]] Result<void> detect(const ModelRunner& runner, const std::vector<int>& tags,
                                    Column& column);
  [[nodiscard]] std::vector<ImageView> cut_boxes(std::size_t index, const Image& pixels) const;
  [[nodiscard]] Result<void> classify(const ModelRunner& runner, const std::vector<int>& tags,
                                      Column& column);
  void drop_weak(Detections& detections) const;
  [[nodiscard]] Result<void> leave_out_bad(std::vector<Column>& columns);
  void align(std::vector<Column>& columns);
  void score_column(Column& column, Metric metric) const;
  void fill_differences(std::vector<Column>& columns, std::span<const std::size_t> exported) const;
  [[nodiscard]] EvaluateResult collect(std::vector<Column>& columns) const;
  [[nodiscard]] std::optional<Difference> measure_difference(const Column& column,
                                                             const Column& baseline) const;
  [[nodiscard]] bool counts_all() const;
  [[nodiscard]] float ap_least() const;
  void warn_of_broken(const std::vector<std::uint8_t>& broken, const std::string& file);
  void warn_of_silence(const Column& column, EvaluateResult& result) const;
  void warn_of_baseline(EvaluateResult& result) const;
  void warn_of_colors(const std::vector<Column>& columns, EvaluateResult& result) const;

  const EvaluateOptions& options_;
  const Progress& progress_;
  int threads_;
  Dataset dataset_ = {};
  Diagnostics diagnostics_ = {};
  std::vector<float> first_input_ = {};  ///< of the first image that could be decoded
  ImageNeed need_ = ImageNeed::Required;
  double images_per_second_ = 0.0;                     ///< of the model that was run last
  std::optional<float> service_least_ = std::nullopt;  ///< AP's threshold, where a service set it
  std::map<std::size_t, Error> bad_ = {};  ///< images that could not be decoded, by index
  std::size_t bad_count_ = 0;              ///< of images that were left out
  bool bad_is_settled_ = false;            ///< leave_out_undecodable has been called
  std::vector<std::string> labels_ = {};
  std::string labels_file_ = {};
  PackageHint hint_ = {};
};

}  // namespace visionpress
