#pragma once

#include <string>

#include "visionpress/result.h"

namespace visionpress {

/// SHA-1 of a file, or of the names and bytes of every file under a folder, in the order of names.
/// errors: Io.
[[nodiscard]] Result<std::string> hash_path(const std::string& path);

}  // namespace visionpress
