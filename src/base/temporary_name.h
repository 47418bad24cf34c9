#pragma once

// Names of files and folders that are not finished, and their removal where a killed run left them.

#include <string>
#include <string_view>

namespace visionpress {

/// For mkostemp and mkdtemp. Every output has such a name first, whatever its own: short enough for
/// any folder, and known again when a later run cleans up.
inline constexpr std::string_view kTemporaryPattern = ".visionpress-XXXXXX";

/// The folder that `path` lies in; "." for a bare name.
[[nodiscard]] std::string parent_folder(const std::string& path);

/// The path of a name in `folder` that no other run uses; as mkostemp's.
[[nodiscard]] std::string make_temporary_name(const std::string& folder);

/// Held by whoever writes a temporary file or folder, until it is renamed or the program ends,
/// however it ends. What nobody holds is nobody's. returns: whether it is held now.
[[nodiscard]] bool lock_temporary(int fd);

/// Removes what killed runs left in a folder; each folder once in a run, since outputs may be many.
void remove_stale(const std::string& folder);

}  // namespace visionpress
