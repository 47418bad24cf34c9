// YOLO: data.yaml, images/SPLIT/ and labels/SPLIT/ (yolo_dataset.cc).

#include <set>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"
#include "eval/dataset_writers.h"

namespace visionpress {
namespace {

/// A share with ten digits: 1e-10 of the picture's side.
std::string format_row(int tag, const Rectangle& box, const ExportImage& image) {
  const double width = image.width;
  const double height = image.height;
  return fmt::format("{} {:.10g} {:.10g} {:.10g} {:.10g}\n", tag, (box.x + box.width / 2.0) / width,
                     (box.y + box.height / 2.0) / height, box.width / width, box.height / height);
}

/// Ultralytics reads no description without "train" and "val".
std::string format_description(const ExportSet& set, const std::set<std::string>& splits) {
  std::string text = "path: .\n";
  const std::string fallback = splits.contains("train") ? "train" : *splits.begin();
  for (const char* split : {"train", "val"}) {
    const bool is_there = splits.contains(split);
    text += fmt::format("{}: images/{}{}\n", split, is_there ? split : fallback,
                        is_there ? "" : "  # there is no such split");
  }
  if (splits.contains("test")) text += "test: images/test\n";
  text += set.tags.empty() ? "names: []\n" : "names:\n";
  for (std::size_t t = 0; t < set.tags.size(); ++t) {
    // A text in quotes is the same in JSON and in YAML.
    text += fmt::format("  {}: {}\n", t, to_json_line(nlohmann::json(set.tags[t])));
  }
  return text;
}

Result<void> write_yolo(ExportSet& set, ExportFolder& folder) {
  spread_classes(set);
  lose_coco_fields(set);
  VP_RETURN_IF_ERROR(check_sizes(set));
  std::set<std::string> splits;
  for (const ExportImage& image : set.images) {
    // Images of no split are for both.
    const std::string folder_name = set.has_splits ? split_folder(set, image) : "train/";
    const std::string split = folder_name.substr(0, folder_name.size() - 1);
    splits.insert(split);
    std::string rows;
    for (const TruthBox& box : image.boxes) {
      const auto cut = cut_to_image(image, box, set);
      if (cut) rows += format_row(box.tag, *cut, image);
    }
    const std::string inner = split + "/" + image.name;
    VP_RETURN_IF_ERROR(folder.write("labels/" + split + "/" + stem_of(image.name) + ".txt", rows));
    VP_RETURN_IF_ERROR(folder.add_picture(image, "images/" + inner));
  }
  if (!splits.contains("train") || !splits.contains("val")) {
    set.oddities.add("data.yaml needs \"train\" and \"val\", and both are the same images",
                     *splits.begin());
  }
  return folder.write("data.yaml", format_description(set, splits));
}

}  // namespace

const DatasetWriter yolo_writer = {.name = "yolo", .main_file = "data.yaml", .write = write_yolo};

}  // namespace visionpress
