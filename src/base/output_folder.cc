#include "base/output_folder.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/output_file.h"
#include "base/temporary_name.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

Result<void> check_target(const std::string& path, Overwrite overwrite) {
  VP_RETURN_IF_ERROR(check_not_stdout(path));
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (S_ISLNK(info.st_mode)) {
    return fail_in(path, ErrorKind::Output, "is a symbolic link; name the folder it stands for");
  }
  if (!S_ISDIR(info.st_mode)) {
    return fail_in(path, ErrorKind::Output, "exists and is not a folder");
  }
  if (overwrite == Overwrite::Allow) return {};
  return fail_in(path, ErrorKind::Output, "exists already; --force overwrites it");
}

bool rename_with(unsigned flags, const std::string& from, const std::string& to) {
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0;
}

}  // namespace

Result<OutputFolder> OutputFolder::create(const std::string& path, Overwrite overwrite) {
  OutputFolder folder;
  folder.path_ = path;
  while (folder.path_.size() > 1 && folder.path_.ends_with('/')) folder.path_.pop_back();
  folder.overwrite_ = overwrite;
  VP_RETURN_IF_ERROR(check_target(folder.path_, overwrite));
  const std::string parent = parent_folder(folder.path_);
  remove_stale(parent);
  std::string name;
  for (struct stat info = {}; info.st_nlink == 0;) {
    if (!make_temporary_folder(parent, name)) return fail_output(path, "cannot create", errno);
    folder.lock_ = Descriptor(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Where folders cannot be locked, no other run can lock this one and take it for stale.
    static_cast<void>(lock_temporary(folder.lock_.get()));
    // Another run may have removed the folder after it was made and before it was locked.
    if (::fstat(folder.lock_.get(), &info) != 0) info.st_nlink = 0;
  }
  folder.temporary_ = name;
  return folder;
}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      lock_(std::move(other.lock_)),
      overwrite_(other.overwrite_) {}

OutputFolder& OutputFolder::operator=(OutputFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(lock_, other.lock_);
  std::swap(overwrite_, other.overwrite_);
  return *this;
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

Result<void> OutputFolder::write(const std::string& name, std::span<const Bytes> pieces) {
  const fs::path target = fs::path(temporary_) / name;
  const auto written = [&]() -> Result<void> {
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (error) {
      return fail(ErrorKind::Output, "cannot create its folder: {}", error.message());
    }
    VP_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(target, Overwrite::Refuse));
    VP_RETURN_IF_ERROR(file.write(pieces));
    return file.commit();
  }();
  if (written) return {};
  // Name the path that the user knows, not the temporary one.
  Error error = written.error();
  error.file = (fs::path(path_) / name).string();
  return tl::unexpected<Error>(std::move(error));
}

Result<void> OutputFolder::replace_target() {
  // The exchange is atomic: the old folder gets the temporary name and is removed under it.
  if (rename_with(RENAME_EXCHANGE, temporary_, path_)) {
    std::error_code ignored;
    fs::remove_all(temporary_, ignored);
    return {};
  }
  if (errno != EINVAL) return fail_output(path_, "cannot rename the finished folder", errno);
  // Some file systems cannot exchange names: there, for an instant, no folder has the target's
  // name.
  const std::string old = make_temporary_name(parent_folder(path_));
  if (::rename(path_.c_str(), old.c_str()) != 0) {
    return fail_output(path_, "cannot move the old folder away", errno);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    ::rename(old.c_str(), path_.c_str());
    return fail_output(path_, "cannot rename the finished folder", reason);
  }
  std::error_code ignored;
  fs::remove_all(old, ignored);
  return {};
}

Result<void> OutputFolder::commit() {
  VP_RETURN_IF_ERROR(check_target(path_, overwrite_));
  std::error_code ignored;
  if (fs::exists(path_, ignored)) {
    VP_RETURN_IF_ERROR(replace_target());
  } else if (!rename_with(RENAME_NOREPLACE, temporary_, path_)) {
    const bool is_plain = errno == EINVAL && ::rename(temporary_.c_str(), path_.c_str()) == 0;
    if (!is_plain) return fail_output(path_, "cannot rename the finished folder", errno);
  }
  temporary_.clear();
  return {};
}

}  // namespace visionpress
