#pragma once

/// Finds the form of each weight such that a file meets a limit, and measures the file it wrote.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "visionpress/calibration.h"
#include "visionpress/compress.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// At least one is set. A limit of bytes is used up for quality; without one, the smallest file
/// that meets the limits of quality is looked for.
struct FitLimits {
  std::optional<std::uint64_t> max_size = std::nullopt;      ///< bytes of the written file
  std::optional<std::uint64_t> max_download = std::nullopt;  ///< bytes of it after `gzip -9`
  /// Points of AP (classifiers: top-1) that it may lose against the original, on labelled images.
  std::optional<double> max_drop = std::nullopt;
  /// Agreement with the original (ModelScore::agreement), 0..1; needs no labels.
  std::optional<double> min_agreement = std::nullopt;
};

struct FitOptions {
  std::string input = {};
  std::string output = {};  ///< as CompressOptions::output, with "fit" for the scheme
  FitLimits limits = {};
  /// The images that judge, and how; `max_drop` and `save_predictions` are not used. Half of the
  /// images choose among candidates, the other half is for the report.
  EvaluateOptions evaluate = {};
  /// `images` empty: some of the images of the data set, which then do not judge.
  CalibrationOptions calibration = {};
  bool allow_overlap = false;  ///< images that calibrate may judge, too
  /// Forms to choose from, as SensitivityOptions::forms. Empty: default_sensitivity_forms(); where
  /// bytes of the download count, 8 bits with several amounts of noise traded for them.
  std::vector<std::string> forms = {};
  std::vector<std::string> keep = {};  ///< as CompressOptions::keep
  IntegerStorage integer_storage = IntegerStorage::Hybrid;
  CodeStorage code_storage = CodeStorage::Bytes;
  /// Files of `sensitivity --json` for the same model: one, or all shards. Empty: measured.
  std::vector<std::string> sensitivity = {};
  /// Folder of what has been measured, so that an interrupted run goes on. Empty: OUTPUT.work,
  /// which is removed at the end.
  std::string work = {};
  std::size_t most_candidates = 6;  ///< files that are written and measured, at most; 1 or more
  bool overwrite = false;           ///< of the output
  int threads = 0;                  ///< 0: one per core
};

/// One file on the way.
struct FitCandidate {
  std::uint64_t bytes = 0;
  std::uint64_t download_bytes = 0;
  /// The sum of the changes that its weights cause alone (FormChange::change).
  double predicted_change = 0.0;
  /// The squared error of the written file's outputs on the images that choose, as a share of the
  /// original's squares. Of files that meet the limits, the one with the least is kept.
  double measured_change = 0.0;
  ModelScore score = {};  ///< on the images that choose, against the original
  /// How many weights take each form, the most bits first; "as it is" for weights that stay.
  std::vector<std::pair<std::string, std::size_t>> forms = {};
  bool meets_limits = false;
};

struct FitResult {
  std::string input = {};
  std::string output = {};  ///< empty where no file meets the limits
  std::string format = {};
  FitLimits limits = {};
  std::uint64_t bytes_before = 0;
  std::uint64_t download_before = 0;
  std::size_t calibration_pictures = 0;
  std::size_t search_images = 0;
  std::size_t report_images = 0;
  std::size_t overlap = 0;                    ///< images of the data set that also calibrate
  bool overlap_judges = false;                ///< they judge all the same
  std::uint64_t seed = 1;                     ///< of the halves
  ModelScore original = {};                   ///< the input on the images that choose
  std::vector<FitCandidate> candidates = {};  ///< in the order in which they were tried
  std::size_t best = 0;  ///< the one that was kept, or the nearest to the limits
  bool meets_limits = false;
  /// The original and the best file on the images that chose nothing.
  EvaluateResult report = {};
  std::vector<WeightRow> weights = {};  ///< of the best file
  std::vector<std::string> warnings = {};
};

/// Measures each weight's sensitivity, chooses forms by it, calibrates, writes and measures files
/// until the limits are met as well as they can be, and keeps the best one. Where no file meets the
/// limits, nothing is written, and the nearest one is reported.
/// errors: Usage for no limit, or a limit that cannot be checked on the data; of `compress` and
/// `evaluate`.
/// example: fit({.input = "model.mlmodel", .limits = {.max_size = 3'000'000},
///               .evaluate = {.data = "annotations.json"}}, {})
[[nodiscard]] Result<FitResult> fit(const FitOptions& options, const Progress& progress);

}  // namespace visionpress
