#pragma once

// Folders in which a program keeps its own work from run to run.

#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "visionpress/result.h"

namespace visionpress {

/// Makes the folder, or takes one that is empty or has the file `marker`; a folder of other things
/// is never written into.
/// contents: what such a folder holds, for the message.  errors: Output.
[[nodiscard]] Result<void> make_work_folder(const std::string& folder, const std::string& marker,
                                            std::string_view contents);

/// Makes a folder with those above it. errors: Output, also where a file has the name.
[[nodiscard]] Result<void> make_folder(const std::string& folder);

/// Locks a file or folder against other runs until the result is closed. Where the file system has
/// no locks, nothing is locked.
/// errors: Output, naming `folder`, while another run has it locked.
[[nodiscard]] Result<Descriptor> lock_work(const std::string& path, const std::string& folder);

}  // namespace visionpress
