#pragma once

// The figures of columns, and the differences between them.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eval/comparable_columns.h"

namespace visionpress {

struct ScoreRun {
  Metric metric = Metric::Standard;  ///< of precision and recall
  int threads = 1;
};

/// Columns with their figures; only `score_columns` makes them.
class ScoredColumns {
 public:
  [[nodiscard]] const std::vector<Column>& columns() const { return columns_; }
  [[nodiscard]] std::vector<Column> take() && { return std::move(columns_); }
  [[nodiscard]] std::optional<float> ap_limit() const { return ap_limit_; }

 private:
  friend ScoredColumns score_columns(ComparableColumns comparable, const Dataset& dataset,
                                     const EvaluateOptions& options, const ScoreRun& run);
  ScoredColumns(std::vector<Column> columns, std::optional<float> ap_limit)
      : columns_(std::move(columns)), ap_limit_(ap_limit) {}
  std::vector<Column> columns_;
  std::optional<float> ap_limit_;
};

/// Fills the score of every column.
[[nodiscard]] ScoredColumns score_columns(ComparableColumns comparable, const Dataset& dataset,
                                          const EvaluateOptions& options, const ScoreRun& run);

/// Whether a file keeps within --max-drop: not where the first file finds nothing, or there is no
/// drop. points: of the limit.
[[nodiscard]] bool keeps_max_drop(const ModelScore& first, const ModelScore& model, double points);
/// Whether it keeps --min-agreement: not where there is none.
[[nodiscard]] bool keeps_min_agreement(const ModelScore& model, double share);

/// What a result needs to know of the run beside its columns.
struct CompareOptions {
  int threads = 1;
  std::size_t bad_images = 0;              ///< left out of the data set
  std::vector<std::string> warnings = {};  ///< of loading and running
  /// Not empty: one column index per column; the differences to those columns are added.
  std::span<const std::size_t> exported = {};
};

/// The scores with their differences to the first column, and warnings of scores that mislead.
[[nodiscard]] EvaluateResult compare_columns(ScoredColumns scored, const Dataset& dataset,
                                             const EvaluateOptions& options,
                                             const CompareOptions& run);

}  // namespace visionpress
