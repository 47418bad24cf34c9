#pragma once

#include <string_view>

#include "package/file_set.h"

namespace visionpress {

/// Names the contents of a folder or an archive that is not a model read here, with an article and
/// advice: "a PyTorch model (.pt, .pth); export it to ...". Judges by the names of the files; empty
/// where they say nothing. For single files see foreign_file.h.
[[nodiscard]] std::string_view name_foreign_set(const FileSet& files);

}  // namespace visionpress
