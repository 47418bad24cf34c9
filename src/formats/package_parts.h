#pragma once

// The models of a package of several files: which there are, and which one a name means.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "package/file_set.h"
#include "visionpress/package_listing.h"
#include "visionpress/result.h"

namespace visionpress {

/// A path as the user gives it: PACKAGE:NAME names a model in an archive or a folder.
struct PartPath {
  std::string package = {};  ///< the path of the file or folder
  std::string part = {};     ///< the part's name; empty: none is named
};

/// Splits at a colon behind which no file of the whole name exists.
[[nodiscard]] PartPath split_part_path(const std::string& path);

/// The name in `files` of the model that `part` means: its whole name, its last part, or that
/// without the extension. errors: Usage if no model, or several, have that name; lists them.
[[nodiscard]] Result<std::string> find_part(const FileSet& files, std::string_view part);

/// The Core ML model file of a .mlpackage, as a folder or in an archive; empty: it is none.
[[nodiscard]] std::string find_core_ml_package(const FileSet& files);

/// As the public list_package.
[[nodiscard]] Result<std::optional<PackageListing>> list_parts_of(const std::string& path);

}  // namespace visionpress
