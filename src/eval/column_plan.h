#pragma once

// The columns of an experiment's table: which there are, and what they and their files are called.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "eval/preprocess.h"
#include "visionpress/experiment.h"

namespace visionpress {

/// The facts of one export that its columns depend on.
struct ExportFacts {
  std::string path = {};
  std::string family = {};  ///< of its columns' titles
  std::string sha1 = {};    ///< of the model
  std::string kind = {};    ///< of the package; preprocessing follows from it
  std::vector<std::string> labels = {};
  PackageHint hint = {};
  std::string extension = {};             ///< of its compressed copies
  std::vector<std::string> schemes = {};  ///< that would change a weight
};

/// A column before it is made.
struct PlannedColumn {
  ExperimentColumn column = {};         ///< `source` of a compressed copy: the name of its file
  std::string name = {};                ///< of its files
  const ExportFacts* source = nullptr;  ///< null: the online column
  std::size_t exported = 0;  ///< the column of the file it was made from; its own index: of none
};

/// "Core ML fp16" -> "core-ml-fp16"
[[nodiscard]] std::string name_file(const std::string& title);

[[nodiscard]] std::vector<std::string> list_families(const std::vector<ExportFacts>& exports);

/// Distinguishes several exports of a format by their names, and by a number where the names are
/// equal.
void name_families(std::vector<ExportFacts>& exports);

/// The online column, then each export followed by its compressed copies.
/// exports: borrowed by the columns. online: where the online column comes from; nothing: no such
/// column.
[[nodiscard]] std::vector<PlannedColumn> plan_columns(const std::vector<ExportFacts>& exports,
                                                      const std::optional<std::string>& online);

}  // namespace visionpress
