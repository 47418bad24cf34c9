#pragma once

// The container of a model: one file, a folder or a ZIP archive, each seen as a set of named files.
//
//   VP_ASSIGN_OR_RETURN(const FileSet files, FileSet::open("export.zip"));
//   VP_ASSIGN_OR_RETURN(const FileContent labels, files.read("labels.txt"));
//   show(view_text(labels.bytes()));

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/mapped_file.h"
#include "package/zip_archive.h"
#include "visionpress/result.h"

namespace visionpress {

/// The bytes of one file and their owner: a mapping, or the unpacked bytes of an archive's entry.
/// Copies share the bytes.
class FileContent {
 public:
  FileContent() = default;
  explicit FileContent(MappedFile file);
  explicit FileContent(ByteBuffer unpacked);

  [[nodiscard]] Bytes bytes() const { return bytes_; }
  /// MappedFile::drop_pages; unpacked bytes stay.
  void drop_pages() const;

 private:
  std::shared_ptr<const void> owner_ = {};
  const MappedFile* mapping_ = nullptr;  ///< `owner_`, where it is one
  Bytes bytes_ = {};                     ///< borrowed from `owner_`
};

/// Names are paths inside the set with "/" between folders: "variables/variables.index".
/// Not for several threads at once.
class FileSet {
 public:
  enum class Kind { File, Folder, Archive };

  /// Opens what `path` names: maps a file, checks the entries of an archive (ZipArchive::open),
  /// lists a folder. A folder's files and an archive's contents are not read yet.
  /// errors: Io; Malformed and Unsupported as ZipArchive::open. All name `path`.
  [[nodiscard]] static Result<FileSet> open(const std::string& path);

  [[nodiscard]] Kind kind() const { return kind_; }
  /// The path that was given to `open`.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The names of a folder are sorted; those of an archive are in its order; a single file has its
  /// own name only. Folders are left out. A folder gives at most kMostNames names, those of its
  /// upper levels first. Links to folders are followed at the top only, so that a circle of links
  /// ends.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] bool has(std::string_view name) const;

  /// The bytes of one file, read now and owned by the caller. A set of one file maps it once,
  /// however often it is read. It also reads the files next to that file, by their names. errors:
  /// Io where a folder has no such file; Malformed where an archive has none, for an entry that is
  /// damaged, and for a name that would leave the folder. All name the file.
  [[nodiscard]] Result<FileContent> read(std::string_view name) const;
  /// Size of a file in bytes; of an archive's entry, unpacked. 0 where the file does not exist or
  /// cannot be accessed.
  [[nodiscard]] std::uint64_t size_of(std::string_view name) const;

  /// Path of a file, for messages and for comparing paths; for an archive's entry, the archive's
  /// path.
  [[nodiscard]] std::string path_of(std::string_view name) const;
  /// The packed bytes of an archive, the bytes of a file; empty for a folder. Borrowed.
  [[nodiscard]] Bytes whole_bytes() const { return whole_.bytes(); }
  /// Takes these bytes out of the program's memory until they are read again.
  void drop_pages() const { whole_.drop_pages(); }
  /// Null for a file or a folder.
  [[nodiscard]] const ZipArchive* archive() const { return archive_.get(); }

  /// Limit for a folder's names. A folder with more files, such as a photo collection, is not a
  /// model.
  static constexpr std::size_t kMostNames = 20'000;

 private:
  Kind kind_ = Kind::File;
  std::string path_ = {};
  std::vector<std::string> names_ = {};
  FileContent whole_ = {};                               ///< of a file or an archive
  std::shared_ptr<const ZipArchive> archive_ = nullptr;  ///< borrows from `whole_`
};

/// The part of a name up to and including its last "/": "app/" of "app/model.pb".
[[nodiscard]] std::string_view folder_of(std::string_view name);
/// The part after it: "model.pb".
[[nodiscard]] std::string_view base_name_of(std::string_view name);

}  // namespace visionpress
