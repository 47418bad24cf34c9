#include "base/sync_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"

namespace visionpress {

Result<void> sync_file(const std::string& path) {
  // Any descriptor of the file will do: fdatasync waits for the file's data, whoever wrote it.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() >= 0 && ::fdatasync(file.get()) == 0) return {};
  return fail_in(path, ErrorKind::Output, "cannot write: {}", std::strerror(errno));
}

}  // namespace visionpress
