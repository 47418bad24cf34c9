#pragma once

#include <string_view>

#include "package/file_set.h"

namespace visionpress {

/// What a folder or an archive holds in place of a model that is read here, with its article and
/// what to do about it: "a PyTorch model (.pt, .pth); export it to ...". By the names of its files;
/// empty where they say nothing. Single files: foreign_file.h.
[[nodiscard]] std::string_view name_foreign_set(const FileSet& files);

}  // namespace visionpress
