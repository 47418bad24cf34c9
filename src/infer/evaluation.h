#pragma once

// The steps of an evaluation, for commands that need them one by one: make a column from a model or
// a file of predictions, score it, compare it, and show it.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "eval/bad_images.h"
#include "eval/dataset.h"
#include "eval/partial_evaluation.h"
#include "eval/pixel_ways.h"
#include "eval/score_columns.h"
#include "infer/model_runner.h"
#include "infer/run_images.h"
#include "visionpress/evaluate.h"

namespace visionpress {

struct DatasetRun;

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

/// True for files of predictions, by their name.
[[nodiscard]] bool is_predictions(const std::string& file);

enum class Timing : std::uint8_t { Measure, Skip };

/// Call run_model or read_predictions for each column, then make_comparable, score and compare.
class Evaluation {
 public:
  /// options, progress: borrowed.
  Evaluation(const EvaluateOptions& options, const Progress& progress);

  /// Loads the data set; the first step. errors: as load_dataset.
  [[nodiscard]] Result<void> load_data(ImageNeed need);
  [[nodiscard]] const Dataset& dataset() const { return dataset_; }
  /// The threads that the options ask for, or one per core.
  [[nodiscard]] int threads() const { return threads_; }

  /// Runs over one shard of the data set from here on, without timing; dataset() is then the
  /// shard's images. Call it after load_data. errors: Usage, as check_shard.
  [[nodiscard]] Result<void> take_shard(const Shard& shard);

  /// Sets labels and kind of export for models without their own, such as a compressed copy.
  /// source: the file that they come from, for a warning; empty: no warning.
  void adopt(std::vector<std::string> labels, PackageHint hint, std::string source);

  /// Opens a model with these options. errors: as open_model.
  [[nodiscard]] Result<OpenedModel> open(const std::string& file) const;
  /// Both return a column without figures. errors: as `evaluate`, but naming no file.
  [[nodiscard]] Result<Column> run_model(OpenedModel model, Timing timing = Timing::Measure);
  [[nodiscard]] Result<Column> read_predictions(const std::string& file, PredictionSource source);

  /// Decodes every image once and removes those that cannot be decoded from the data set, before
  /// any column exists. An image that cannot be decoded later ends the run. errors: as
  /// make_comparable.
  [[nodiscard]] Result<void> leave_out_undecodable();
  /// Removes the images that could not be decoded from the data set and from every column, then
  /// makes the columns comparable. columns: all columns, at least one.
  /// errors: Malformed where no image is left.
  [[nodiscard]] Result<ComparableColumns> make_comparable(std::vector<Column> columns);

  /// Keeps the images of these indices, ascending.
  void keep_only(const std::vector<std::size_t>& images);
  /// Keeps at most `count` images, evenly spread over the data set.
  void thin_out(std::size_t count) { visionpress::thin_out(dataset_, count); }
  /// Runs one network under every usual way to give it pixels; the columns have no figures. errors:
  /// as run_model.
  [[nodiscard]] Result<TriedWays> run_ways(const std::string& file);
  /// Shows the outputs for each part of an image to `on_part`, from the next model on.
  void watch(OnPart on_part) { on_part_ = std::move(on_part); }
  /// Warnings from loading and running.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return diagnostics_.warnings(); }

  /// What has been evaluated of a shard, to be saved. columns: all columns, in their order.
  /// errors: Io.
  [[nodiscard]] Result<PartialEvaluation> make_partial(std::vector<PartialColumn> columns) const;

  [[nodiscard]] ScoredColumns score(ComparableColumns comparable, Metric metric) const;
  /// The scores with their differences to the first column. exported: as in CompareOptions.
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
  [[nodiscard]] Result<std::vector<int>> map_classes(const ModelRunner& runner);
  void number_classes(const ModelRunner& runner, std::vector<ClassSample>& samples);
  [[nodiscard]] Result<void> check_fits(const ModelRunner& runner) const;
  [[nodiscard]] Result<DatasetRun> run_over_data(const Fitted& fitted, const std::string& what);

  const EvaluateOptions& options_;
  const Progress& progress_;
  int threads_;
  Dataset dataset_ = {};
  std::optional<Shard> shard_ = std::nullopt;
  Dataset whole_ = {};  ///< the data set that dataset_ is a shard of
  std::vector<std::string> load_warnings_ = {};
  Diagnostics diagnostics_ = {};
  ImageNeed need_ = ImageNeed::Required;
  BadImages bad_ = {};           ///< images that could not be decoded
  std::size_t bad_count_ = 0;    ///< of images that were left out
  bool bad_is_settled_ = false;  ///< leave_out_undecodable has been called
  std::vector<std::string> labels_ = {};
  std::string labels_file_ = {};
  std::vector<std::string> class_names_ = {};  ///< of the first model that was run
  PackageHint hint_ = {};
  OnPart on_part_ = {};
};

}  // namespace visionpress
