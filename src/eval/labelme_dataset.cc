// LabelMe: one JSON file per image, {"imagePath", "imageWidth", "imageHeight", "shapes": [{"label",
// "shape_type", "points": [[x, y], ...]}]} in pixels. A rectangle has two opposite corners in any
// order, a circle its centre and a point on it; of polygons and masks the box around is taken.
// source: github.com/wkentaro/labelme 5.5, labelme/label_file.py and labelme/shape.py.

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/mapped_file.h"
#include "eval/dataset_table.h"
#include "eval/json_fields.h"
#include "eval/label_files.h"
#include "eval/label_json.h"
#include "eval/labelled_images.h"
#include "eval/rectangle.h"

namespace visionpress {
namespace {

using simdjson::ondemand::value;

/// The folders with JSON files: the folder itself, else its splits.
std::vector<std::pair<std::string, std::string>> list_labelme_parts(const std::string& folder) {
  if (!list_files(folder, ".json").empty()) return {{folder, ""}};
  std::vector<std::pair<std::string, std::string>> parts;
  for (const std::string& inner : list_folders(folder)) {
    const std::string name = base_name(inner);
    if (is_split_name(name) && !list_files(inner, ".json").empty()) {
      parts.emplace_back(inner, name_split(name));
    }
  }
  return parts;
}

bool is_labelme_folder(const std::string& folder) {
  const auto parts = list_labelme_parts(folder);
  if (parts.empty()) return false;
  const auto file = MappedFile::open(list_files(parts.front().first, ".json").front());
  if (!file) return false;
  const auto keys = list_first_keys(view_text(file->bytes()));
  return std::ranges::find(keys, "shapes") != keys.end() &&
         std::ranges::find(keys, "imagePath") != keys.end();
}

struct LabelMeShape {
  std::string label = {};
  std::string type = "polygon";  ///< as files of old releases, which do not say it
  std::vector<std::array<double, 2>> points = {};
};

class LabelMeReader {
 public:
  Result<void> read_file(JsonFile& json, const std::string& path, const std::string& split) {
    VP_ASSIGN_OR_RETURN(const value root, view_root(json));
    LabelledImage image;
    image.split = split;
    path_ = path;
    VP_RETURN_IF_ERROR(
        read_fields(root, "the root", [&](const std::string& key, value item) -> Result<void> {
          if (is_null(item)) return {};
          if (key == "imagePath") {
            VP_ASSIGN_OR_RETURN(const std::string name, read_text(item, key));
            image.file_name = base_name(name);
          } else if (key == "imageWidth") {
            VP_ASSIGN_OR_RETURN(image.width, read_side(item, key));
          } else if (key == "imageHeight") {
            VP_ASSIGN_OR_RETURN(image.height, read_side(item, key));
          } else if (key == "shapes") {
            return read_items(item, key, [&](value shape, const std::string& place) {
              return read_shape(shape, place, image);
            });
          } else if (key == "flags") {
            return note_flags(item);
          } else if (key != "version" && key != "imageData") {
            ++labelled_.unread[key];
          }
          return {};
        }));
    if (image.file_name.empty()) {
      return fail(ErrorKind::Malformed, "the root: \"imagePath\" is missing");
    }
    labelled_.images.push_back(std::move(image));
    return {};
  }

  /// What has been read so far.
  [[nodiscard]] LabelledImages& labelled() { return labelled_; }

 private:
  /// An empty object says nothing.
  Result<void> note_flags(value item) {
    bool any = false;
    VP_RETURN_IF_ERROR(read_fields(item, "flags", [&](const std::string&, value) -> Result<void> {
      any = true;
      return {};
    }));
    if (any) ++labelled_.unread["flags"];
    return {};
  }

