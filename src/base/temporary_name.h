#pragma once

// Names of unfinished files and folders, and the removal of those that a killed run left behind.

#include <string>
#include <string_view>

namespace visionpress {

/// Every output has such a name first, with random letters for the Xs, whatever its final name: it
/// is short enough for any folder, and a later run recognises it when it cleans up.
inline constexpr std::string_view kTemporaryPattern = ".visionpress-XXXXXX";

/// The folder that `path` lies in; "." for a bare name.
[[nodiscard]] std::string parent_folder(const std::string& path);

/// A path in `folder` that is most likely free.
[[nodiscard]] std::string make_temporary_name(const std::string& folder);

/// Make a file (open for reading and writing) or a folder under a free name, with the permissions
/// that the umask allows. mkostemp and mkdtemp would make private ones, and the umask can only be
/// read by changing it, which other threads would notice.
/// returns: the descriptor, -1 with errno; whether the folder was made, else errno says why not.
[[nodiscard]] int make_temporary_file(const std::string& folder, std::string& name);
[[nodiscard]] bool make_temporary_folder(const std::string& folder, std::string& name);

/// Locks a temporary file or folder for its writer, until it is renamed or the program ends,
/// however it ends. One that nobody has locked is stale. returns: whether it is locked now.
[[nodiscard]] bool lock_temporary(int fd);

/// Removes what killed runs left in a folder. Looks at each folder once per run, since a run may
/// write many outputs.
void remove_stale(const std::string& folder);

}  // namespace visionpress
