// Pictures without labels, on which models can only be compared with each other.

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "eval/dataset_table.h"
#include "eval/image_frame.h"
#include "eval/picture_files.h"

namespace visionpress {

namespace fs = std::filesystem;

Result<Dataset> read_tree(const DatasetOptions& options) {
  VP_ASSIGN_OR_RETURN(const std::vector<std::string> paths, list_folder_tree(options.data));
  Dataset dataset;
  for (const std::string& path : paths) {
    DatasetImage image;
    image.id = static_cast<std::int64_t>(dataset.images.size()) + 1;
    image.file_name = fs::path(path).lexically_relative(options.data).string();
    image.path = path;
    dataset.images.push_back(std::move(image));
  }
  drop_labels(dataset);
  return dataset;
}

void drop_labels(Dataset& dataset) {
  dataset.is_unlabelled = true;
  dataset.tags.clear();
  dataset.category_ids.clear();
  dataset.category_texts.clear();
  dataset.clamped_boxes = dataset.exceeding_boxes = dataset.repeated_ids = 0;
  for (DatasetImage& image : dataset.images) {
    image.truths.clear();
    image.class_tag = -1;
    image.listings = 1;
    // The frame of boxes is the picture, whatever the file says of its size.
    image.width = image.height = 0;
    image.frame_orientation = 1;
  }
  Oddities none;
  settle_frames(dataset, none);
}

void adopt_classes(Dataset& dataset, std::vector<std::string> names, bool has_boxes) {
  dataset.has_boxes = has_boxes;
  dataset.tags = std::move(names);
  dataset.category_ids.clear();
  for (std::size_t t = 0; t < dataset.tags.size(); ++t) {
    dataset.category_ids.push_back(static_cast<std::int64_t>(t) + 1);
  }
}

bool holds_pictures_alone(const std::string& folder) {
  std::error_code code;
  if (!fs::is_directory(folder, code) || !expand_folders({folder})) return false;
  if (find_folder_form(folder) != nullptr) return false;
  for (fs::directory_iterator at(folder, code); !code && at != fs::directory_iterator();
       at.increment(code)) {
    const std::string inner = at->path().string();
    const bool is_hidden = at->path().filename().native().starts_with(".");
    std::error_code ignored;
    if (!is_hidden && at->is_directory(ignored) && expand_folders({inner})) return false;
  }
  return true;
}

}  // namespace visionpress
