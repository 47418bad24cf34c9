#pragma once

// The one way in which a model file is written: under a temporary name, read back, verified, and
// only then given its own name.

#include <functional>
#include <string>

#include "base/output_file.h"
#include "formats/open_model.h"
#include "package/file_set.h"
#include "package/output_set.h"
#include "visionpress/result.h"

namespace visionpress {

struct WriteTarget {
  std::string path = {};
  FileSet::Kind kind = FileSet::Kind::File;
  Overwrite overwrite = Overwrite::Refuse;
  std::string part =
      {};  ///< of an archive: the name of the model that is read back; empty: the one
};

struct WriteSteps {
  std::function<Result<void>(OutputSet& output)> write = {};
  /// Compares the file, read back, with what was meant. An error of this step, or of reading the
  /// file, is our fault and becomes Internal.
  std::function<Result<void>(const OpenedModel& written)> verify = {};
  /// Decides whether a file that is as meant is good enough to keep; its errors are passed on. Not
  /// set: it is.
  std::function<Result<void>(const OpenedModel& written)> accept = {};
};

/// errors: Output; of `write` and `accept`; Internal, naming the target, where reading back fails.
/// After an error nothing is left behind, and an existing target is unchanged.
[[nodiscard]] Result<void> write_verified(const WriteTarget& target, const WriteSteps& steps);

}  // namespace visionpress
