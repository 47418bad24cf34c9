#pragma once

/// The original project's experiment as one call: scores every export, every compressed form of it
/// and the online service on the same images, and shows them side by side.

#include <optional>
#include <string>
#include <vector>

#include "visionpress/cloud.h"
#include "visionpress/compress.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// Source of the online column: Custom Vision, or any service with the same API.
struct OnlineService {
  CloudAccess access = {};
  std::string project = {};         ///< id; a name needs the training key too
  std::string published_name = {};  ///< API 3
  std::string iteration = {};       ///< API 2, where `published_name` is empty
};

struct ExperimentOptions {
  /// Model files, archives and folders of exports.
  std::vector<std::string> exports = {};
  /// Data set, thresholds, arithmetic, preprocessing. `metric`: Legacy and LegacyFlipped are shown
  /// next to Standard. `crops`, `max_drop` and `save_predictions` must not be given.
  EvaluateOptions evaluate = {};
  /// Names of `schemes()`; "coreml:fp16" (tensorflow:, tflite:) for one format only.
  /// Empty: those of 8 bits and more.
  std::vector<std::string> schemes = {};
  std::string online_predictions = {};  ///< COCO results JSON of the online column
  std::optional<OnlineService> online = std::nullopt;
  /// Output folder: models/, columns/, table.txt, table.md, table.json. A column that an earlier
  /// run made from the same files with the same options is reused.
  std::string results = {};
};

/// One column of the table.
struct ExperimentColumn {
  std::string title = {};        ///< "Core ML fp16"
  std::string family = {};       ///< "Online", "Core ML", "TensorFlow", "TFLite"
  std::string scheme = {};       ///< empty: as exported
  std::string source = {};       ///< the model that was run, or the source of the predictions
  std::string predictions = {};  ///< COCO results JSON in the results folder
  bool was_kept = false;         ///< reused from an earlier run
};

struct ExperimentResult {
  std::string results = {};                    ///< the folder
  std::vector<ExperimentColumn> columns = {};  ///< in the order of the tables' columns
  EvaluateResult standard = {};                ///< each model's `file` is its column's title
  std::optional<EvaluateResult> legacy = std::nullopt;  ///< set if another metric was requested
  std::vector<std::string> warnings = {};
};

/// Makes the missing columns one by one and stores each as soon as it is done, then makes the
/// tables from the stored columns.
/// errors: those of every step, each naming its file; Usage for unknown schemes; Output.
[[nodiscard]] Result<ExperimentResult> experiment(const ExperimentOptions& options,
                                                  const Progress& progress);

}  // namespace visionpress
