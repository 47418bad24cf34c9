#include "formats/tflite/tflite_archive.h"

#include <algorithm>

#include <zlib.h>

#include "base/bytes.h"
#include "base/error.h"

namespace visionpress {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kDirectorySignature = 0x02014b50;
constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kDirectoryBytes = 46;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kMaxCommentBytes = 65535;
constexpr std::uint32_t kIn64BitForm = 0xffffffff;

std::optional<std::size_t> find_end_record(Bytes file) {
  if (file.size() < kEndBytes) return std::nullopt;
  const std::size_t last = file.size() - kEndBytes;
  const std::size_t first = last - std::min(last, kMaxCommentBytes);
  for (std::size_t at = last + 1; at-- > first;) {
    if (load_le<std::uint32_t>(file, at) == kEndSignature &&
        load_le<std::uint16_t>(file, at + 20) == last - at) {
      return at;
    }
  }
  return std::nullopt;
}

/// Reads one directory record and moves `at` past it. Does not adjust the record's offset.
Result<ArchiveEntry> read_record(Bytes file, std::size_t& at, std::size_t end) {
  if (end - at < kDirectoryBytes || load_le<std::uint32_t>(file, at) != kDirectorySignature) {
    return fail_at(ErrorKind::Malformed, at, "appended archive: no directory record here");
  }
  const std::size_t name = load_le<std::uint16_t>(file, at + 28);
  const std::size_t rest =
      std::size_t{load_le<std::uint16_t>(file, at + 30)} + load_le<std::uint16_t>(file, at + 32);
  if (end - at - kDirectoryBytes < name + rest) {
    return fail_at(ErrorKind::Malformed, at, "appended archive: a directory record is cut short");
  }
  ArchiveEntry entry;
  entry.directory_offset = at;
  entry.name = view_text(file.subspan(at + kDirectoryBytes, name));
  entry.method = load_le<std::uint16_t>(file, at + 10);
  entry.crc = load_le<std::uint32_t>(file, at + 16);
  entry.packed_bytes = load_le<std::uint32_t>(file, at + 20);
  entry.bytes = load_le<std::uint32_t>(file, at + 24);
  entry.header_offset = load_le<std::uint32_t>(file, at + 42);
  if (entry.header_offset == kIn64BitForm || entry.packed_bytes == kIn64BitForm) {
    return fail_at(ErrorKind::Unsupported, at, "appended archive: \"{}\" is in the 64-bit form",
                   entry.name);
  }
  at += kDirectoryBytes + name + rest;
  return entry;
}

}  // namespace

bool has_archive_start(Bytes file) {
  // Associated files are label lists and small tables; an archive of them begins this near the end.
  constexpr std::size_t kMost = std::size_t{1} << 20;
  constexpr std::size_t kMostName = 255;
  constexpr unsigned kMostVersion = 63;  // of the features that an entry needs, times ten
  const std::string_view text = view_text(file);
  for (std::size_t at = text.find("PK\x03\x04", text.size() - std::min(text.size(), kMost));
       at != std::string_view::npos; at = text.find("PK\x03\x04", at + 1)) {
    if (file.size() - at < kLocalBytes) return true;
    const unsigned version = load_le<std::uint16_t>(file, at + 4);
    const unsigned method = load_le<std::uint16_t>(file, at + 8);
    const std::size_t name = load_le<std::uint16_t>(file, at + 26);
    const bool is_method = method == 0 || method == Z_DEFLATED;
    if (version <= kMostVersion && is_method && name > 0 && name <= kMostName) return true;
  }
  return false;
}

