// Azure AutoML's JSON lines: {"image_url": URL, "label": ...} per image. The label is a list of
// {"label": TAG, "topX", "topY", "bottomX", "bottomY", "isCrowd"} in shares of the picture's sides,
// or with "polygon" [[x, y, ...]] in place of corners; a text, or a list of texts, for classifiers.
// source: learn.microsoft.com, "Data schemas to train computer vision models with automated machine
// learning".

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "eval/dataset_table.h"
#include "eval/json_fields.h"
#include "eval/label_files.h"
#include "eval/label_json.h"
#include "eval/labelled_images.h"
#include "eval/rectangle.h"

namespace visionpress {
namespace {

using simdjson::ondemand::json_type;
using simdjson::ondemand::value;

bool is_azure_file(const FileHead& file) {
  if (!file.text.starts_with('{')) return false;
  const auto keys = list_first_keys(file.text);
  return std::ranges::find(keys, "image_url") != keys.end();
}

/// Below the datastore's "paths", where the URL is one of Azure's.
std::string find_blob_name(std::string_view url) {
  const std::size_t paths = url.find("/paths/");
  if (url.starts_with("azureml://") && paths != std::string_view::npos) {
    return std::string(url.substr(paths + 7));
  }
  const std::size_t scheme = url.find("://");  // AmlDatastore://CONTAINER/PATH
  if (scheme == std::string_view::npos) return std::string(url);
  url.remove_prefix(scheme + 3);
  return std::string(url.substr(std::min(url.find('/') + 1, url.size())));
}

class AzureReader {
 public:
  /// A line that cannot be read is left out; if that is all of them, the first one's error is the
  /// data set's.
  Result<LabelledImages> read(std::string_view text) {
    labelled_.unit = BoxUnit::Shares;
    std::optional<Error> first;
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::string_view line = trim_blanks(cut_line(text));
      if (line.empty()) continue;
      if (auto read = read_line(line, number); !read) {
        labelled_.oddities.add("lines that cannot be read, left out", read.error().message);
        if (!first) first = std::move(read).error();
      }
    }
    if (labelled_.images.empty() && first) return tl::unexpected<Error>(*std::move(first));
    labelled_.has_boxes = !has_classes_ || has_lists_;
    if (has_classes_ && has_lists_) {
      return fail(ErrorKind::Malformed, "some images have one label, others a list of boxes");
    }
    if (!labelled_.has_boxes) drop_without_class();
    return std::move(labelled_);
  }

 private:
  Result<void> read_line(std::string_view line, std::size_t number) {
    JsonFile json;
    const std::string path = fmt::format("line {}", number);
    if (auto opened = open_json_text(line, json); !opened) {
      return fail(ErrorKind::Malformed, "{}: {}", path, opened.error().message);
    }
    auto root = view_root(json);
    if (!root) return fail(ErrorKind::Malformed, "{}: {}", path, root.error().message);
    LabelledImage image;
    VP_RETURN_IF_ERROR(
        read_fields(*root, path, [&](const std::string& key, value item) -> Result<void> {
          const std::string place = path + "." + key;
          if (is_null(item)) return {};
          if (key == "image_url") {
            VP_ASSIGN_OR_RETURN(const std::string url, read_text(item, place));
            image.file_name = find_blob_name(url);
          } else if (key == "label") {
            return read_label(item, place, image);
          } else if (key != "image_details") {  // the picture's own business
            ++labelled_.unread[key];
          }
          return {};
        }));
    if (image.file_name.empty()) {
      return fail(ErrorKind::Malformed, "{}: \"image_url\" is missing", path);
    }
    labelled_.images.push_back(std::move(image));
    return {};
  }

  Result<void> read_label(value source, const std::string& path, LabelledImage& image) {
    json_type type = json_type::null;
    if (source.type().get(type) == simdjson::SUCCESS && type == json_type::string) {
      has_classes_ = true;
      VP_ASSIGN_OR_RETURN(image.class_tag, read_text(source, path));
      return {};
    }
    std::size_t tags = 0;
    VP_RETURN_IF_ERROR(
        read_items(source, path, [&](value item, const std::string& place) -> Result<void> {
          json_type of_item = json_type::null;
          if (item.type().get(of_item) != simdjson::SUCCESS || of_item != json_type::string) {
            has_lists_ = true;
            return read_box(item, place, image);
          }
          has_classes_ = true;
          VP_ASSIGN_OR_RETURN(image.class_tag, read_text(item, place));
          ++tags;
          return {};
        }));
    if (tags > 1) image.class_tag.clear();
    return {};
  }

