#pragma once

// The ZIP archive of label files that may follow a TFLite flatbuffer.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

/// The largest label file that is unpacked.
inline constexpr std::uint64_t kMaxArchiveEntryBytes = 16U << 20U;

struct ArchiveEntry {
  std::string name = {};
  std::uint16_t method = 0;  ///< 0 stored, 8 deflated
  std::uint32_t crc = 0;
  std::uint64_t packed_bytes = 0;
  std::uint64_t bytes = 0;
  std::size_t header_offset = 0;     ///< of the local header, in the file
  std::size_t directory_offset = 0;  ///< of the central directory record, in the file
};

struct AppendedArchive {
  std::size_t begin = 0;            ///< first byte of the first local header, in the file
  std::size_t directory_begin = 0;  ///< central directory, in the file
  std::size_t end_record = 0;       ///< end-of-central-directory record, in the file
  /// Offsets count from the start of the file, not from the start of the archive.
  bool absolute = false;
  std::vector<ArchiveEntry> entries = {};
};

/// Whether an entry of an archive begins in the last MiB, as at the end of a file whose archive
/// lost its own end. Only for files in which find_archive finds nothing.
[[nodiscard]] bool has_archive_start(Bytes file);

/// Finds the archive at the end of `file`; nothing when there is none.
/// errors: Malformed if there is an end record but it does not point at a directory inside the
/// file; Unsupported for the 64-bit form. source: PKWARE APPNOTE 6.3.9, 4.3.7 (local header),
/// 4.3.12 (directory), 4.3.16 (end record).
[[nodiscard]] Result<std::optional<AppendedArchive>> find_archive(Bytes file);

/// Unpacks one entry. errors: Malformed for wrong sizes, data or checksum; Unsupported for another
/// method or for more than kMaxArchiveEntryBytes.
[[nodiscard]] Result<std::string> load_entry(Bytes file, const ArchiveEntry& entry);

/// Copies the archive for a new file in which it begins at byte `begin`, with its offsets adjusted.
[[nodiscard]] ByteBuffer moved_archive(Bytes file, const AppendedArchive& archive,
                                       std::size_t begin);

}  // namespace visionpress
