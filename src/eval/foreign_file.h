#pragma once

// Files that people give as pictures and that are something else.

#include <string>

#include "base/bytes.h"

namespace visionpress {

/// What a file is that is none of the pictures we read, told by its first bytes: "a GIF", "an HTML
/// page", "HEIC (a photograph of Apple's)". Empty where nothing is known.
[[nodiscard]] std::string name_foreign_file(Bytes bytes);

}  // namespace visionpress
