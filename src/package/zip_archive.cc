#include "package/zip_archive.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include <sys/stat.h>
#include <zip.h>

#include "base/error.h"

namespace visionpress {
namespace {

/// Returns libzip's message and frees its error object.
std::string take_message(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

std::string take_message(zip_t* archive) { return zip_strerror(archive); }

constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kDirectoryBytes = 46;
constexpr std::size_t kLocalBytes = 30;

/// The bytes that an archive must have by the heads of its entries, if its end is missing: the
/// entries, a directory record for each, and the end record. source: PKWARE's APPNOTE.TXT, 4.3.
std::optional<std::uint64_t> find_cut_archive_bytes(Bytes bytes) {
  constexpr std::uint32_t kLocalSignature = 0x04034b50;
  constexpr std::uint32_t kIn64BitForm = 0xffffffff;
  constexpr unsigned kSizesFollow = 1U << 3U;  // this head does not have the sizes
  std::uint64_t at = 0;
  std::uint64_t directory = kEndBytes;
  while (at <= bytes.size() && bytes.size() - at >= kLocalBytes &&
         load_le<std::uint32_t>(bytes, at) == kLocalSignature) {
    const auto packed = load_le<std::uint32_t>(bytes, at + 18);
    const std::uint64_t name = load_le<std::uint16_t>(bytes, at + 26);
    const unsigned flags = load_le<std::uint16_t>(bytes, at + 6);
    directory += kDirectoryBytes + name;
    at += kLocalBytes + name + load_le<std::uint16_t>(bytes, at + 28);
    if ((flags & kSizesFollow) != 0 || packed == kIn64BitForm) break;
    at += packed;
  }
  if (at == 0) return std::nullopt;
  return std::max<std::uint64_t>(at + directory, bytes.size() + 1);
}

bool has_end_record(Bytes bytes) {
  constexpr std::size_t kMostComment = 65535;
  const std::string_view text = view_text(bytes);
  const std::size_t tail = std::min(text.size(), kEndBytes + kMostComment);
  const std::size_t at = text.substr(text.size() - tail).rfind("PK\x05\x06");
  return at != std::string_view::npos && tail - at >= kEndBytes;
}

Result<zip_t*> open_source(zip_source_t* source, int flags, zip_error_t& error) {
  zip_t* archive = source == nullptr ? nullptr : zip_open_from_source(source, flags, &error);
  if (archive != nullptr) return archive;
  zip_source_free(source);
  return fail(ErrorKind::Malformed, "the ZIP archive is damaged or cut short: {}",
              take_message(error));
}

Result<void> check_name(std::string_view name) {
  if (name.empty()) return fail(ErrorKind::Malformed, "an entry of the ZIP archive has no name");
  if (stays_inside(name)) return {};
  return fail(
      ErrorKind::Malformed,
      "entry \"{}\" of the ZIP archive would lie outside its folder; the archive is refused", name);
}

Result<void> check_entry(zip_t* archive, const zip_stat_t& entry, const ZipLimits& limits) {
  zip_uint8_t system = 0;
  zip_uint32_t attributes = 0;
  const bool known =
      zip_file_get_external_attributes(archive, entry.index, 0, &system, &attributes) == 0;
  // Unix file modes are the upper half of the attributes.
  if (known && system == ZIP_OPSYS_UNIX && S_ISLNK(attributes >> 16U)) {
    return fail(ErrorKind::Malformed,
                "entry \"{}\" of the ZIP archive is a symbolic link; the archive is refused",
                entry.name);
  }
  if (entry.encryption_method != ZIP_EM_NONE) {
    return fail(ErrorKind::Unsupported, "entry \"{}\" of the ZIP archive is encrypted", entry.name);
  }
  if (entry.size > limits.ratio_from && entry.size / limits.ratio > entry.comp_size) {
    return fail(ErrorKind::Unsupported,
                "entry \"{}\" of the ZIP archive unpacks {} bytes to {}, more than {} times; the "
                "archive is refused",
                entry.name, entry.comp_size, entry.size, limits.ratio);
  }
  return {};
}

}  // namespace

bool stays_inside(std::string_view name) {
  const bool has_drive = name.size() > 1 && name[1] == ':';
  if (name.empty() || name.front() == '/' || has_drive) return false;
  if (name.find('\\') != std::string_view::npos || name.find('\0') != std::string_view::npos) {
    return false;
  }
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    if (name.substr(at, end - at) == "..") return false;
    at = end + 1;
  }
  return true;
}

bool is_zip(Bytes bytes) {
  const std::string_view text = view_text(bytes.first(std::min<std::size_t>(bytes.size(), 4)));
  return text == "PK\x03\x04" || text == "PK\x05\x06";  // the second begins an empty archive
}

void ZipArchive::Closer::operator()(zip* archive) const { zip_discard(archive); }

Result<ZipArchive> ZipArchive::open(Bytes bytes, const ZipLimits& limits) {
  if (!is_zip(bytes)) {  // libzip accepts zero bytes as an empty archive
    return fail(ErrorKind::Malformed,
                "the ZIP archive is damaged or cut short: its first bytes are no archive's");
  }
  zip_error_t error;
  zip_error_init(&error);
  ZipArchive opened;
  opened.bytes_ = bytes;
  auto source = open_source(zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error),
                            ZIP_RDONLY, error);
  if (!source && !has_end_record(bytes)) {
    if (const auto needed = find_cut_archive_bytes(bytes)) {
      return fail(ErrorKind::Malformed,
                  "the ZIP archive is cut short: {} bytes, expected at least {}", bytes.size(),
                  *needed);
    }
  }
  VP_ASSIGN_OR_RETURN(zip_t* const archive, std::move(source));
  opened.archive_.reset(archive);
  const auto count = static_cast<std::uint64_t>(zip_get_num_entries(archive, 0));
  if (count > limits.entries) {
    return fail(ErrorKind::Unsupported, "the ZIP archive has {} entries, more than {}", count,
                limits.entries);
  }
  std::set<std::string, std::less<>> names;
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    zip_stat_t entry;
    constexpr zip_uint64_t kNeeded =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(archive, i, 0, &entry) != 0 || (entry.valid & kNeeded) != kNeeded) {
      return fail(ErrorKind::Malformed, "entry {} of the ZIP archive cannot be read: {}", i,
                  take_message(archive));
    }
    VP_RETURN_IF_ERROR(check_name(entry.name));
    VP_RETURN_IF_ERROR(check_entry(archive, entry, limits));
    if (entry.size > limits.total_bytes - total) {
      return fail(ErrorKind::Unsupported,
                  "the ZIP archive unpacks to more than {} bytes (at entry \"{}\")",
                  limits.total_bytes, entry.name);
    }
    total += entry.size;
    if (!names.insert(entry.name).second) {
      return fail(ErrorKind::Malformed, "the ZIP archive has two entries \"{}\"", entry.name);
    }
    if (!std::string_view(entry.name).ends_with('/')) {
      opened.entries_.push_back({entry.name, i, entry.size, entry.comp_size});
    }
  }
  return opened;
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = std::ranges::find(entries_, name, &ZipEntry::name);
  return found == entries_.end() ? nullptr : &*found;
}

