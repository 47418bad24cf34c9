// Create ML's object detection: [{"image": FILE, "annotations": [{"label": TAG, "coordinates": {x,
// y, width, height}}]}], x and y the centre in pixels of the picture. Some tools write
// "imagefilename" and "annotation". source: developer.apple.com, "Building an object detector data
// source".

#include <algorithm>
#include <utility>

#include "eval/dataset_table.h"
#include "eval/json_fields.h"
#include "eval/label_json.h"
#include "eval/labelled_images.h"

namespace visionpress {
namespace {

using simdjson::ondemand::value;

bool is_list_key(std::string_view key) { return key == "annotations" || key == "annotation"; }
bool is_name_key(std::string_view key) { return key == "image" || key == "imagefilename"; }

bool is_createml_file(const FileHead& file) {
  if (!file.text.starts_with('[')) return false;
  const auto keys = list_first_keys(file.text);
  return std::ranges::any_of(keys, is_list_key) && std::ranges::any_of(keys, is_name_key);
}

class CreateMlReader {
 public:
  Result<LabelledImages> read(value root) {
    VP_RETURN_IF_ERROR(read_items(root, "images", [&](value item, const std::string& path) {
      return read_image(item, path);
    }));
    return std::move(labelled_);
  }

 private:
  Result<void> read_image(value source, const std::string& path) {
    LabelledImage image;
    VP_RETURN_IF_ERROR(
        read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
          const std::string place = path + "." + key;
          if (is_null(item)) return {};
          if (is_name_key(key)) {
            VP_ASSIGN_OR_RETURN(image.file_name, read_text(item, place));
          } else if (is_list_key(key)) {
            return read_items(item, place, [&](value box, const std::string& box_path) {
              return read_box(box, box_path, image);
            });
          } else {
            ++labelled_.unread[key];
          }
          return {};
        }));
    if (image.file_name.empty()) {
      return fail(ErrorKind::Malformed, "{}: \"image\" is missing", path);
    }
    labelled_.images.push_back(std::move(image));
    return {};
  }

  Result<void> read_box(value source, const std::string& path, LabelledImage& image) {
    LabelledBox box;
    bool has_box = false;
    VP_RETURN_IF_ERROR(
        read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
          if (is_null(item)) return {};
          if (key == "label") {
            VP_ASSIGN_OR_RETURN(box.tag, read_text(item, path + ".label"));
          } else if (key == "coordinates") {
            has_box = true;
            VP_ASSIGN_OR_RETURN(box.box, read_rectangle(item, path + ".coordinates"));
          } else {
            ++labelled_.unread["annotations." + key];
          }
          return {};
        }));
    if (box.tag.empty() || !has_box) {
      labelled_.oddities.add(has_box ? "annotations without a label, left out"
                                     : "annotations without coordinates, left out",
                             path);
      return {};
    }
    box.box.x -= box.box.width / 2.0;
    box.box.y -= box.box.height / 2.0;
    image.boxes.push_back(std::move(box));
    return {};
  }

  LabelledImages labelled_ = {};
};

Result<Dataset> read_createml(const DatasetOptions& options, Diagnostics& diagnostics) {
  JsonFile json;
  VP_RETURN_IF_ERROR(open_json(options.data, json));
  VP_ASSIGN_OR_RETURN(const value root, view_root(json));
  VP_ASSIGN_OR_RETURN(LabelledImages labelled, CreateMlReader().read(root));
  return make_dataset(std::move(labelled), options, diagnostics);
}

}  // namespace

const DatasetForm createml_form = {
    .name = "createml", .is_file = is_createml_file, .read = read_createml};

}  // namespace visionpress
