#pragma once

// The ZIP archive that carries label files behind a TFLite flatbuffer.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

/// Largest label file that is unpacked.
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
  bool absolute = false;  ///< its offsets count from the start of the file, not of the archive
  std::vector<ArchiveEntry> entries = {};
};

/// Finds the archive at the end of `file`; nothing when there is none.
/// errors: Malformed when an end record is there and what it points at is not a directory inside
/// the file; Unsupported for the 64-bit form. source: PKWARE APPNOTE 6.3.9, 4.3.7 (local
/// header), 4.3.12 (directory), 4.3.16 (end record).
[[nodiscard]] Result<std::optional<AppendedArchive>> find_archive(Bytes file);

/// Unpacks one entry. errors: Malformed for bad sizes, data or checksum; Unsupported for another
/// method or more than kMaxArchiveEntryBytes.
[[nodiscard]] Result<std::string> load_entry(Bytes file, const ArchiveEntry& entry);

/// The archive's bytes for a place at which it begins `begin` bytes into the new file.
[[nodiscard]] ByteBuffer moved_archive(Bytes file, const AppendedArchive& archive,
                                       std::size_t begin);

}  // namespace visionpress
