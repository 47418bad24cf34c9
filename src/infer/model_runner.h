#pragma once

// A model that is ready for images: opened and compiled, with its labels and preprocessing.

#include <optional>
#include <string>
#include <vector>

#include "eval/heads/heads.h"
#include "eval/preprocess.h"
#include "formats/open_model.h"
#include "infer/model_labels.h"
#include "run/executor.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

struct RunnerOptions {
  std::string labels = {};  ///< label file; empty: in the model, else next to it
  Arithmetic arithmetic = Arithmetic::Runtime;
  PreprocessOptions preprocess = {};
  bool crops = false;        ///< classifiers will be given boxes, not whole images
  int threads = 1;           ///< most that any run will use
  PackageHint package = {};  ///< used for a model that is not in a package
};

/// The meaning of the outputs.
enum class ModelTask : std::uint8_t {
  Detection,       ///< the outputs are those of a detection head
  Classification,  ///< one output has one value for each class
  Raw,             ///< anything else
};

struct ModelRunner {
  /// errors: of the model, the label file, and Unsupported where it has no image input or a layer
  /// that cannot be run; all name their file.
  [[nodiscard]] static Result<ModelRunner> create(const std::string& path,
                                                  const RunnerOptions& options);
  /// The same for a model that is already open.
  [[nodiscard]] static Result<ModelRunner> create(OpenedModel model, const RunnerOptions& options);

  OpenedModel model = {};
  std::optional<Executor> executor = std::nullopt;  ///< always there after `create`
  ModelTask task = ModelTask::Raw;
  std::string raw_because = {};          ///< Raw: why the outputs are neither boxes nor classes
  std::size_t class_output = 0;          ///< Classification: the output with the classes' values
  Head head = {};                        ///< Detection
  std::size_t class_count = 0;           ///< Detection and Classification
  std::vector<std::string> labels = {};  ///< empty if there are none; else one per class
  Preprocess preprocess = {};
};

/// Whether an open model has an image input and nothing says how its pixels are scaled. Follows the
/// rule of ModelRunner, but ignores outputs whose shapes only a run decides.
[[nodiscard]] bool guesses_range(const OpenedModel& model, const FoundLabels& labels);

/// Warnings from opening the model, and one if its classes have no names.
[[nodiscard]] std::vector<std::string> list_warnings(const ModelRunner& runner);

}  // namespace visionpress
