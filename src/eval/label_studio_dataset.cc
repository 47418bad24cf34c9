// Label Studio's JSON export: [{"data": {"image": URL}, "annotations": [{"result": [{"type":
// "rectanglelabels", "original_width", "original_height", "value": {x, y, width, height, rotation,
// "rectanglelabels": [TAG]}}]}]}], all numbers percent of the picture's sides, the rotation in
// degrees clockwise around the top-left corner. JSON_MIN has the values alone in a list beside
// "image". source: labelstud.io/guide, "Label Studio JSON format of annotated tasks" and "Export".

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

#include "base/ascii.h"
#include "eval/dataset_table.h"
#include "eval/image.h"
#include "eval/json_fields.h"
#include "eval/label_files.h"
#include "eval/label_json.h"
#include "eval/labelled_images.h"
#include "eval/rectangle.h"

namespace visionpress {
namespace {

using simdjson::ondemand::value;

bool is_label_studio_file(const FileHead& file) {
  if (!file.text.starts_with('[')) return false;
  const auto keys = list_first_keys(file.text);
  const auto has = [&](std::string_view key) { return std::ranges::find(keys, key) != keys.end(); };
  const bool is_task = has("data") && (has("annotations") || has("completions"));
  return is_task || has("annotation_id") || has("annotator");  // the last two: JSON_MIN
}

/// What %XX stands for.
std::string decode_percent(std::string_view text) {
  const auto digit = [](char c) { return is_ascii_digit(c) ? c - '0' : ascii_lower(c) - 'a' + 10; };
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && is_hex_digit(text[i + 1]) &&
        is_hex_digit(text[i + 2])) {
      decoded += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

/// The name behind a URL: of a local file (?d=PATH), an upload (/data/upload/1/1a2b3c4d-NAME), a
/// bucket (s3://...).
std::string find_picture_name(std::string_view url) {
  const std::size_t local = url.find("?d=");
  if (local != std::string_view::npos) return decode_percent(url.substr(local + 3));
  const bool is_upload = url.find("/upload/") != std::string_view::npos;
  if (url.find("://") != std::string_view::npos) url = url.substr(0, url.find('?'));
  const std::string name = base_name(decode_percent(url));
  constexpr std::size_t kPrefix = 9;  // 8 hexadecimal digits and a dash before each upload
  const bool has_prefix = name.size() > kPrefix && name[kPrefix - 1] == '-' &&
                          std::all_of(name.begin(), name.begin() + kPrefix - 1, is_hex_digit);
  return is_upload && has_prefix ? name.substr(kPrefix) : name;
}

/// One element of a "result", or of JSON_MIN's list, which has no "value" around its numbers.
struct LabelStudioItem {
  std::string type = {};
  int original_width = 0;
  int original_height = 0;
  std::optional<double> x = std::nullopt;
  std::optional<double> y = std::nullopt;
  std::optional<double> width = std::nullopt;
  std::optional<double> height = std::nullopt;
  double rotation = 0.0;
  std::vector<std::array<double, 2>> points = {};
  std::vector<std::string> tags = {};
  bool is_class = false;  ///< "choices"
};

class LabelStudioReader {
 public:
  Result<LabelledImages> read(value root) {
    VP_RETURN_IF_ERROR(read_items(
        root, "tasks", [&](value item, const std::string& path) { return read_task(item, path); }));
    // A set of choices alone is one of classes.
    labelled_.has_boxes = boxes_ > 0 || classes_ == 0;
    if (!labelled_.has_boxes) {
      std::erase_if(labelled_.images, [&](const LabelledImage& image) {
        if (!image.class_tag.empty()) return false;
        labelled_.oddities.add("images without one choice, left out", image.file_name);
        return true;
      });
    } else if (classes_ > 0) {
      labelled_.unread["choices"] = classes_;
    }
    return std::move(labelled_);
  }

 private:
  Result<void> read_task(value source, const std::string& path) {
    LabelledImage image;
    std::size_t annotations = 0;
    VP_RETURN_IF_ERROR(
        read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
          const std::string place = path + "." + key;
          if (is_null(item)) return {};
          if (key == "data") return read_data(item, place, image);
          if (key == "annotations" || key == "completions") {
            return read_items(item, place, [&](value annotation, const std::string& of) {
              return read_annotation(annotation, of, annotations, image);
            });
          }
          if (key == "predictions") return note_predictions(item, place);
          std::string_view text;
          if (key == "image" && item.get_string().get(text) == simdjson::SUCCESS) {
            image.file_name = find_picture_name(text);  // of JSON_MIN
            return {};
          }
          return read_minimal(item, place, image);
        }));
    if (image.file_name.empty()) {
      return fail(ErrorKind::Malformed, "{}: no \"image\" in its \"data\"", path);
    }
    labelled_.images.push_back(std::move(image));
    return {};
  }

