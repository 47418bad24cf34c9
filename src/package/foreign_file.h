#pragma once

// Files of other programs, told by their content: what people hand over in place of a picture, of
// annotations or of a model. The one place that knows their signatures.

#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace visionpress {

struct ForeignFile {
  std::string_view name = {};    ///< with its article: "a GIF image", "XML text"
  std::string_view advice = {};  ///< what to do about it: "unpack it"; may be empty
  bool is_model = false;
};

/// What a file is, by its first bytes. Pictures that are read here are named too. Nothing where no
/// signature fits; binary data is never taken for text.
[[nodiscard]] std::optional<ForeignFile> find_foreign_file(Bytes bytes);

}  // namespace visionpress
