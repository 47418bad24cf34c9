#pragma once

#include <string>

#include "visionpress/result.h"

namespace visionpress {

/// Waits until what was written to a file is on disk: for what cannot be made again for nothing,
/// before it gets its name (OutputFile::temporary_path). errors: Output.
[[nodiscard]] Result<void> sync_file(const std::string& path);

}  // namespace visionpress
