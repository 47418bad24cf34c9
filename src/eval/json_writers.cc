// The forms in JSON but COCO: Create ML, LabelMe, Label Studio, VoTT 2, Azure AutoML. Their layouts
// stand at the top of their readers (NAME_dataset.cc).

#include <array>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"
#include "eval/dataset_writers.h"

namespace visionpress {
namespace {

using Json = nlohmann::ordered_json;

std::string to_line(const Json& json) { return to_json_line(json) + "\n"; }

/// Create ML wants the pictures beside the file.
Result<void> write_createml(ExportSet& set, ExportFolder& folder) {
  spread_classes(set);
  lose_coco_fields(set);
  lose_splits(set);
  lose_tag_list(set);
  Json root = Json::array();
  for (const ExportImage& image : set.images) {
    Json boxes = Json::array();
    for (const TruthBox& box : image.boxes) {
      boxes.push_back({{"label", set.tag_of(box)},
                       {"coordinates",
                        {{"x", box.x + box.width / 2.0},
                         {"y", box.y + box.height / 2.0},
                         {"width", box.width},
                         {"height", box.height}}}});
    }
    root.push_back({{"image", image.name}, {"annotations", std::move(boxes)}});
    VP_RETURN_IF_ERROR(folder.add_picture(image, image.name));
  }
  return folder.write("annotations.json", to_line(root));
}

/// One file beside each picture, in a folder per split.
Result<void> write_labelme(ExportSet& set, ExportFolder& folder) {
  spread_classes(set);
  lose_coco_fields(set);
  lose_tag_list(set);
  for (const ExportImage& image : set.images) {
    Json shapes = Json::array();
    for (const TruthBox& box : image.boxes) {
      const Json points = {{box.x, box.y}, {box.x + box.width, box.y + box.height}};
      shapes.push_back({{"label", set.tag_of(box)},
                        {"points", points},
                        {"group_id", nullptr},
                        {"description", ""},
                        {"shape_type", "rectangle"},
                        {"flags", Json::object()}});
    }
    const Json root = {{"version", "5.5.0"},          {"flags", Json::object()},
                       {"shapes", std::move(shapes)}, {"imagePath", image.name},
                       {"imageData", nullptr},        {"imageHeight", image.height},
                       {"imageWidth", image.width}};
    const std::string before = split_folder(set, image);
    VP_RETURN_IF_ERROR(folder.write(before + stem_of(image.name) + ".json", to_line(root)));
    VP_RETURN_IF_ERROR(folder.add_picture(image, before + image.name));
  }
  return {};
}

Json make_result(const ExportSet& set, const ExportImage& image, const TruthBox& box) {
  return {{"id", fmt::format("box{}", box.id)},
          {"type", "rectanglelabels"},
          {"from_name", "label"},
          {"to_name", "image"},
          {"original_width", image.width},
          {"original_height", image.height},
          {"image_rotation", 0},
          {"value",
           {{"x", box.x / image.width * 100.0},
            {"y", box.y / image.height * 100.0},
            {"width", box.width / image.width * 100.0},
            {"height", box.height / image.height * 100.0},
            {"rotation", 0},
            {"rectanglelabels", {set.tag_of(box)}}}}};
}

/// Tasks to import, with the pictures as local files of the server.
Result<void> write_label_studio(ExportSet& set, ExportFolder& folder) {
  lose_coco_fields(set);
  lose_splits(set);
  lose_tag_list(set);
  if (set.has_boxes) VP_RETURN_IF_ERROR(check_sizes(set));
  Json root = Json::array();
  for (const ExportImage& image : set.images) {
    Json results = Json::array();
    for (const TruthBox& box : image.boxes) results.push_back(make_result(set, image, box));
    if (!set.has_boxes) {
      const std::string& tag = set.tags[static_cast<std::size_t>(image.class_tag)];
      results.push_back({{"type", "choices"},
                         {"from_name", "choice"},
                         {"to_name", "image"},
                         {"value", {{"choices", {tag}}}}});
    }
    std::string url = "/data/local-files/?d=images/";
    for (const char c : image.name) {
      url += c == '%' || c == ' ' || c == '?' || c == '#'
                 ? fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)))
                 : std::string(1, c);
    }
    Json annotations = Json::array();
    annotations.push_back({{"result", std::move(results)}});
    root.push_back({{"data", {{"image", url}}}, {"annotations", std::move(annotations)}});
    VP_RETURN_IF_ERROR(folder.add_picture(image, "images/" + image.name));
  }
  return folder.write("tasks.json", to_line(root));
}