  Result<void> read_shape(value source, const std::string& path, LabelledImage& image) {
    LabelMeShape shape;
    VP_RETURN_IF_ERROR(
        read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
          const std::string place = path + "." + key;
          if (is_null(item)) return {};
          if (key == "label") {
            VP_ASSIGN_OR_RETURN(shape.label, read_text(item, place));
          } else if (key == "shape_type") {
            VP_ASSIGN_OR_RETURN(shape.type, read_text(item, place));
          } else if (key == "points") {
            return read_items(item, place, [&](value point, const std::string& of) -> Result<void> {
              VP_ASSIGN_OR_RETURN(const auto pair, read_pair(point, of));
              shape.points.push_back(pair);
              return {};
            });
          } else if (key == "group_id" || key == "description" || key == "mask") {
            std::string_view text;
            if (item.get_string().get(text) != simdjson::SUCCESS || !text.empty()) {
              ++labelled_.unread["shapes." + key];
            }
          }
          return {};
        }));
    add_shape(shape, path, image);
    return {};
  }

  void add_shape(const LabelMeShape& shape, const std::string& path, LabelledImage& image) {
    const auto place = [&] { return fmt::format("{} of {}", path, path_); };
    const bool is_box = shape.type == "rectangle" || shape.type == "mask";
    const bool is_area = is_box || shape.type == "polygon" || shape.type == "circle" ||
                         shape.type == "oriented_rectangle";
    const std::size_t least = is_box || shape.type == "circle" ? 2 : 3;
    if (!is_area || shape.points.size() < least) {
      labelled_.oddities.add("shapes that are neither a box nor a polygon, left out",
                             fmt::format("{}, a {}", place(), shape.type));
      return;
    }
    if (shape.label.empty()) {
      labelled_.oddities.add("shapes without a label, left out", place());
      return;
    }
    if (shape.type != "rectangle") ++labelled_.unread["shapes.points of a " + shape.type];
    Rectangle box = rectangle_around(shape.points);
    if (shape.type == "circle") {  // its middle and a point on it
      const auto [x, y] = shape.points.front();
      const double radius = std::hypot(shape.points[1][0] - x, shape.points[1][1] - y);
      box = rectangle_between({x - radius, y - radius, x + radius, y + radius});
    }
    image.boxes.push_back({.tag = shape.label, .box = box});
  }

  LabelledImages labelled_ = {};
  std::string path_ = {};
};

/// A file that cannot be read is left out; if that is all of them, the first one's error is the
/// data set's.
Result<Dataset> read_labelme_folder(const DatasetOptions& options, Diagnostics& diagnostics) {
  LabelMeReader reader;
  std::optional<Error> first;
  std::size_t files = 0;
  for (const auto& [folder, split] : list_labelme_parts(options.data)) {
    reader.labelled().folders.push_back(folder);
    reader.labelled().folders.push_back(folder + "/images");
    for (const std::string& path : list_files(folder, ".json")) {
      JsonFile json;
      auto read = open_json(path, json);
      if (read) read = reader.read_file(json, path, split);
      if (read) {
        ++files;
        continue;
      }
      const Error error = in_file(std::move(read).error(), path).value();
      reader.labelled().oddities.add("annotation files that cannot be read, left out",
                                     error.to_string());
      if (!first) first = error;
    }
  }
  if (files == 0 && first) return tl::unexpected<Error>(*std::move(first));
  VP_ASSIGN_OR_RETURN(Dataset dataset,
                      make_dataset(std::move(reader.labelled()), options, diagnostics));
  dataset.has_label_files = true;
  return dataset;
}

Result<Dataset> read_labelme(JsonFile& json, const DatasetOptions& options,
                             Diagnostics& diagnostics) {
  LabelMeReader reader;
  VP_RETURN_IF_ERROR(reader.read_file(json, options.data, {}));
  return make_dataset(std::move(reader.labelled()), options, diagnostics);
}

}  // namespace

const DatasetForm labelme_form = {.name = "labelme",
                                  .keys = {"shapes", "imagePath", "imageData"},
                                  .is_folder = is_labelme_folder,
                                  .read_json = read_labelme,
                                  .read = read_labelme_folder};

}  // namespace visionpress
