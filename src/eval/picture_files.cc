#include "eval/picture_files.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "eval/image.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// macOS leaves "._x.jpg" next to x.jpg.
bool is_hidden(const fs::path& path) { return path.filename().native().starts_with("."); }

bool is_picture(const fs::directory_entry& entry) {
  std::error_code ignored;
  return !entry.is_directory(ignored) && has_image_name(entry.path().string()) &&
         !is_hidden(entry.path());
}

/// The pictures that an iteration over a folder comes by, sorted by path.
template <typename Iterator>
Result<std::vector<std::string>> list_pictures(const std::string& folder) {
  std::error_code code;
  std::vector<std::string> pictures;
  Iterator at(folder, code);
  for (; !code && at != Iterator(); at.increment(code)) {
    if (is_picture(*at)) pictures.push_back(at->path().string());
  }
  if (code) return fail_in(folder, ErrorKind::Io, "{}", code.message());
  if (pictures.empty()) {
    return fail_in(folder, ErrorKind::Io, "no JPEG, PNG, BMP or WebP file in this folder");
  }
  std::ranges::sort(pictures);
  return pictures;
}

}  // namespace

Result<std::vector<std::string>> expand_folders(const std::vector<std::string>& given) {
  std::vector<std::string> images;
  for (const std::string& path : given) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      images.push_back(path);
      continue;
    }
    VP_ASSIGN_OR_RETURN(const std::vector<std::string> pictures,
                        list_pictures<fs::directory_iterator>(path));
    images.insert(images.end(), pictures.begin(), pictures.end());
  }
  return images;
}

Result<std::vector<std::string>> list_folder_tree(const std::string& folder) {
  return list_pictures<fs::recursive_directory_iterator>(folder);
}

}  // namespace visionpress
