#pragma once

// What a file is that was given as a model and is none.

#include <string>

#include "base/bytes.h"

namespace visionpress {

/// "a PNG image", "a Git LFS pointer ...": what the content shows, with what to do about it. Empty
/// where it shows nothing. Models that are read here are not asked.
[[nodiscard]] std::string name_other_file(Bytes bytes);

/// What happened to a file that a reader has refused: saved as text, sent as text. Empty where
/// nothing points to it.
[[nodiscard]] std::string describe_damage(Bytes bytes);

/// What a ZIP archive without a model holds: "a PyTorch model", by the names of its entries.
[[nodiscard]] std::string name_archive(Bytes bytes);

/// Whether this is the saved_model.pb of a SavedModel, whose weights lie in files beside it.
[[nodiscard]] bool is_saved_model_graph(Bytes bytes);

}  // namespace visionpress
