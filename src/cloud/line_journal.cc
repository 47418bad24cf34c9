#include "cloud/line_journal.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json_text.h"

namespace visionpress {
namespace {

/// returns: whether all of it was read; otherwise errno says why.
bool read_all(int fd, std::string& text) {
  constexpr std::size_t kPiece = std::size_t{1} << 16U;
  std::string piece(kPiece, '\0');
  for (off_t at = 0;;) {
    const ssize_t got = ::pread(fd, piece.data(), piece.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    text.append(piece, 0, static_cast<std::size_t>(got));
    at += got;
  }
}

/// The name of a new file is on disk when its folder is.
void sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Descriptor opened(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() >= 0) ::fsync(opened.get());
}

}  // namespace

tl::unexpected<Error> LineJournal::refuse(const std::string& why) const {
  return fail_in(path_, ErrorKind::Output, "{}", why);
}

Result<LineJournal> LineJournal::open(const std::string& path, const Form& form) {
  LineJournal journal;
  journal.path_ = path;
  // A pipe is neither waited for nor followed; what it is, is looked at before anything is written.
  journal.file_ = Descriptor(::open(
      path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666));
  const int fd = journal.file_.get();
  if (fd < 0) {
    return journal.refuse(errno == ELOOP ? "a symbolic link, which is not written through"
                                         : fmt::format("cannot write: {}", std::strerror(errno)));
  }
  struct stat info = {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    return journal.refuse("exists and is not a regular file");
  }
  if (info.st_nlink > 1) {
    return journal.refuse("a file with another name too (a hard link), which is not written to");
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return journal.refuse("another call writes to it");
  }
  VP_RETURN_IF_ERROR(journal.read(form));
  return journal;
}

Result<void> LineJournal::read(const Form& form) {
  std::string text;
  if (!read_all(file_.get(), text)) {
    return refuse(fmt::format("cannot read: {}", std::strerror(errno)));
  }
  const std::string head = to_json_line(form.head) + "\n";
  if (text.size() < head.size() && head.starts_with(text)) {  // new, or killed while it was made
    VP_RETURN_IF_ERROR(write_line(head.substr(text.size())));
    sync_folder_of(path_);
    return {};
  }
  bool is_first = true;
  for (std::string_view left = text; !left.empty();) {
    const std::size_t end = left.find('\n');
    is_cut_off_ = end == std::string_view::npos;
    Json json = parse_json<Json>(left.substr(0, end));
    if (is_first && !(json.is_object() && form.is_own(json))) {
      return refuse(fmt::format("exists and does not hold {}; move it away, or name another output",
                                form.what));
    }
    if (json.is_object() && json != form.head) lines_.push_back(std::move(json));
    is_first = false;
    left.remove_prefix(is_cut_off_ ? left.size() : end + 1);
  }
  return {};
}

Result<void> LineJournal::write_line(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(file_.get(), text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return refuse(fmt::format("cannot write: {}", std::strerror(errno)));
    at += static_cast<std::size_t>(written);
    is_cut_off_ = at < text.size();
  }
  if (::fdatasync(file_.get()) != 0) {
    return refuse(fmt::format("cannot write: {}", std::strerror(errno)));
  }
  return {};
}

Result<void> LineJournal::add(const Json& line) {
  if (file_.get() < 0) return {};
  return write_line((is_cut_off_ ? "\n" : "") + to_json_line(line) + "\n");
}

void LineJournal::remove() {
  if (file_.get() < 0) return;
  // Whoever moved it away and put another file there keeps that.
  struct stat opened = {};
  struct stat named = {};
  const bool is_same = ::fstat(file_.get(), &opened) == 0 && ::lstat(path_.c_str(), &named) == 0 &&
                       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  if (is_same) ::unlink(path_.c_str());
  file_ = Descriptor();
}

}  // namespace visionpress