Json make_region(const ExportSet& set, const TruthBox& box) {
  const double right = box.x + box.width;
  const double bottom = box.y + box.height;
  Json points = Json::array();
  for (const auto& [x, y] : {std::array{box.x, box.y}, std::array{right, box.y},
                             std::array{right, bottom}, std::array{box.x, bottom}}) {
    points.push_back({{"x", x}, {"y", y}});
  }
  return {{"id", fmt::format("region{}", box.id)},
          {"type", "RECTANGLE"},
          {"tags", {set.tag_of(box)}},
          {"boundingBox",
           {{"left", box.x}, {"top", box.y}, {"width", box.width}, {"height", box.height}}},
          {"points", std::move(points)}};
}

/// VoTT 2's JSON export.
Result<void> write_vott(ExportSet& set, ExportFolder& folder) {
  constexpr std::array kColors = {"#5db300", "#e81123", "#6917aa", "#015cda", "#4894fe",
                                  "#6b849c", "#70c400", "#f7929e", "#257ffe", "#33e9f2"};
  constexpr int kTagged = 2;  // AssetState
  constexpr int kVisited = 1;
  spread_classes(set);
  lose_coco_fields(set);
  lose_splits(set);
  Json tags = Json::array();
  for (std::size_t t = 0; t < set.tags.size(); ++t) {
    tags.push_back({{"name", set.tags[t]}, {"color", kColors[t % kColors.size()]}});
  }
  Json assets = Json::object();
  for (std::size_t i = 0; i < set.images.size(); ++i) {
    const ExportImage& image = set.images[i];
    const std::string id = fmt::format("{:032x}", i + 1);  // VoTT's are MD5 sums of the path
    const std::size_t dot = image.name.rfind('.');
    const std::string format = dot == std::string::npos ? "" : image.name.substr(dot + 1);
    Json regions = Json::array();
    for (const TruthBox& box : image.boxes) regions.push_back(make_region(set, box));
    const int state = regions.empty() ? kVisited : kTagged;
    assets[id] = {{"asset",
                   {{"format", format},
                    {"id", id},
                    {"name", image.name},
                    {"path", "file:images/" + image.name},
                    {"size", {{"width", image.width}, {"height", image.height}}},
                    {"state", state},
                    {"type", 1}}},
                  {"regions", std::move(regions)},
                  {"version", "2.2.0"}};
    VP_RETURN_IF_ERROR(folder.add_picture(image, "images/" + image.name));
  }
  const Json root = {{"name", "visionpress"},
                     {"version", "2.2.0"},
                     {"tags", std::move(tags)},
                     {"assets", std::move(assets)}};
  return folder.write("vott-json-export.json", to_line(root));
}

Json make_label(const ExportSet& set, const ExportImage& image, const TruthBox& box,
                const Rectangle& cut) {
  return {{"label", set.tag_of(box)},
          {"topX", cut.x / image.width},
          {"topY", cut.y / image.height},
          {"bottomX", (cut.x + cut.width) / image.width},
          {"bottomY", (cut.y + cut.height) / image.height},
          {"isCrowd", box.crowd ? 1 : 0}};
}

/// The URLs are paths in the folder: a datastore's stand before them once it is uploaded.
Result<void> write_azure(ExportSet& set, ExportFolder& folder) {
  lose_ids(set);
  lose_areas(set);
  lose_splits(set);
  lose_tag_list(set);
  if (set.has_boxes) VP_RETURN_IF_ERROR(check_sizes(set));
  std::string lines;
  for (const ExportImage& image : set.images) {
    Json label = Json::array();
    for (const TruthBox& box : image.boxes) {
      const auto cut = cut_to_image(image, box, set);
      if (cut) label.push_back(make_label(set, image, box, *cut));
    }
    if (!set.has_boxes) label = set.tags[static_cast<std::size_t>(image.class_tag)];
    const Json details = {{"width", fmt::format("{}px", image.width)},
                          {"height", fmt::format("{}px", image.height)}};
    const Json line = {{"image_url", "images/" + image.name},
                       {"image_details", details},
                       {"label", std::move(label)}};
    lines += to_line(line);
    VP_RETURN_IF_ERROR(folder.add_picture(image, "images/" + image.name));
  }
  return folder.write("data.jsonl", lines);
}

}  // namespace

const DatasetWriter azure_writer = {
    .name = "azure", .main_file = "data.jsonl", .write = write_azure};
const DatasetWriter createml_writer = {
    .name = "createml", .main_file = "annotations.json", .write = write_createml};
const DatasetWriter label_studio_writer = {
    .name = "label-studio", .main_file = "tasks.json", .write = write_label_studio};
const DatasetWriter labelme_writer = {.name = "labelme", .main_file = "", .write = write_labelme};
const DatasetWriter vott_writer = {
    .name = "vott", .main_file = "vott-json-export.json", .write = write_vott};

}  // namespace visionpress
