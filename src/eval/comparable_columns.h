#pragma once

// Makes columns from different sources comparable, so that a difference is one of the models.
//
//   ComparableColumns comparable = make_comparable(columns, dataset, options, ImageNeed::Required);
//   ScoredColumns scored = score_columns(std::move(comparable), dataset, options, run);
//   EvaluateResult result = compare_columns(std::move(scored), dataset, options, run);

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/column.h"
#include "eval/dataset.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// The probability above which a network's detections are kept: those that AP, precision or
/// agreement use.
[[nodiscard]] float least_probability(const EvaluateOptions& options);

/// The same for saved predictions: those that AP or precision use.
[[nodiscard]] float least_saved(const EvaluateOptions& options);

/// The probability above which detections count for AP. Nothing: every detection counts, because
/// only files of predictions are scored (then `need` is Optional) and the options set no limit.
[[nodiscard]] std::optional<float> choose_ap_limit(const EvaluateOptions& options, ImageNeed need);

/// Reads a file of predictions as a column without figures. errors: as load_predictions, and Usage
/// for boxes where the data set has none, or the other way round.
[[nodiscard]] Result<Column> read_column(const std::string& file, const Dataset& dataset,
                                         PredictionSource source, Diagnostics& diagnostics);

/// Drops the detections that do not score above `least`.
void drop_weak(float least, Predictions& predictions);

/// errors: Usage, naming both, for a detector's column and a classifier's.
[[nodiscard]] Result<void> check_same_task(const std::string& first_name, const Column& first,
                                           const std::string& name, const Column& column);

/// The column whose cut at the frame the other columns follow; null where there is only one column,
/// or none cuts.
[[nodiscard]] const Column* find_clipping(const std::vector<Column>& columns);

/// Columns that can be scored together: over the same images, with boxes cut the same way. Only
/// `make_comparable` makes them, so that step cannot be left out.
class ComparableColumns {
 public:
  /// Save predictions from here: scoring drops detections that AP does not use.
  [[nodiscard]] const std::vector<Column>& columns() const { return columns_; }
  [[nodiscard]] std::vector<Column> take() && { return std::move(columns_); }
  /// As choose_ap_limit, or a service's limit.
  [[nodiscard]] std::optional<float> ap_limit() const { return ap_limit_; }

 private:
  friend ComparableColumns make_comparable(std::vector<Column> columns, const Dataset& dataset,
                                           const EvaluateOptions& options, ImageNeed need);
  ComparableColumns(std::vector<Column> columns, std::optional<float> ap_limit)
      : columns_(std::move(columns)), ap_limit_(ap_limit) {}
  std::vector<Column> columns_;
  std::optional<float> ap_limit_;
};

/// Cuts the boxes of every column to the image frames, if the boxes of one column end there or the
/// options ask for it. If such a column, a service's, has no detection at or below the service's
/// limit, AP counts only detections above that limit in every column.
/// columns: all columns, at least one, over the images of the data set.
[[nodiscard]] ComparableColumns make_comparable(std::vector<Column> columns, const Dataset& dataset,
                                                const EvaluateOptions& options, ImageNeed need);

}  // namespace visionpress
