#include "base/work_folder.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/output_file.h"

namespace visionpress {

namespace fs = std::filesystem;

Result<void> make_work_folder(const std::string& folder, const std::string& marker,
                              std::string_view contents) {
  std::error_code ignored;
  if (fs::is_directory(folder, ignored) && !fs::is_empty(folder, ignored) &&
      !fs::is_regular_file(fs::path(folder) / marker, ignored)) {
    return fail_in(folder, ErrorKind::Output,
                   "the folder holds other things than {}; name an empty or a new one", contents);
  }
  VP_RETURN_IF_ERROR(check_not_stdout(folder));
  return make_folder(folder);
}

Result<void> make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && fs::is_directory(folder, error)) return {};
  return fail_in(folder, ErrorKind::Output, "cannot make the folder: {}",
                 error ? error.message() : "it is a file");
}

Result<Descriptor> lock_work(const std::string& path, const std::string& folder) {
  Descriptor lock(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (lock.get() >= 0 && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return fail_in(folder, ErrorKind::Output, "another run writes its results here");
  }
  return lock;
}

}  // namespace visionpress
