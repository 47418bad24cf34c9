#pragma once

// ZIP archives from untrusted sources: every entry is checked before it is read or named.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "visionpress/result.h"

struct zip;

namespace visionpress {

struct ZipEntry {
  std::string name = {};
  std::uint64_t index = 0;         ///< libzip's
  std::uint64_t bytes = 0;         ///< unpacked
  std::uint64_t packed_bytes = 0;  ///< in the archive
};

/// Limits of an accepted archive. An export package has some ten entries; its model, of float
/// weights, hardly shrinks when packed. The largest known package has 100 MB.
struct ZipLimits {
  std::uint64_t entries = 4096;
  std::uint64_t total_bytes = std::uint64_t{2} << 30U;  ///< of all entries, unpacked
  std::uint64_t ratio = 250;             ///< unpacked to packed, of entries above `ratio_from`
  std::uint64_t ratio_from = 1U << 20U;  ///< bytes
};

/// Whether a path inside a folder or an archive stays there: it has no "..", no drive and no
/// backslash, and is not absolute.
[[nodiscard]] bool stays_inside(std::string_view name);

/// True for the beginning of any ZIP archive.
[[nodiscard]] bool is_zip(Bytes bytes);

/// One archive, read in place. Not for several threads at once.
class ZipArchive {
 public:
  /// Opens and checks every entry. bytes: borrowed for the archive's life.
  /// errors: Malformed for a damaged archive, a name that would leave its folder (.., absolute, a
  /// drive, a backslash), two entries of the same name, a symbolic link; Unsupported for encryption
  /// and for entries that exceed the limits. Each names the entry.
  [[nodiscard]] static Result<ZipArchive> open(Bytes bytes, const ZipLimits& limits = {});

  /// Files in the archive's order; folders are left out.
  [[nodiscard]] const std::vector<ZipEntry>& entries() const { return entries_; }
  /// Null where no entry has this name.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const;
  /// The entry's bytes, unpacked; its checksum has been compared. errors: Malformed; Unsupported
  /// for an unknown compression method.
  [[nodiscard]] Result<ByteBuffer> read(const ZipEntry& entry) const;

 private:
  struct Closer {
    void operator()(zip* archive) const;
  };
  Bytes bytes_ = {};
  std::unique_ptr<zip, Closer> archive_ = {};
  std::vector<ZipEntry> entries_ = {};
};

struct ZipReplacement {
  std::uint64_t index = 0;  ///< of the entry
  Bytes bytes = {};
};

/// The archive with the bytes of some entries replaced. Their names, times and compression methods
/// are kept; every other entry keeps its packed bytes. errors: Malformed as `open`, and where an
/// entry that is carried over is damaged; Internal when memory runs out.
[[nodiscard]] Result<ByteBuffer> replace_entries(Bytes archive,
                                                 std::span<const ZipReplacement> replacements);

}  // namespace visionpress
