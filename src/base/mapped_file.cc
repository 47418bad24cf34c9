#include "base/mapped_file.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <mutex>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "visionpress/process.h"

namespace visionpress {
namespace {

/// A mapping that the handler of SIGBUS must know. Written under the mutex, read by the handler.
struct Mapping {
  std::atomic<const std::byte*> begin = nullptr;
  std::atomic<std::size_t> bytes = 0;
  std::array<char, 256> path = {};  ///< the last characters of a longer path
};

// More files than are ever open at once (a set of images is opened one by one); a mapping that
// finds no free entry is not guarded.
constexpr std::size_t kMostMappings = 256;
std::array<Mapping, kMostMappings> mappings;
std::mutex mappings_mutex;

void note_mapping(const std::byte* begin, std::size_t bytes, const std::string& path) {
  const std::lock_guard<std::mutex> lock(mappings_mutex);
  for (Mapping& mapping : mappings) {
    if (mapping.begin != nullptr) continue;
    const std::size_t most = mapping.path.size() - 1;
    const std::string_view end =
        std::string_view(path).substr(path.size() > most ? path.size() - most : 0);
    mapping.path.fill('\0');
    std::copy(end.begin(), end.end(), mapping.path.begin());
    mapping.bytes = bytes;
    mapping.begin = begin;
    return;
  }
}

void forget_mapping(const std::byte* begin) {
  const std::lock_guard<std::mutex> lock(mappings_mutex);
  for (Mapping& mapping : mappings) {
    if (mapping.begin == begin) mapping.begin = nullptr;
  }
}

void write_text(const char* text) {
  // Nothing can be done about a message that cannot be written.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, std::strlen(text));
}

/// Calls only functions that a signal handler may call.
void end_for_lost_input(int signal, siginfo_t* info, void* /*context*/) {
  const auto* at = static_cast<const std::byte*>(info->si_addr);
  for (const Mapping& mapping : mappings) {
    const std::byte* begin = mapping.begin;
    if (begin == nullptr || std::less<>()(at, begin)) continue;
    if (!std::less<>()(at, begin + mapping.bytes)) continue;
    write_text("visionpress: ");
    write_text(mapping.path.data());
    write_text(": the file became shorter, or could not be read, while it was in use\n");
    constexpr int kInput = 3;
    ::_exit(kInput);
  }
  // The address is in none of our mappings: do what would have happened without a handler.
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

void end_on_lost_input() {
  struct sigaction action = {};
  action.sa_sigaction = end_for_lost_input;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer; regular files ignore the flag.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const int reason = errno;
    return fail_in(path, ErrorKind::Io, "cannot open: {}", std::strerror(reason));
  }
  struct stat info = {};
  const bool known = ::fstat(fd, &info) == 0;
  if (!known || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return fail_in(path, ErrorKind::Io, "not a regular file");
  }
  MappedFile file;
  file.path_ = path;
  file.size_ = static_cast<std::size_t>(info.st_size);
  if (file.size_ > 0) {  // mmap refuses a length of 0
    // MAP_POPULATE: every byte of a model is read, and one call is cheaper than one fault per page.
    void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) {
      const int reason = errno;
      ::close(fd);
      file.size_ = 0;
      // Too little memory is not the file's fault.
      const ErrorKind kind = reason == ENOMEM ? ErrorKind::Internal : ErrorKind::Io;
      return fail_in(path, kind, "cannot map: {}", std::strerror(reason));
    }
    file.data_ = static_cast<const std::byte*>(data);
    note_mapping(file.data_, file.size_, path);
  }
  ::close(fd);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

void MappedFile::drop_pages() const {
  // The mapping is of a file and never written, so nothing is lost. A failure changes nothing.
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  // munmap takes a non-const pointer for historical reasons; the mapping is read-only.
  if (data_ == nullptr) return;
  forget_mapping(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace visionpress
