#pragma once

// What a model comes in: one file, a folder or a ZIP archive, each a set of named bytes.
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

/// The bytes of one file and their owner: a mapping, or what an archive's entry unpacked to.
/// Copies share the bytes.
class FileContent {
 public:
  FileContent() = default;
  explicit FileContent(MappedFile file);
  explicit FileContent(ByteBuffer unpacked);

  [[nodiscard]] Bytes bytes() const { return bytes_; }

 private:
  std::shared_ptr<const void> owner_ = {};
  Bytes bytes_ = {};  ///< borrowed from `owner_`
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
  /// As it was given to `open`.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Of a folder, sorted; of an archive, in its order; of a file, its own name alone. Folders are
  /// left out. At most kMostNames of a folder, those of its upper levels first; links to folders
  /// are followed at the top alone, so that a circle of links ends.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] bool has(std::string_view name) const;

  /// The bytes of one file, read now and owned by the caller. The one file of a set is mapped once,
  /// however often it is read. A single file's set reads the files beside it too, by their names.
  /// errors: Io where a folder has no such file; Malformed where an archive has none, for an entry
  /// that is damaged, and for a name that would leave the folder. All name the file.
  [[nodiscard]] Result<FileContent> read(std::string_view name) const;
  /// Its size; of an archive's entry, unpacked. 0 where there is none that can be looked at.
  [[nodiscard]] std::uint64_t size_of(std::string_view name) const;

  /// Where the file lies, for messages and for comparing paths; of an archive's entry, the archive.
  [[nodiscard]] std::string path_of(std::string_view name) const;
  /// The packed bytes of an archive, the bytes of a file; empty for a folder. Borrowed.
  [[nodiscard]] Bytes whole_bytes() const { return whole_.bytes(); }
  /// Null for a file or a folder.
  [[nodiscard]] const ZipArchive* archive() const { return archive_.get(); }

  /// Somebody's photographs are not a model.
  static constexpr std::size_t kMostNames = 20'000;

 private:
  Kind kind_ = Kind::File;
  std::string path_ = {};
  std::vector<std::string> names_ = {};
  FileContent whole_ = {};                               ///< of a file or an archive
  std::shared_ptr<const ZipArchive> archive_ = nullptr;  ///< borrows from `whole_`
};

/// The part of a name up to its last "/", that included: "app/" of "app/model.pb".
[[nodiscard]] std::string_view folder_of(std::string_view name);
/// The part behind it: "model.pb".
[[nodiscard]] std::string_view base_name_of(std::string_view name);

}  // namespace visionpress
