#include "base/temporary_name.h"

#include <cerrno>
#include <filesystem>
#include <mutex>
#include <random>
#include <set>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/descriptor.h"

namespace visionpress {
namespace {

constexpr std::size_t kRandomLetters = 6;  // the Xs of the pattern
constexpr int kMostTries = 100;            // two billion names: even a second try is rare
constexpr std::string_view kTemporary =
    kTemporaryPattern.substr(0, kTemporaryPattern.size() - kRandomLetters);

bool is_temporary_name(std::string_view name) {
  return name.starts_with(kTemporary) && name.size() == kTemporaryPattern.size();
}

/// Opens files for writing, since some network file systems lock no others.
int open_left(const std::string& path) {
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const int file = ::open(path.c_str(), O_RDWR | kFlags);
  return file >= 0 || errno != EISDIR ? file
                                      : ::open(path.c_str(), O_RDONLY | O_DIRECTORY | kFlags);
}

}  // namespace

std::string parent_folder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string make_temporary_name(const std::string& folder) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::string name = folder + "/" + std::string(kTemporary);
  for (std::size_t i = 0; i < kRandomLetters; ++i) name += kLetters[random() % kLetters.size()];
  return name;
}

int make_temporary_file(const std::string& folder, std::string& name) {
  int fd = -1;
  for (int i = 0; i < kMostTries; ++i) {
    name = make_temporary_name(folder);
    fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) break;
  }
  return fd;
}

bool make_temporary_folder(const std::string& folder, std::string& name) {
  for (int i = 0; i < kMostTries; ++i) {
    name = make_temporary_name(folder);
    if (::mkdir(name.c_str(), 0777) == 0) return true;
    if (errno != EEXIST) return false;
  }
  return false;
}

bool lock_temporary(int fd) { return ::flock(fd, LOCK_EX | LOCK_NB) == 0; }

void remove_stale(const std::string& folder) {
  static std::mutex mutex;
  static std::set<std::string> cleaned;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!cleaned.insert(folder).second) return;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (!is_temporary_name(at->path().filename().native())) continue;
    const Descriptor file(open_left(at->path()));
    struct stat info = {};
    // A running program holds the lock of each file that it writes, so a file that we can lock is
    // stale.
    const bool is_left = file.get() >= 0 && ::fstat(file.get(), &info) == 0 &&
                         (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) &&
                         lock_temporary(file.get());
    std::error_code ignored;
    if (is_left) std::filesystem::remove_all(at->path(), ignored);
  }
}

}  // namespace visionpress