  /// The picture is called as the project's configuration calls it; it is the first text that ends
  /// as a picture does, or "image".
  static Result<void> read_data(value source, const std::string& path, LabelledImage& image) {
    return read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
      std::string_view text;
      if (item.get_string().get(text) != simdjson::SUCCESS) return {};
      std::string name = find_picture_name(text);
      const bool is_picture = key == "image" || has_image_name(name);
      if (is_picture && (image.file_name.empty() || key == "image")) {
        image.file_name = std::move(name);
      }
      return {};
    });
  }

  Result<void> note_predictions(value item, const std::string& path) {
    return read_items(item, path, [&](value, const std::string&) -> Result<void> {
      ++labelled_.unread["predictions"];
      return {};
    });
  }

  /// A list of values in JSON_MIN; other fields are of the export.
  Result<void> read_minimal(value item, const std::string& path, LabelledImage& image) {
    simdjson::ondemand::json_type type = simdjson::ondemand::json_type::null;
    if (item.type().get(type) != simdjson::SUCCESS || type != simdjson::ondemand::json_type::array)
      return {};
    return read_items(item, path, [&](value source, const std::string& place) -> Result<void> {
      if (source.type().get(type) != simdjson::SUCCESS ||
          type != simdjson::ondemand::json_type::object)
        return {};
      LabelStudioItem read;
      VP_RETURN_IF_ERROR(read_value(source, place, read));
      return add_item(read, place, image);
    });
  }

  /// The first annotation that was not cancelled; those of other annotators are left out.
  Result<void> read_annotation(value source, const std::string& path, std::size_t& annotations,
                               LabelledImage& image) {
    LabelledImage one;
    bool is_cancelled = false;
    VP_RETURN_IF_ERROR(
        read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
          if (key == "was_cancelled") {
            bool flag = false;
            is_cancelled = item.get_bool().get(flag) == simdjson::SUCCESS && flag;
          }
          if (key != "result" || is_null(item)) return {};
          return read_items(item, path + ".result", [&](value result, const std::string& place) {
            return read_result(result, place, one);
          });
        }));
    if (is_cancelled || annotations > 0) {
      labelled_.oddities.add(is_cancelled ? "annotations that were cancelled, left out"
                                          : "second annotations of an image, left out",
                             path);
      return {};
    }
    ++annotations;
    one.file_name = std::move(image.file_name);
    image = std::move(one);
    return {};
  }

  Result<void> read_result(value source, const std::string& path, LabelledImage& image) {
    LabelStudioItem read;
    VP_RETURN_IF_ERROR(
        read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
          const std::string place = path + "." + key;
          if (is_null(item)) return {};
          if (key == "value") return read_value(item, place, read);
          if (key == "type") {
            VP_ASSIGN_OR_RETURN(read.type, read_text(item, place));
            return {};
          }
          return read_size(key, item, place, read);
        }));
    return add_item(read, path, image);
  }

  static Result<void> read_size(std::string_view key, value item, const std::string& path,
                                LabelStudioItem& read) {
    if (key != "original_width" && key != "original_height") return {};
    VP_ASSIGN_OR_RETURN((key == "original_width" ? read.original_width : read.original_height),
                        read_side(item, path));
    return {};
  }

  static Result<void> read_value(value source, const std::string& path, LabelStudioItem& read) {
    return read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
      const std::string place = path + "." + key;
      if (is_null(item)) return {};
      std::optional<double>* side = nullptr;
      if (key == "x") side = &read.x;
      if (key == "y") side = &read.y;
      if (key == "width") side = &read.width;
      if (key == "height") side = &read.height;
      if (side != nullptr) {
        VP_ASSIGN_OR_RETURN(*side, read_number(item, place));
      } else if (key == "rotation") {
        VP_ASSIGN_OR_RETURN(read.rotation, read_number(item, place));
      } else if (key == "points") {
        return read_items(item, place, [&](value point, const std::string& of) -> Result<void> {
          VP_ASSIGN_OR_RETURN(const auto pair, read_pair(point, of));
          read.points.push_back(pair);
          return {};
        });
      } else if (key.ends_with("labels") || key == "choices") {
        read.is_class = key == "choices";
        return read_items(item, place, [&](value tag, const std::string& of) -> Result<void> {
          VP_ASSIGN_OR_RETURN(std::string name, read_text(tag, of));
          read.tags.push_back(std::move(name));
          return {};
        });
      } else {
        return read_size(key, item, place, read);
      }
      return {};
    });
  }

  Result<void> add_item(const LabelStudioItem& item, const std::string& path,
                        LabelledImage& image) {
    if (item.is_class) {
      if (item.tags.size() == 1) {
        image.class_tag = item.tags.front();
        ++classes_;
      } else {
        labelled_.oddities.add("choices of several tags, left out", path);
      }
      return {};
    }
    const bool is_box = item.x && item.y && item.width && item.height;
    if ((!is_box && item.points.size() < 3) || item.type == "rectangle") {
      // A region's box stands in a result of its own beside the one with its labels.
      if (item.type != "rectangle") {
        labelled_.oddities.add("results that are neither a box nor a polygon, left out",
                               fmt::format("{}, {}", path, item.type));
      }
      return {};
    }
    if (item.tags.empty()) {
      labelled_.oddities.add("boxes without a label, left out", path);
      return {};
    }
    VP_ASSIGN_OR_RETURN(const Rectangle box, find_box(item, is_box, path));
    if (image.width == 0) image.width = item.original_width;
    if (image.height == 0) image.height = item.original_height;
    for (const std::string& tag : item.tags) {
      image.boxes.push_back({.tag = tag, .box = box});
      ++boxes_;
    }
    return {};
  }

  /// In pixels of the frame.
  Result<Rectangle> find_box(const LabelStudioItem& item, bool is_box, const std::string& path) {
    if (item.original_width < 1 || item.original_height < 1) {
      return fail(ErrorKind::Malformed,
                  "{}: \"original_width\" or \"original_height\" is missing, of which the box is "
                  "percents",
                  path);
    }
    const double across = item.original_width / 100.0;
    const double down = item.original_height / 100.0;
    std::vector<std::array<double, 2>> corners;
    if (is_box && item.rotation == 0.0) {
      return Rectangle{.x = *item.x * across,
                       .y = *item.y * down,
                       .width = *item.width * across,
                       .height = *item.height * down};
    }
    if (is_box) {
      ++labelled_.unread["rotation"];
      const double angle = item.rotation * std::numbers::pi / 180.0;
      const double cosine = std::cos(angle);
      const double sine = std::sin(angle);
      for (const double right : {0.0, *item.width * across}) {
        for (const double below : {0.0, *item.height * down}) {
          corners.push_back({*item.x * across + right * cosine - below * sine,
                             *item.y * down + right * sine + below * cosine});
        }
      }
    } else {
      ++labelled_.unread["polygon"];
      for (const auto& [x, y] : item.points) corners.push_back({x * across, y * down});
    }
    return rectangle_around(corners);
  }

  LabelledImages labelled_ = {};
  std::size_t boxes_ = 0;
  std::size_t classes_ = 0;
};

Result<Dataset> read_label_studio(const DatasetOptions& options, Diagnostics& diagnostics) {
  JsonFile json;
  VP_RETURN_IF_ERROR(open_json(options.data, json));
  VP_ASSIGN_OR_RETURN(const value root, view_root(json));
  VP_ASSIGN_OR_RETURN(LabelledImages labelled, LabelStudioReader().read(root));
  return make_dataset(std::move(labelled), options, diagnostics);
}

}  // namespace

const DatasetForm label_studio_form = {
    .name = "label-studio", .is_file = is_label_studio_file, .read = read_label_studio};

}  // namespace visionpress