Result<ByteBuffer> ZipArchive::read(const ZipEntry& entry) const {
  const auto damaged = [&entry](const std::string& why) {
    return fail(ErrorKind::Malformed, "entry \"{}\" of the ZIP archive is damaged: {}", entry.name,
                why);
  };
  // Deflate expands bytes at most 1032 times, so a larger size is false. Checked before the memory
  // for it is taken.
  constexpr std::uint64_t kMostOfDeflate = 1032;
  if (entry.packed_bytes > bytes_.size() || entry.bytes / kMostOfDeflate > entry.packed_bytes) {
    return damaged(fmt::format("{} bytes cannot unpack to {}", entry.packed_bytes, entry.bytes));
  }
  const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> file(
      zip_fopen_index(archive_.get(), entry.index, 0), &zip_fclose);
  if (!file) {
    if (zip_error_code_zip(zip_get_error(archive_.get())) == ZIP_ER_COMPNOTSUPP) {
      return fail(ErrorKind::Unsupported,
                  "entry \"{}\" of the ZIP archive is packed by a method that is not read here",
                  entry.name);
    }
    return damaged(take_message(archive_.get()));
  }
  ByteBuffer bytes(entry.bytes);
  std::uint64_t done = 0;
  while (done < bytes.size()) {
    const zip_int64_t got = zip_fread(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0) return damaged(zip_file_strerror(file.get()));
    if (got == 0) return damaged(fmt::format("it ends after {} of {} bytes", done, bytes.size()));
    done += static_cast<std::uint64_t>(got);
  }
  std::byte beyond = {};  // libzip compares the checksum when a read reaches the end
  const zip_int64_t more = zip_fread(file.get(), &beyond, 1);
  if (more < 0) return damaged(zip_file_strerror(file.get()));
  if (more > 0) return damaged(fmt::format("it has more than {} bytes", bytes.size()));
  return bytes;
}