Result<std::optional<AppendedArchive>> find_archive(Bytes file) {
  const auto end = find_end_record(file);
  if (!end) return std::optional<AppendedArchive>();
  AppendedArchive archive;
  archive.end_record = *end;
  const std::size_t count = load_le<std::uint16_t>(file, *end + 10);
  const std::size_t size = load_le<std::uint32_t>(file, *end + 12);
  const std::size_t offset = load_le<std::uint32_t>(file, *end + 16);
  if (offset == kIn64BitForm) {
    return fail_at(ErrorKind::Unsupported, *end, "appended archive: it is in the 64-bit form");
  }
  if (size > *end || offset > *end - size) {
    return fail_at(ErrorKind::Malformed, *end,
                   "appended archive: a directory of {} bytes at {} does not fit before {}", size,
                   offset, *end);
  }
  archive.directory_begin = *end - size;
  const std::size_t shift =
      archive.directory_begin - offset;  // 0: offsets count from the start of the file
  archive.absolute = shift == 0;
  archive.begin = archive.directory_begin;
  std::size_t at = archive.directory_begin;
  for (std::size_t i = 0; i < count; ++i) {
    VP_ASSIGN_OR_RETURN(ArchiveEntry entry, read_record(file, at, *end));
    if (entry.header_offset > offset || offset - entry.header_offset < kLocalBytes) {
      return fail_at(ErrorKind::Malformed, entry.directory_offset,
                     "appended archive: \"{}\" begins at {}, behind the directory at {}",
                     entry.name, entry.header_offset, offset);
    }
    entry.header_offset += shift;
    archive.begin = std::min(archive.begin, entry.header_offset);
    archive.entries.push_back(std::move(entry));
  }
  return archive;
}

Result<std::string> load_entry(Bytes file, const ArchiveEntry& entry) {
  const std::size_t header = entry.header_offset;
  if (header > file.size() || file.size() - header < kLocalBytes ||
      load_le<std::uint32_t>(file, header) != kLocalSignature) {
    return fail_at(ErrorKind::Malformed, header,
                   "appended archive: \"{}\" has no local header here", entry.name);
  }
  const std::size_t skip = kLocalBytes + load_le<std::uint16_t>(file, header + 26) +
                           load_le<std::uint16_t>(file, header + 28);
  const std::size_t left = file.size() - header;
  if (skip > left || entry.packed_bytes > left - skip) {
    return fail_at(ErrorKind::Malformed, header,
                   "appended archive: \"{}\" of {} bytes is cut short", entry.name,
                   entry.packed_bytes);
  }
  if (entry.bytes > kMaxArchiveEntryBytes) {
    return fail_at(ErrorKind::Unsupported, header,
                   "appended archive: \"{}\" has {} bytes, at most {} are read", entry.name,
                   entry.bytes, kMaxArchiveEntryBytes);
  }
  const Bytes packed = file.subspan(header + skip, entry.packed_bytes);
  std::string text(entry.bytes, '\0');
  if (entry.method == 0) {
    if (packed.size() != text.size()) {
      return fail_at(ErrorKind::Malformed, header, "appended archive: \"{}\" stores {} bytes as {}",
                     entry.name, text.size(), packed.size());
    }
    text = view_text(packed);
  } else if (entry.method == Z_DEFLATED) {
    z_stream stream = {};
    // A negative window size selects raw deflate data, without zlib's header.
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
      return fail(ErrorKind::Internal, "zlib cannot be started");
    }
    auto* source = const_cast<std::byte*>(packed.data());  // zlib 1.2 takes a non-const pointer
    stream.next_in = view_as<Bytef>(source);
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = view_as<Bytef>(text.data());
    stream.avail_out = static_cast<uInt>(text.size());
    const int status = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    if (status != Z_STREAM_END || stream.total_out != text.size()) {
      return fail_at(ErrorKind::Malformed, header,
                     "appended archive: \"{}\" does not unpack to {} bytes", entry.name,
                     entry.bytes);
    }
  } else {
    return fail_at(ErrorKind::Unsupported, header,
                   "appended archive: \"{}\" is packed by method {}", entry.name, entry.method);
  }
  const auto* bytes = view_as<const Bytef>(text.data());
  if (crc32(0, bytes, static_cast<uInt>(text.size())) != entry.crc) {
    return fail_at(ErrorKind::Malformed, header, "appended archive: \"{}\" has a wrong checksum",
                   entry.name);
  }
  return text;
}

ByteBuffer moved_archive(Bytes file, const AppendedArchive& archive, std::size_t begin) {
  const Bytes source = file.subspan(archive.begin);
  ByteBuffer moved(source.begin(), source.end());
  if (!archive.absolute) return moved;
  // Unsigned arithmetic wraps if the archive moves towards the start, and the sums are still right.
  const auto distance = static_cast<std::uint32_t>(begin - archive.begin);
  const auto shift = [&moved, distance](std::size_t at) {
    store_le(MutableBytes(moved), at, load_le<std::uint32_t>(moved, at) + distance);
  };
  for (const ArchiveEntry& entry : archive.entries)
    shift(entry.directory_offset - archive.begin + 42);
  shift(archive.end_record - archive.begin + 16);
  return moved;
}

}  // namespace visionpress
