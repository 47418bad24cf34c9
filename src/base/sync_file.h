#pragma once

#include <string>

#include "visionpress/result.h"

namespace visionpress {

/// Waits until the bytes written to a file are on disk. For results that are costly to make again,
/// before they get their name (OutputFile::temporary_path). errors: Output.
[[nodiscard]] Result<void> sync_file(const std::string& path);

}  // namespace visionpress
