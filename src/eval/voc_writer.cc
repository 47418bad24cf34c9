// Pascal VOC: Annotations/, JPEGImages/ and, with splits, ImageSets/Main/ (voc_dataset.cc).

#include <cmath>
#include <map>
#include <string>

#include <pugixml.hpp>

#include "base/error.h"
#include "eval/dataset_writers.h"

namespace visionpress {
namespace {

class TextWriter : public pugi::xml_writer {
 public:
  void write(const void* data, std::size_t size) override {
    text_.append(static_cast<const char*>(data), size);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_ = {};
};

void add_text(pugi::xml_node parent, const char* name, const std::string& text) {
  parent.append_child(name).text().set(text.c_str());
}

/// Whole pixels counted from 1, both corners inside: half a pixel off at most.
void add_object(pugi::xml_node root, const std::string& tag, const Rectangle& box, ExportSet& set) {
  const double left = std::round(box.x) + 1.0;
  const double top = std::round(box.y) + 1.0;
  const double right = std::max(left, std::round(box.x + box.width));
  const double bottom = std::max(top, std::round(box.y + box.height));
  const bool is_whole = left == box.x + 1.0 && top == box.y + 1.0 && right == box.x + box.width &&
                        bottom == box.y + box.height;
  if (!is_whole) ++set.lost["fractions of a pixel"];
  pugi::xml_node object = root.append_child("object");
  add_text(object, "name", tag);
  add_text(object, "pose", "Unspecified");
  add_text(object, "truncated", "0");
  add_text(object, "difficult", "0");
  pugi::xml_node corners = object.append_child("bndbox");
  add_text(corners, "xmin", fmt::format("{:.0f}", left));
  add_text(corners, "ymin", fmt::format("{:.0f}", top));
  add_text(corners, "xmax", fmt::format("{:.0f}", right));
  add_text(corners, "ymax", fmt::format("{:.0f}", bottom));
}

std::string format_annotation(const ExportImage& image, ExportSet& set) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("annotation");
  add_text(root, "folder", "JPEGImages");
  add_text(root, "filename", image.name);
  pugi::xml_node size = root.append_child("size");
  add_text(size, "width", std::to_string(image.width));
  add_text(size, "height", std::to_string(image.height));
  add_text(size, "depth", "3");
  add_text(root, "segmented", "0");
  for (const TruthBox& box : image.boxes) {
    const auto cut = cut_to_image(image, box, set);
    if (cut) add_object(root, set.tag_of(box), *cut, set);
  }
  TextWriter text;
  document.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);
  return text.text();
}

Result<void> write_voc(ExportSet& set, ExportFolder& folder) {
  spread_classes(set);
  lose_coco_fields(set);
  lose_tag_list(set);
  std::map<std::string, std::string> splits;
  for (const ExportImage& image : set.images) {
    const std::string stem = stem_of(image.name);
    if (!image.split.empty()) splits[image.split] += stem + "\n";
    VP_RETURN_IF_ERROR(folder.write("Annotations/" + stem + ".xml", format_annotation(image, set)));
    VP_RETURN_IF_ERROR(folder.add_picture(image, "JPEGImages/" + image.name));
  }
  for (const auto& [split, stems] : splits) {
    VP_RETURN_IF_ERROR(folder.write("ImageSets/Main/" + split + ".txt", stems));
  }
  return {};
}

}  // namespace

const DatasetWriter voc_writer = {.name = "voc", .main_file = "", .write = write_voc};

}  // namespace visionpress
