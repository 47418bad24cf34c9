#pragma once

// Why a file that was given as a model is not one: what its archive holds, what damaged it. Files
// of other programs: package/foreign_file.h.

#include <string>

#include "base/bytes.h"

namespace visionpress {

/// What happened to a file that a reader has refused: saved as text, sent as text. Empty where
/// nothing points to it.
[[nodiscard]] std::string describe_damage(Bytes bytes);

/// What a ZIP archive without a model holds: "a PyTorch model", by the names of its entries.
[[nodiscard]] std::string name_archive(Bytes bytes);

/// Whether this is the saved_model.pb of a SavedModel, whose weights lie in files beside it.
[[nodiscard]] bool is_saved_model_graph(Bytes bytes);

}  // namespace visionpress
