#pragma once

// The results folder of an experiment: a column is two files, its predictions (COCO results) and,
// written after them, what made them and what they gave.
//
//   experiment.json    whose folder it is; locked while a run goes on
//   columns/NAME.predictions.json
//   columns/NAME.json  {"key": {...}, "predictions_sha1", "file_sha1": of the model that was made,
//                       "model": {...}, "figures": {...}}

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "api/evaluation.h"
#include "base/descriptor.h"
#include "visionpress/experiment.h"
#include "visionpress/result.h"

namespace visionpress {

/// SHA-1 of a file, or of the names and bytes of every file under a folder, in the order of names.
/// errors: Io.
[[nodiscard]] Result<std::string> hash_path(const std::string& path);

class ExperimentStore {
 public:
  /// Makes the folders where they are missing. errors: Output, also for a folder that holds things
  /// and no experiment, and while another run has it.
  [[nodiscard]] static Result<ExperimentStore> open(const std::string& folder);

  [[nodiscard]] std::string predictions_path(const std::string& name) const;
  [[nodiscard]] std::string model_path(const std::string& file_name) const;

  /// The stored column that this key made, its predictions read again; nothing where there is none,
  /// where another key made it, or where its predictions or the file that was made were changed
  /// since. made: a file in models/, empty for a column that needs none.
  /// errors: as load_predictions.
  [[nodiscard]] Result<std::optional<Column>> load(const std::string& name,
                                                   const nlohmann::ordered_json& key,
                                                   const std::string& made,
                                                   Evaluation& evaluation) const;
  /// Stores an unscored column; `scored` is the same one with its figures. errors: Output.
  [[nodiscard]] Result<void> save(const std::string& name, const nlohmann::ordered_json& key,
                                  const std::string& made, const Column& column,
                                  const ModelScore& scored, const Dataset& dataset) const;
  /// Writes a text of the folder, whatever was there. errors: Output.
  [[nodiscard]] Result<void> write(const std::string& file_name, const std::string& text) const;

 private:
  std::string folder_ = {};
  Descriptor lock_{};
};

}  // namespace visionpress
