#pragma once

#include <string>

#include "base/bytes.h"
#include "package/file_set.h"

namespace visionpress {

/// The files of a model, as they are passed to its reader.
struct ModelFiles {
  const FileSet& files;
  std::string entry = {};  ///< the name in `files` of the file that the reader begins with
  Bytes bytes = {};        ///< the bytes of that file; the resulting model borrows them
};

}  // namespace visionpress
