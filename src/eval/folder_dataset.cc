// A folder with one folder for each tag: the tag is the folder's name, the images are the files in
// it. There may be such a folder for each split.

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "eval/dataset_parts.h"
#include "eval/image.h"
#include "eval/label_files.h"
#include "eval/labelled_images.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

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
    if (is_hidden_name(at->path().filename().native())) {
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
  return {};
}

/// A folder with one folder for each tag.
struct TagRoot {
  fs::path folder = {};
  std::string split = {};
};

class FolderReader {
 public:
  explicit FolderReader(const DatasetOptions& options) : options_(options) {}

  Result<Dataset> read(Diagnostics& diagnostics) {
    dataset_.has_boxes = false;
    VP_ASSIGN_OR_RETURN(const std::vector<TagRoot> roots, list_roots(diagnostics));
    std::map<std::string, std::vector<DatasetImage>> images;
    for (const TagRoot& root : roots) VP_RETURN_IF_ERROR(read_root(root, images, diagnostics));
    for (auto& [tag, of_tag] : images) {
      dataset_.tags.push_back(tag);
      dataset_.category_ids.push_back(static_cast<std::int64_t>(dataset_.tags.size()));
      for (DatasetImage& image : of_tag) {
        image.id = static_cast<std::int64_t>(dataset_.images.size()) + 1;
        image.class_tag = static_cast<int>(dataset_.tags.size()) - 1;
        dataset_.images.push_back(std::move(image));
      }
    }
    if (dataset_.images.empty()) {
      return fail(
          ErrorKind::Malformed,
          "no images: expected a folder for each tag with JPEG, PNG, BMP or WebP files in it");
    }
    oddities_.report(options_.data, diagnostics);
    return std::move(dataset_);
  }

 private:
  /// The folder itself, or its "train", "val" and "test" where these have folders and no pictures.
  Result<std::vector<TagRoot>> list_roots(Diagnostics& diagnostics) {
    std::vector<TagRoot> roots;
    Oddities ignored;
    VP_ASSIGN_OR_RETURN(const std::vector<fs::path> folders,
                        list_folder(options_.data, Wanted::Folders, ignored));
    for (const fs::path& folder : folders) {
      VP_ASSIGN_OR_RETURN(const auto pictures, list_folder(folder, Wanted::Images, ignored));
      VP_ASSIGN_OR_RETURN(const auto tags, list_folder(folder, Wanted::Folders, ignored));
      if (!pictures.empty()) return std::vector<TagRoot>{{options_.data, ""}};
      const std::string name = folder.filename();
      if (is_split_name(name) && !tags.empty()) roots.push_back({folder, name_split(name)});
    }
    if (roots.empty()) return std::vector<TagRoot>{{options_.data, ""}};
    std::set<std::string> splits;
    for (const TagRoot& root : roots) splits.insert(root.split);
    const std::string wanted = choose_split(splits, options_.splits);
    if (wanted.empty()) return roots;
    std::erase_if(roots, [&](const TagRoot& root) { return root.split != wanted; });
    diagnostics.warn(fmt::format("{}: has splits: the images of \"{}\" are taken, no others",
                                 options_.data, wanted));
    return roots;
  }

  Result<void> read_root(const TagRoot& root,
                         std::map<std::string, std::vector<DatasetImage>>& images,
                         Diagnostics& diagnostics) {
    VP_ASSIGN_OR_RETURN(const std::vector<fs::path> folders,
                        list_folder(root.folder, Wanted::Folders, oddities_));
    for (const fs::path& folder : folders) {
      VP_ASSIGN_OR_RETURN(const std::vector<fs::path> files,
                          list_folder(folder, Wanted::Images, oddities_));
      if (files.empty()) {
        diagnostics.warn(
            fmt::format("{}: no JPEG, PNG, BMP or WebP file; not a tag", folder.string()));
        continue;
      }
      const std::string tag = folder.filename().string();
      const std::string before =
          root.split.empty() ? tag : root.folder.filename().string() + "/" + tag;
      for (const fs::path& file : files) {
        DatasetImage image;
        image.file_name = before + "/" + file.filename().string();
        image.path = file.string();
        image.split = root.split;
        images[tag].push_back(std::move(image));
      }
    }
    return {};
  }

  const DatasetOptions& options_;
  Dataset dataset_ = {};
  Oddities oddities_ = {};
};

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
  return FolderReader(options).read(diagnostics);
}

}  // namespace visionpress
