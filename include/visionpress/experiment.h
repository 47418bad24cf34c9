#pragma once

/// The original project's experiment as one call: every export and every compressed form of it, and
/// the online service, scored on the same images, side by side.

#include <optional>
#include <string>
#include <vector>

#include "visionpress/cloud.h"
#include "visionpress/compress.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// Where the online column comes from: Custom Vision, or anything that answers as it does.
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
  /// beside Standard. `crops`, `max_drop` and `save_predictions` must not be given.
  EvaluateOptions evaluate = {};
  /// Names of `schemes()`; "coreml:fp16" (tensorflow:, tflite:) for one format alone. Empty: all.
  std::vector<std::string> schemes = {};
  std::string online_predictions = {};  ///< COCO results JSON of the online column
  std::optional<OnlineService> online = std::nullopt;
  /// Folder for what is made: models/, columns/, table.txt, table.md, table.json. Columns that are
  /// there already, made from the same files with the same options, are not made again.
  std::string results = {};
};

/// One column, as the table has it.
struct ExperimentColumn {
  std::string title = {};        ///< "Core ML fp16"
  std::string family = {};       ///< "Online", "Core ML", "TensorFlow", "TFLite"
  std::string scheme = {};       ///< empty: as exported
  std::string source = {};       ///< the model that was run, or where the predictions came from
  std::string predictions = {};  ///< COCO results JSON in the results folder
  bool was_kept = false;         ///< from an earlier run
};

struct ExperimentResult {
  std::string results = {};                             ///< the folder
  std::vector<ExperimentColumn> columns = {};           ///< in the order of the tables' columns
  EvaluateResult standard = {};                         ///< its models' `file` is the title
  std::optional<EvaluateResult> legacy = std::nullopt;  ///< where another metric was asked for
  std::vector<std::string> warnings = {};
};

/// Makes what is missing, column by column, each stored when it is done; then the tables, from
/// what is stored. errors: of every part, each naming its file; Usage for schemes that do not
/// exist; Output.
[[nodiscard]] Result<ExperimentResult> experiment(const ExperimentOptions& options,
                                                  const Progress& progress);

}  // namespace visionpress
