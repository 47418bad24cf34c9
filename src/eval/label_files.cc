#include "eval/label_files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <system_error>

#include "base/ascii.h"
#include "base/error.h"
#include "eval/image.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

enum class EntryKind : bool { Files, Folders };

std::vector<std::string> list_entries(const std::string& folder, EntryKind kind) {
  std::vector<std::string> found;
  std::error_code code;
  for (fs::directory_iterator at(folder, code); !code && at != fs::directory_iterator();
       at.increment(code)) {
    std::error_code ignored;
    if (at->is_directory(ignored) != (kind == EntryKind::Folders)) continue;
    if (!is_hidden_name(at->path().filename().native())) found.push_back(at->path().string());
  }
  std::ranges::sort(found);  // the order of a folder is the file system's whim
  return found;
}

}  // namespace

std::optional<double> find_number(std::string_view text) {
  text = trim_blanks(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    return std::nullopt;
  }
  return number;
}

std::string_view cut_line(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
  const std::string_view line = text.substr(0, end);
  const bool is_pair = text.substr(end).starts_with("\r\n");
  text.remove_prefix(std::min(end + (is_pair ? 2 : 1), text.size()));
  return line;
}

std::string_view cut_word(std::string_view& line) {
  constexpr std::string_view kBlanks = " \t\v\f\r\n";
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && is_ascii_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_ascii_space(text.back())) text.remove_suffix(1);
  return text;
}

Result<MappedText> MappedText::open(const std::string& path, std::size_t most) {
  VP_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > most) {
    return fail_in(path, ErrorKind::Malformed, "{} bytes, expected {} at most", file.bytes().size(),
                   most);
  }
  return MappedText(std::move(file));
}

std::string_view MappedText::text() const {
  std::string_view text = view_text(file_.bytes());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

Result<std::string> load_text(const std::string& path, std::size_t most) {
  VP_ASSIGN_OR_RETURN(const MappedText file, MappedText::open(path, most));
  return std::string(file.text());
}

bool is_hidden_name(std::string_view name) { return name.starts_with('.') || name == "__MACOSX"; }

std::string extension_of(const std::string& path) {
  return ascii_lower(fs::path(path).extension().native());
}

std::vector<std::string> list_files(const std::string& folder, std::string_view extension) {
  std::vector<std::string> files = list_entries(folder, EntryKind::Files);
  std::erase_if(files, [&](const std::string& path) { return extension_of(path) != extension; });
  return files;
}

std::vector<std::string> list_folders(const std::string& folder) {
  return list_entries(folder, EntryKind::Folders);
}

void PictureIndex::add(const std::string& folder) {
  for (std::string& path : list_entries(folder, EntryKind::Files)) {
    if (!has_image_name(path)) continue;
    names_.emplace(fs::path(path).filename().native(), paths_.size());
    stems_.emplace(fs::path(path).stem().native(), paths_.size());
    paths_.push_back(std::move(path));
  }
}

std::string PictureIndex::find(const std::string& name) const {
  const auto found = names_.find(base_name(name));
  return found == names_.end() ? std::string() : paths_[found->second];
}

std::string PictureIndex::find_stem(const std::string& stem) const {
  const auto found = stems_.find(stem);
  return found == stems_.end() ? std::string() : paths_[found->second];
}

std::string base_name(std::string_view path) {
  const std::size_t last = path.find_last_of("/\\");
  return std::string(last == std::string_view::npos ? path : path.substr(last + 1));
}

std::string relative_to(const std::string& path, const std::string& folder) {
  const fs::path relative = fs::path(path).lexically_relative(folder);
  if (relative.empty() || *relative.begin() == "..") return path;
  return relative.string();
}

}  // namespace visionpress
