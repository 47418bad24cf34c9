#pragma once

// Label files that are plain text, and the folders they lie in; for the readers of data sets.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "visionpress/result.h"

namespace visionpress {

/// Bytes of a file that holds the labels of one image. A choice: 200,000 boxes of YOLO.
constexpr std::size_t kMaxLabelFile = std::size_t{16} << 20;

/// The finite number that a text is, all of it but blanks around it.
[[nodiscard]] std::optional<double> find_number(std::string_view text);

/// Takes the first line off a text. returns: the line without its line break.
[[nodiscard]] std::string_view cut_line(std::string_view& text);

/// Takes the first word off a line. returns: empty at its end.
[[nodiscard]] std::string_view cut_word(std::string_view& line);

[[nodiscard]] std::string_view trim_blanks(std::string_view text);

/// A file's text as it lies in the file, without the mark that Windows tools begin UTF-8 with.
class MappedText {
 public:
  /// errors: Io; Malformed for a file of more bytes than `most`. Both name it.
  [[nodiscard]] static Result<MappedText> open(const std::string& path, std::size_t most);

  /// Lives as long as this.
  [[nodiscard]] std::string_view text() const;

 private:
  explicit MappedText(MappedFile file) : file_(std::move(file)) {}

  MappedFile file_;
};

/// A copy of it, for small files. errors: MappedText::open.
[[nodiscard]] Result<std::string> load_text(const std::string& path, std::size_t most);

/// Files of the system and of tools: .ipynb_checkpoints, ._x.jpg of macOS, __MACOSX of its
/// archives.
[[nodiscard]] bool is_hidden_name(std::string_view name);

/// The extension in lower case: ".xml".
[[nodiscard]] std::string extension_of(const std::string& path);

/// The files of a folder with this extension, by name, without hidden ones. returns: nothing for a
/// folder that is not there or cannot be read.
[[nodiscard]] std::vector<std::string> list_files(const std::string& folder,
                                                  std::string_view extension);

/// The folders in a folder, as list_files.
[[nodiscard]] std::vector<std::string> list_folders(const std::string& folder);

/// The pictures of some folders, found by name and by name without the extension.
class PictureIndex {
 public:
  /// A picture of an earlier folder hides one of the same name in a later one.
  void add(const std::string& folder);

  /// name: may have folders and another system's separators before it, which do not count.
  /// returns: the path; empty where there is none.
  [[nodiscard]] std::string find(const std::string& name) const;
  [[nodiscard]] std::string find_stem(const std::string& stem) const;
  [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }

 private:
  std::vector<std::string> paths_ = {};
  std::unordered_map<std::string, std::size_t> names_ = {};
  std::unordered_map<std::string, std::size_t> stems_ = {};
};

/// The name behind the last separator of this system or of Windows.
[[nodiscard]] std::string base_name(std::string_view path);

/// A path as seen from a folder, if it lies in it; otherwise the path.
[[nodiscard]] std::string relative_to(const std::string& path, const std::string& folder);

}  // namespace visionpress
