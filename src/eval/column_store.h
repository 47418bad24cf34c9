#pragma once

// The results folder of an experiment. A column is two files: its predictions (COCO results) and,
// written after them, a file with its inputs and its figures.
//
//   experiment.json    whose folder it is; locked while a run goes on
//   columns/NAME.predictions.json
//   columns/NAME.json  {"key": {...}, "predictions_sha1", "file_sha1": of the model that was made,
//                       "model": {...}, "figures": {...}}

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/descriptor.h"
#include "eval/column.h"
#include "eval/dataset.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

class ColumnStore {
 public:
  /// Opens the folder and creates missing ones. program: the version that is noted in a new folder.
  /// errors: Output, also for a folder that is not empty and not an experiment, and while another
  /// run has it locked.
  [[nodiscard]] static Result<ColumnStore> open(const std::string& folder,
                                                const std::string& program);

  [[nodiscard]] std::string predictions_path(const std::string& name) const;
  [[nodiscard]] std::string model_path(const std::string& file_name) const;

  /// Finds the column that was stored under this key. returns: its facts without figures (these
  /// follow from its predictions); nothing where no column is stored, another key made it, or its
  /// predictions or model file have changed since.
  /// made: the column's file in models/, empty for a column without one. errors: Io.
  [[nodiscard]] Result<std::optional<ModelScore>> find(const std::string& name,
                                                       const nlohmann::ordered_json& key,
                                                       const std::string& made) const;
  /// Stores an unscored column; `scored` is the same column with its figures. errors: Output.
  [[nodiscard]] Result<void> save(const std::string& name, const nlohmann::ordered_json& key,
                                  const std::string& made, const Column& column,
                                  const ModelScore& scored, const Dataset& dataset) const;
  /// Writes a text file in the folder and replaces an existing one. errors: Output.
  [[nodiscard]] Result<void> write(const std::string& file_name, const std::string& text) const;

 private:
  std::string folder_ = {};
  Descriptor lock_{};
};

}  // namespace visionpress
