#pragma once

// Names of unfinished files and folders, and the removal of those that a killed run left behind.

#include <string>
#include <string_view>

namespace visionpress {

/// Pattern for mkostemp and mkdtemp. Every output has such a name first, whatever its final name:
/// it is short enough for any folder, and a later run recognises it when it cleans up.
inline constexpr std::string_view kTemporaryPattern = ".visionpress-XXXXXX";

/// The folder that `path` lies in; "." for a bare name.
[[nodiscard]] std::string parent_folder(const std::string& path);

/// A path in `folder` that no other run uses, made as mkostemp makes one.
[[nodiscard]] std::string make_temporary_name(const std::string& folder);

/// Locks a temporary file or folder for its writer, until it is renamed or the program ends,
/// however it ends. One that nobody has locked is stale. returns: whether it is locked now.
[[nodiscard]] bool lock_temporary(int fd);

/// Removes what killed runs left in a folder. Looks at each folder once per run, since a run may
/// write many outputs.
void remove_stale(const std::string& folder);

}  // namespace visionpress
