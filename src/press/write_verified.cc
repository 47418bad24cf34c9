#include "press/write_verified.h"

#include "base/error.h"

namespace visionpress {
namespace {

/// A file that we wrote and cannot read back is our fault, whatever kind of error the reader gives.
tl::unexpected<Error> not_written(const std::string& path, const Error& error) {
  return fail(ErrorKind::Internal, "{}: not written, since reading it back failed: {}", path,
              error.message);
}

}  // namespace

Result<void> write_verified(const WriteTarget& target, const WriteSteps& steps) {
  VP_ASSIGN_OR_RETURN(OutputSet output,
                      OutputSet::create(target.path, target.kind, target.overwrite));
  VP_RETURN_IF_ERROR(steps.write(output));
  {
    const auto written = open_model(
        target.part.empty() ? output.temporary_path()
                            : fmt::format("{}:{}", output.temporary_path(), target.part));
    if (!written) return not_written(target.path, written.error());
    if (auto same = steps.verify(*written); !same) return not_written(target.path, same.error());
    if (steps.accept) VP_RETURN_IF_ERROR(steps.accept(*written));
  }
  return output.commit();
}

}  // namespace visionpress
