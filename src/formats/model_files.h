#pragma once

#include <string>

#include "base/bytes.h"
#include "package/file_set.h"

namespace visionpress {

/// A model on its way to its reader.
struct ModelFiles {
  const FileSet& files;
  std::string entry = {};  ///< the file that the reader begins with, by its name in `files`
  Bytes bytes = {};        ///< its bytes, borrowed by the model that is read
};

}  // namespace visionpress