  Result<void> read_box(value source, const std::string& path, LabelledImage& image) {
    LabelledBox box;
    std::array<std::optional<double>, 4> corners = {};
    bool has_polygon = false;
    VP_RETURN_IF_ERROR(
        read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
          constexpr std::array<std::string_view, 4> kCorners = {"topX", "topY", "bottomX",
                                                                "bottomY"};
          const std::string place = path + "." + key;
          if (is_null(item)) return {};
          const auto corner = std::ranges::find(kCorners, key);
          if (corner != kCorners.end()) {
            const auto index = static_cast<std::size_t>(corner - kCorners.begin());
            VP_ASSIGN_OR_RETURN(corners[index], read_number(item, place));
          } else if (key == "label") {
            VP_ASSIGN_OR_RETURN(box.tag, read_text(item, place));
          } else if (key == "isCrowd") {
            VP_ASSIGN_OR_RETURN(box.crowd, read_flag(item, place));
          } else if (key == "polygon") {
            has_polygon = true;
            return read_polygon(item, place, corners);
          } else {
            ++labelled_.unread["label." + key];
          }
          return {};
        }));
    if (has_polygon) ++labelled_.unread["label.polygon"];
    add_box(std::move(box), corners, path, image);
    return {};
  }

  void add_box(LabelledBox box, const std::array<std::optional<double>, 4>& corners,
               const std::string& path, LabelledImage& image) {
    const bool has_box =
        std::ranges::all_of(corners, [](const auto& corner) { return corner.has_value(); });
    if (!has_box || box.tag.empty()) {
      labelled_.oddities.add(
          has_box ? "boxes without a label, left out" : "labels without a box, left out", path);
      return;
    }
    std::array<double, 4> places = {*corners[0], *corners[1], *corners[2], *corners[3]};
    if (put_corners_in_order(places)) {
      labelled_.oddities.add("boxes whose corners are exchanged, put in order", path);
    }
    box.box = rectangle_between(places);
    image.boxes.push_back(std::move(box));
  }

  static Result<bool> read_flag(value source, const std::string& path) {
    bool flag = false;
    if (source.get_bool().get(flag) == simdjson::SUCCESS) return flag;
    VP_ASSIGN_OR_RETURN(const std::int64_t number, read_whole(source, path));
    return number != 0;
  }

  /// [[x, y, x, y, ...], ...]: the box around all of them.
  static Result<void> read_polygon(value source, const std::string& path,
                                   std::array<std::optional<double>, 4>& corners) {
    return read_items(source, path, [&](value part, const std::string& of) {
      std::size_t index = 0;
      return read_items(part, of, [&](value item, const std::string& place) -> Result<void> {
        VP_ASSIGN_OR_RETURN(const double at, read_number(item, place));
        const std::size_t axis = index++ % 2;
        corners[axis] = std::min(corners[axis].value_or(at), at);
        corners[axis + 2] = std::max(corners[axis + 2].value_or(at), at);
        return {};
      });
    });
  }

  void drop_without_class() {
    std::erase_if(labelled_.images, [&](const LabelledImage& image) {
      if (!image.class_tag.empty()) return false;
      labelled_.oddities.add("images without a label or with several, left out", image.file_name);
      return true;
    });
  }

  LabelledImages labelled_ = {};
  bool has_classes_ = false;
  bool has_lists_ = false;
};

Result<Dataset> read_azure(const DatasetOptions& options, Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(const MappedText file, MappedText::open(options.data, std::size_t{1} << 32));
  VP_ASSIGN_OR_RETURN(LabelledImages labelled, AzureReader().read(file.text()));
  return make_dataset(std::move(labelled), options, diagnostics);
}

}  // namespace

const DatasetForm azure_form = {.name = "azure", .is_file = is_azure_file, .read = read_azure};

}  // namespace visionpress
