#pragma once

// Having an iteration exported, and fetching the package.

#include "cloud/custom_vision_iterations.h"

namespace visionpress {

/// Has it exported unless it is already, waits, downloads, checks and writes it.
/// errors: Io when the export fails, Malformed when what comes is no package, Output.
[[nodiscard]] Result<CloudExportResult> export_iteration(CustomVisionClient& client,
                                                         const CloudProject& project,
                                                         const CloudExportOptions& options,
                                                         const Progress& progress);

}  // namespace visionpress
