#include "base/output_file.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/temporary_name.h"

namespace visionpress {
namespace {

/// The path under which an open file without a name can be reached.
std::string descriptor_path(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

/// Opens a file without a name in the folder: however the program ends, nothing is left of it.
/// returns: -1 where the file system has no such files, or could not name them later.
int open_nameless(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (fd >= 0 && ::access(descriptor_path(fd).c_str(), F_OK) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

/// returns: whether it has the name now; otherwise errno says why.
bool name_file(int fd, const std::string& name) {
  return ::linkat(AT_FDCWD, descriptor_path(fd).c_str(), AT_FDCWD, name.c_str(),
                  AT_SYMLINK_FOLLOW) == 0;
}

/// Opens a temporary file and gives its name; -1 with errno where that fails.
int open_temporary(const std::string& folder, std::string& name) {
  for (;;) {
    const int fd = make_temporary_file(folder, name);
    if (fd < 0) return fd;
    // Where files cannot be locked, no other run can lock this one and take it for stale.
    const bool locked = lock_temporary(fd) || errno != EWOULDBLOCK;
    struct stat info = {};
    // Another run may have removed the file after it was made and before it was locked.
    if (locked && ::fstat(fd, &info) == 0 && info.st_nlink > 0) return fd;
    ::close(fd);
  }
}

/// Gives the new file the permissions of the one it replaces, and its owner and group where that is
/// allowed: only the superuser may give files away, and a user may name the groups it belongs to.
/// Another group does not get the permissions of the old one.
void take_over_mode(int fd, const struct stat& old) {
  constexpr uid_t kSameOwner = static_cast<uid_t>(-1);
  // Setuid and setgid are left out.
  constexpr mode_t kPermissions = S_IRWXU | S_IRWXG | S_IRWXO;
  mode_t mode = old.st_mode & kPermissions;
  struct stat created = {};
  const bool is_same =
      ::fstat(fd, &created) == 0 && created.st_uid == old.st_uid && created.st_gid == old.st_gid;
  if (!is_same && ::fchown(fd, old.st_uid, old.st_gid) != 0 &&
      ::fchown(fd, kSameOwner, old.st_gid) != 0) {
    mode &= ~static_cast<mode_t>(S_IRWXG);
  }
  ::fchmod(fd, mode);
}

}  // namespace

Result<void> check_not_stdout(const std::string& path) {
  if (path != "-") return {};
  return fail_in(path, ErrorKind::Usage,
                 "files are not written to stdout; name the output (./- for one of this name)");
}

Result<OutputFile> OutputFile::create(const std::string& path, Overwrite overwrite) {
  VP_RETURN_IF_ERROR(check_not_stdout(path));
  struct stat info = {};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists) {
    if (!S_ISREG(info.st_mode)) {
      return fail_in(path, ErrorKind::Output, "exists and is not a regular file");
    }
    if (overwrite == Overwrite::Refuse) {
      return fail_in(path, ErrorKind::Output, "exists already; --force overwrites it");
    }
  }
  const struct stat replaced = info;
  // Renaming onto a link would replace the link itself, be it /dev/stdout.
  if (::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
    return fail_in(path, ErrorKind::Output, "is a symbolic link; name the file it stands for");
  }
  OutputFile file;
  file.path_ = path;
  file.overwrite_ = overwrite;
  const std::string folder = parent_folder(path);
  remove_stale(folder);
  file.fd_ = open_nameless(folder);
  if (file.fd_ >= 0) {
    static_cast<void>(lock_temporary(file.fd_));  // if this fails, no other run can lock it either
    file.readable_ = descriptor_path(file.fd_);
  } else {
    file.fd_ = open_temporary(folder, file.temporary_);
    if (file.fd_ < 0) {
      const int reason = errno;
      file.temporary_.clear();
      return fail_output(path, "cannot create", reason);
    }
    file.readable_ = file.temporary_;
  }
  if (exists) take_over_mode(file.fd_, replaced);
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      readable_(std::move(other.readable_)),
      overwrite_(other.overwrite_) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(readable_, other.readable_);
  std::swap(overwrite_, other.overwrite_);
  return *this;
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> OutputFile::write(std::span<const Bytes> pieces) {
  std::vector<iovec> vectors;
  vectors.reserve(pieces.size());
  for (const Bytes piece : pieces) {
    // iovec is shared with readv and so not const; writev does not write through it.
    if (!piece.empty()) vectors.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
  }
  std::size_t at = 0;
  while (at < vectors.size()) {
    const std::size_t count = std::min<std::size_t>(vectors.size() - at, IOV_MAX);
    const ssize_t written = ::writev(fd_, vectors.data() + at, static_cast<int>(count));
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail_output(path_, "cannot write", errno);
    }
    auto left = static_cast<std::size_t>(written);
    while (at < vectors.size() && left >= vectors[at].iov_len) left -= vectors[at++].iov_len;
    if (left > 0) {
      vectors[at].iov_base = static_cast<std::byte*>(vectors[at].iov_base) + left;
      vectors[at].iov_len -= left;
    }
  }
  return {};
}

Result<void> OutputFile::give_name() {
  if (overwrite_ == Overwrite::Refuse) {
    if (name_file(fd_, path_)) return {};
    if (errno == EEXIST) return fail_output(path_, "appeared while it was being made", EEXIST);
    return fail_output(path_, "cannot name the finished file", errno);
  }
  // The file first gets a temporary name, since only a rename can replace a file; linkat cannot.
  const std::string folder = parent_folder(path_);
  while (temporary_.empty()) {
    const std::string name = make_temporary_name(folder);
    if (name_file(fd_, name)) {
      temporary_ = name;
    } else if (errno != EEXIST) {
      return fail_output(path_, "cannot name the finished file", errno);
    }
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return fail_output(path_, "cannot rename the finished file", errno);
  }
  temporary_.clear();
  return {};
}

Result<void> OutputFile::commit() {
  // Late write errors show when a copy is closed; the file itself stays open, and so locked, until
  // it has its name.
  if (::close(::dup(fd_)) != 0) return fail_output(path_, "cannot close", errno);
  if (temporary_.empty()) return give_name();
  if (overwrite_ == Overwrite::Refuse) {
    // link refuses an existing name, so a file that appeared since `create` is not lost.
    if (::link(temporary_.c_str(), path_.c_str()) == 0) {
      ::unlink(temporary_.c_str());
      temporary_.clear();
      return {};
    }
    if (errno == EEXIST) return fail_output(path_, "appeared while it was being made", EEXIST);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return fail_output(path_, "cannot rename the finished file", errno);
  }
  temporary_.clear();
  return {};
}

Result<void> check_not_read(const std::string& output, std::span<const std::string> inputs) {
  VP_RETURN_IF_ERROR(check_not_stdout(output));
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (std::filesystem::equivalent(input, output, ignored)) {
      return fail_in(output, ErrorKind::Usage, "the output is the input, which is never written");
    }
  }
  return {};
}

Result<void> write_file(const std::string& path, Overwrite overwrite, Bytes bytes) {
  VP_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path, overwrite));
  VP_RETURN_IF_ERROR(file.write({&bytes, 1}));
  return file.commit();
}

}  // namespace visionpress
