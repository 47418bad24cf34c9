// CSV tables (csv_dataset.cc), and a folder per tag (folder_dataset.cc).

#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "eval/csv_rows.h"
#include "eval/dataset_writers.h"

namespace visionpress {
namespace {

std::string format_corners(const TruthBox& box) {
  return fmt::format("{},{},{},{}", box.x, box.y, box.x + box.width, box.y + box.height);
}

Result<void> write_csv(ExportSet& set, ExportFolder& folder) {
  lose_coco_fields(set);
  lose_tag_list(set);
  std::string text = set.has_boxes ? "image,width,height,xmin,ymin,xmax,ymax,label" : "image,label";
  text += set.has_splits ? ",split\n" : "\n";
  for (const ExportImage& image : set.images) {
    const std::string name = quote_cell("images/" + image.name);
    const std::string last = set.has_splits ? "," + quote_cell(image.split) + "\n" : "\n";
    const std::string first = fmt::format("{},{},{},", name, image.width, image.height);
    if (!set.has_boxes) {
      const std::string& tag = set.tags[static_cast<std::size_t>(image.class_tag)];
      text += fmt::format("{},{}{}", name, quote_cell(tag), last);
    } else if (image.boxes.empty()) {
      text += fmt::format("{},,,,{}", first, last);
    }
    for (const TruthBox& box : image.boxes) {
      text +=
          fmt::format("{}{},{}{}", first, format_corners(box), quote_cell(set.tag_of(box)), last);
    }
    VP_RETURN_IF_ERROR(folder.add_picture(image, "images/" + image.name));
  }
  return folder.write("annotations.csv", text);
}

/// VoTT's table, which has no row for an image without boxes.
Result<void> write_vott_csv(ExportSet& set, ExportFolder& folder) {
  spread_classes(set);
  lose_coco_fields(set);
  lose_splits(set);
  lose_tag_list(set);
  std::string text = "\"image\",\"xmin\",\"ymin\",\"xmax\",\"ymax\",\"label\"\n";
  for (const ExportImage& image : set.images) {
    if (image.boxes.empty()) ++set.lost["images without boxes"];
    for (const TruthBox& box : image.boxes) {
      text += fmt::format("{},{},{}\n", put_in_quotes(image.name), format_corners(box),
                          put_in_quotes(set.tag_of(box)));
    }
    VP_RETURN_IF_ERROR(folder.add_picture(image, "images/" + image.name));
  }
  return folder.write("vott-csv-export.csv", text);
}

/// The one tag of an image; -1 where it has none or several.
int find_class(const ExportSet& set, const ExportImage& image) {
  if (!set.has_boxes) return image.class_tag;
  std::set<int> tags;
  for (const TruthBox& box : image.boxes) tags.insert(box.tag);
  return tags.size() == 1 ? *tags.begin() : -1;
}

/// Names of folders for the tags; two tags never share one.
std::map<int, std::string> name_folders(const ExportSet& set) {
  std::map<int, std::string> folders;
  std::set<std::string> taken;
  for (std::size_t t = 0; t < set.tags.size(); ++t) {
    std::string name = set.tags[t];
    for (char& c : name) {
      if (static_cast<unsigned char>(c) < 0x20 || c == '/' || c == '\\') c = '_';
    }
    if (name.empty() || name.starts_with('.') || name == "__MACOSX") name.insert(0, "_");
    while (!taken.insert(name).second) name += "_";
    folders[static_cast<int>(t)] = std::move(name);
  }
  return folders;
}

Result<void> write_folder(ExportSet& set, ExportFolder& folder) {
  lose_ids(set);
  lose_tag_list(set);
  const auto folders = name_folders(set);
  for (const auto& [tag, name] : folders) {
    const std::string& of_tag = set.tags[static_cast<std::size_t>(tag)];
    if (name != of_tag) set.oddities.add("tags that cannot name a folder, renamed", of_tag);
  }
  std::size_t written = 0;
  for (const ExportImage& image : set.images) {
    const int tag = find_class(set, image);
    set.lost["boxes"] += image.boxes.size();
    set.left_out_boxes += image.boxes.size();
    if (tag < 0) {
      set.oddities.add("images without a tag or with several, left out", image.name);
      continue;
    }
    const std::string before = split_folder(set, image);
    VP_RETURN_IF_ERROR(folder.add_picture(image, before + folders.at(tag) + "/" + image.name));
    ++written;
  }
  if (set.lost["boxes"] == 0) set.lost.erase("boxes");
  if (written > 0) return {};
  return fail(ErrorKind::Malformed, "no image has one tag, by which its folder would be named");
}

}  // namespace

const DatasetWriter csv_writer = {
    .name = "csv", .main_file = "annotations.csv", .write = write_csv};
const DatasetWriter folder_writer = {.name = "folder", .main_file = "", .write = write_folder};
const DatasetWriter vott_csv_writer = {
    .name = "vott-csv", .main_file = "vott-csv-export.csv", .write = write_vott_csv};

}  // namespace visionpress