namespace {

/// A source that libzip reads from borrowed bytes and writes to our own buffer. libzip's own buffer
/// source cannot be used: if the new archive begins like the old one, libzip 1.7 takes over the old
/// one's memory and frees it.
class RewriteSource {
 public:
  explicit RewriteSource(Bytes source) : source_(source) { zip_error_init(&error_); }
  RewriteSource(const RewriteSource&) = delete;
  RewriteSource& operator=(const RewriteSource&) = delete;
  ~RewriteSource() { zip_error_fini(&error_); }

  /// libzip's callback; `self` is a RewriteSource, which outlives the archive.
  static zip_int64_t call(void* self, void* data, zip_uint64_t length, zip_source_cmd_t command) {
    return static_cast<RewriteSource*>(self)->answer(data, length, command);
  }
  [[nodiscard]] ByteBuffer take_written() { return std::move(written_); }

 private:
  zip_int64_t answer(void* data, zip_uint64_t length, zip_source_cmd_t command) {
    switch (command) {
      case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(
            ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
            ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_BEGIN_WRITE,
            ZIP_SOURCE_WRITE, ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE,
            ZIP_SOURCE_SEEK_WRITE, ZIP_SOURCE_TELL_WRITE, ZIP_SOURCE_REMOVE, -1);
      case ZIP_SOURCE_OPEN:
        read_at_ = 0;
        return 0;
      case ZIP_SOURCE_READ:
        return read(data, length);
      case ZIP_SOURCE_STAT:
        return stat(data, length);
      case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&error_, data, length);
      case ZIP_SOURCE_SEEK:
        return seek(data, length, read_at_, source_.size());
      case ZIP_SOURCE_TELL:
        return static_cast<zip_int64_t>(read_at_);
      case ZIP_SOURCE_BEGIN_WRITE:
      case ZIP_SOURCE_ROLLBACK_WRITE:
        written_.clear();
        write_at_ = 0;
        return 0;
      case ZIP_SOURCE_WRITE:
        return write(data, length);
      case ZIP_SOURCE_SEEK_WRITE:
        return seek(data, length, write_at_, written_.size());
      case ZIP_SOURCE_TELL_WRITE:
        return static_cast<zip_int64_t>(write_at_);
      case ZIP_SOURCE_CLOSE:
      case ZIP_SOURCE_COMMIT_WRITE:
      case ZIP_SOURCE_FREE:    // the owner of this object frees it
      case ZIP_SOURCE_REMOVE:  // an archive without entries, which the caller never writes
        return 0;
      default:
        zip_error_set(&error_, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
  }

  zip_int64_t read(void* data, zip_uint64_t length) {
    const std::size_t count = std::min<std::uint64_t>(length, source_.size() - read_at_);
    if (count > 0) std::memcpy(data, source_.data() + read_at_, count);
    read_at_ += count;
    return static_cast<zip_int64_t>(count);
  }

  zip_int64_t write(const void* data, zip_uint64_t length) {
    if (length == 0) return 0;
    if (length > written_.max_size() - write_at_) {
      zip_error_set(&error_, ZIP_ER_MEMORY, 0);
      return -1;
    }
    if (written_.size() < write_at_ + length) written_.resize(write_at_ + length);
    std::memcpy(written_.data() + write_at_, data, length);
    write_at_ += length;
    return static_cast<zip_int64_t>(length);
  }

  zip_int64_t stat(void* data, zip_uint64_t length) {
    if (length < sizeof(zip_stat_t)) {
      zip_error_set(&error_, ZIP_ER_INVAL, 0);
      return -1;
    }
    auto* status = static_cast<zip_stat_t*>(data);
    zip_stat_init(status);
    status->size = source_.size();
    status->valid |= ZIP_STAT_SIZE;
    return 0;
  }

  zip_int64_t seek(void* data, zip_uint64_t length, std::size_t& at, std::size_t end) {
    const zip_int64_t offset = zip_source_seek_compute_offset(at, end, data, length, &error_);
    if (offset < 0) return -1;
    at = static_cast<std::size_t>(offset);
    return 0;
  }

  Bytes source_;
  std::size_t read_at_ = 0;  ///< at most the source's size
  ByteBuffer written_ = {};
  std::size_t write_at_ = 0;  ///< at most the size of `written_`
  zip_error_t error_ = {};
};

/// Replaces the entry's content; its `bytes` are borrowed until the archive is closed.
bool replace_entry(zip_t* zip, const ZipReplacement& replacement) {
  zip_stat_t entry;
  if (zip_stat_index(zip, replacement.index, 0, &entry) != 0) return false;
  zip_source_t* source =
      zip_source_buffer(zip, replacement.bytes.data(), replacement.bytes.size(), 0);
  if (source == nullptr) return false;
  if (zip_file_replace(zip, replacement.index, source, 0) != 0) {
    zip_source_free(source);  // the archive owns it only after success
    return false;
  }
  return zip_set_file_compression(zip, replacement.index, entry.comp_method, 0) == 0 &&
         zip_file_set_mtime(zip, replacement.index, entry.mtime, 0) == 0;
}

}  // namespace

Result<ByteBuffer> replace_entries(Bytes archive, std::span<const ZipReplacement> replacements) {
  VP_RETURN_IF_ERROR(ZipArchive::open(archive));
  zip_error_t error;
  zip_error_init(&error);
  RewriteSource rewrite(archive);  // outlives the archive, which is closed or discarded below
  VP_ASSIGN_OR_RETURN(
      zip_t* const zip,
      open_source(zip_source_function_create(&RewriteSource::call, &rewrite, &error), 0, error));
  const bool good = std::ranges::all_of(replacements, [zip](const ZipReplacement& replacement) {
    return replace_entry(zip, replacement);
  });
  if (!good || zip_close(zip) != 0) {
    // Closing reads the entries that are kept and writes to memory, so an error is a damaged entry
    // unless memory ran out.
    const bool is_ours = zip_error_code_zip(zip_get_error(zip)) == ZIP_ER_MEMORY;
    const std::string why = take_message(zip);
    zip_discard(zip);
    return is_ours ? fail(ErrorKind::Internal, "the ZIP archive cannot be written: {}", why)
                   : fail(ErrorKind::Malformed,
                          "the ZIP archive is damaged, so it cannot be rewritten: {}", why);
  }
  return rewrite.take_written();
}

}  // namespace visionpress
