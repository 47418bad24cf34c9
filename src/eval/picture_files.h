#pragma once

#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

/// Replaces each folder in a list of paths by the pictures in it, sorted by name, without hidden
/// files. errors: Io for a folder that cannot be read or has no picture.
[[nodiscard]] Result<std::vector<std::string>> expand_folders(
    const std::vector<std::string>& given);

/// The pictures in a folder and in the folders within it, sorted by path, without hidden files.
/// errors: as expand_folders.
[[nodiscard]] Result<std::vector<std::string>> list_folder_tree(const std::string& folder);

}  // namespace visionpress
