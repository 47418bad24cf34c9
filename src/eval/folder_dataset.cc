// A folder with one folder for each tag: the tag is the folder's name, the images are the files in
// it.

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "eval/dataset_parts.h"
#include "eval/image.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// Files of the system and of tools: .ipynb_checkpoints, ._x.jpg of macOS, __MACOSX of its
/// archives.
bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with(".") || name == "__MACOSX";
}

enum class Wanted : std::uint8_t { Folders, Images };

/// Entries by name, since the order of a folder is the file system's whim.
Result<std::vector<fs::path>> list_folder(const fs::path& folder, Wanted wanted,
                                          Oddities& oddities) {
  std::error_code code;
  std::vector<fs::path> entries;
  fs::directory_iterator at(folder, code);
  for (; !code && at != fs::directory_iterator(); at.increment(code)) {
    std::error_code entry_code;
    const bool is_folder = at->is_directory(entry_code);
    if (wanted == Wanted::Folders ? !is_folder : is_folder || !has_image_name(at->path().string()))
      continue;
    if (is_hidden(at->path())) {
      oddities.add(is_folder ? "hidden folders, left out" : "hidden files, left out",
                   at->path().string());
      continue;
    }
    entries.push_back(at->path());
  }
  if (code) return fail(ErrorKind::Io, "{}: {}", folder.string(), code.message());
  std::ranges::sort(entries);
  return entries;
}

/// A folder of another kind of data set is named for what it is.
Result<void> check_foreign(const fs::path& folder) {
  std::error_code code;
  for (const char* name : {"_annotations.coco.json", "annotations.json"}) {
    const bool beside = fs::is_directory(folder / "images", code);
    if (!fs::is_regular_file(folder / name, code) || (name[0] != '_' && !beside)) continue;
    return fail(ErrorKind::Malformed, "its annotations are in {}: give that file",
                (folder / name).string());
  }
  if (fs::is_regular_file(folder / "saved_model.pb", code)) {
    return fail(ErrorKind::Malformed, "it is a model (SavedModel); --data takes the annotations");
  }
  for (const char* name : {"data.yaml", "data.yml"}) {
    if (!fs::is_regular_file(folder / name, code)) continue;
    return fail(
        ErrorKind::Malformed,
        "a YOLO data set ({}), which is not read; COCO JSON, VoTT JSON or a folder with one "
        "folder for each tag is",
        name);
  }
  if (fs::is_directory(folder / "images", code) && fs::is_directory(folder / "labels", code)) {
    return fail(
        ErrorKind::Malformed,
        "a YOLO data set (images/ and labels/), which is not read; COCO JSON, VoTT JSON or a "
        "folder with one folder for each tag is");
  }
  if (fs::is_directory(folder / "Annotations", code) &&
      fs::is_directory(folder / "JPEGImages", code)) {
    return fail(ErrorKind::Malformed, "a Pascal VOC data set, which is not read; COCO JSON is");
  }
  return {};
}

}  // namespace

std::vector<std::string> list_pictures(const DatasetOptions& options) {
  const fs::path beside = fs::path(options.data).parent_path();
  std::vector<fs::path> folders = {options.images};
  if (options.images.empty())
    folders = {beside.empty() ? fs::path(".") : beside, beside / "images"};
  Oddities ignored;
  for (const fs::path& folder : folders) {
    const auto found = list_folder(folder, Wanted::Images, ignored);
    if (!found || found->empty()) continue;
    std::vector<std::string> pictures;
    for (const fs::path& path : *found) pictures.push_back(path.string());
    return pictures;
  }
  return {};
}

Result<Dataset> read_folder(const DatasetOptions& options, Diagnostics& diagnostics) {
  VP_RETURN_IF_ERROR(check_foreign(options.data));
  Dataset dataset;
  Oddities oddities;
  dataset.has_boxes = false;
  VP_ASSIGN_OR_RETURN(const std::vector<fs::path> folders,
                      list_folder(options.data, Wanted::Folders, oddities));
  for (const fs::path& folder : folders) {
    VP_ASSIGN_OR_RETURN(const std::vector<fs::path> files,
                        list_folder(folder, Wanted::Images, oddities));
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
  oddities.report(options.data, diagnostics);
  return dataset;
}

}  // namespace visionpress
