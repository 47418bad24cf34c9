// A folder with a folder a tag: the tag is the folder's name, the images are the files in it.

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/ascii.h"
#include "eval/dataset_parts.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

bool has_image_name(const fs::path& path) {
  const std::string extension = ascii_lower(path.extension().native());
  constexpr std::array<std::string_view, 5> kNames = {".jpg", ".jpeg", ".png", ".bmp", ".webp"};
  return std::ranges::find(kNames, extension) != kNames.end();
}

enum class Wanted : std::uint8_t { Folders, Images };

/// Entries by name, since the order of a folder is the file system's whim.
Result<std::vector<fs::path>> list_folder(const fs::path& folder, Wanted wanted) {
  std::error_code code;
  std::vector<fs::path> entries;
  fs::directory_iterator at(folder, code);
  for (; !code && at != fs::directory_iterator(); at.increment(code)) {
    std::error_code entry_code;
    const bool is_folder = at->is_directory(entry_code);
    if (wanted == Wanted::Folders ? is_folder : !is_folder && has_image_name(at->path())) {
      entries.push_back(at->path());
    }
  }
  if (code) return fail(ErrorKind::Io, "{}: {}", folder.string(), code.message());
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

Result<Dataset> read_folder(const DatasetOptions& options, Diagnostics& diagnostics) {
  Dataset dataset;
  dataset.kind = DatasetKind::Folder;
  VP_ASSIGN_OR_RETURN(const std::vector<fs::path> folders,
                      list_folder(options.data, Wanted::Folders));
  for (const fs::path& folder : folders) {
    VP_ASSIGN_OR_RETURN(const std::vector<fs::path> files, list_folder(folder, Wanted::Images));
    const std::string tag = folder.filename().string();
    if (files.empty()) {
      diagnostics.warn(
          fmt::format("{}: no JPEG, PNG, BMP or WebP file; not a tag", folder.string()));
      continue;
    }
    dataset.tags.push_back(tag);
    dataset.category_ids.push_back(static_cast<std::int64_t>(dataset.tags.size()));
    for (const fs::path& file : files) {
      DatasetImage image;
      image.id = static_cast<std::int64_t>(dataset.images.size()) + 1;
      image.file_name = tag + "/" + file.filename().string();
      image.path = file.string();
      image.class_tag = static_cast<int>(dataset.tags.size()) - 1;
      dataset.images.push_back(std::move(image));
    }
  }
  if (dataset.images.empty()) {
    return fail(
        ErrorKind::Malformed,
        "no images: expected a folder for each tag with JPEG, PNG, BMP or WebP files in it");
  }
  return dataset;
}

}  // namespace visionpress
