#pragma once

// Recognises files of other programs by their content: files that people pass instead of a picture,
// annotations or a model. This is the only place that knows their signatures.

#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace visionpress {

struct ForeignFile {
  std::string_view name = {};    ///< with its article: "a GIF image", "XML text"
  std::string_view advice = {};  ///< what to do about it: "unpack it"; may be empty
  bool is_model = false;
};

/// Recognises a file by its first bytes. Names the pictures that are read here too. Nothing where
/// no signature fits; binary data is never taken for text.
[[nodiscard]] std::optional<ForeignFile> find_foreign_file(Bytes bytes);

}  // namespace visionpress
