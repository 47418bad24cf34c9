#pragma once

// The names of a model's classes: in the model, in its package, or in a file next to it.

#include <cstddef>
#include <string>
#include <vector>

#include "formats/open_model.h"
#include "visionpress/result.h"

namespace visionpress {

struct FoundLabels {
  std::vector<std::string> labels = {};
  std::string file = {};     ///< empty: in the model or its package
  bool is_numbered = false;  ///< the lines of the label file begin with 0, 1, 2 and so on
};

/// The labels of an open model: from the file `given`, else from the model, its package, or a file
/// next to it: NAME_labels.txt, labels.txt, AutoML's dict.txt. Empty if none of them has labels.
/// errors: as load_labels.
[[nodiscard]] Result<FoundLabels> find_labels(const OpenedModel& model, const std::string& path,
                                              const std::string& given);

/// Reads a label file: one tag per line, without empty lines at the end. errors: Io, Malformed for
/// an empty file.
[[nodiscard]] Result<std::vector<std::string>> load_labels(const std::string& path);

/// path: of the model. errors: Malformed for labels, if there are any, of another number than the
/// model's classes; names the file that has them.
[[nodiscard]] Result<void> check_label_count(const FoundLabels& found, const std::string& path,
                                             std::size_t class_count);

/// Says that a label file has another order than the model's own labels, which gives every class a
/// wrong name; empty where it has not.
[[nodiscard]] std::string describe_label_order(const FoundLabels& found, const OpenedModel& model);

}  // namespace visionpress
