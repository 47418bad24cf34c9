// VoTT version 1: {"frames": {FILE: [{x1, y1, x2, y2, width, height, tags}]}, "inputTags": "a,b"}.
// Boxes are in pixels of a frame of width x height, which the tool took from the picture it showed.

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "eval/dataset_parts.h"
#include "eval/image.h"

namespace visionpress {
namespace {

using simdjson::ondemand::array;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

struct Region {
  std::optional<double> x1 = std::nullopt;
  std::optional<double> y1 = std::nullopt;
  std::optional<double> x2 = std::nullopt;
  std::optional<double> y2 = std::nullopt;
  double width = 0.0;
  double height = 0.0;
  std::vector<std::string> tags = {};
  std::string path = {};
};

struct Frame {
  std::string file_name = {};
  std::vector<Region> regions = {};
};

struct RawVott {
  std::vector<Frame> frames = {};
  std::vector<std::string> tags = {};
};

Result<std::vector<std::string>> read_tags(value source, const std::string& path) {
  array items;
  if (const auto code = source.get_array().get(items); code != simdjson::SUCCESS) {
    return fail_json(path, "an array", code);
  }
  std::vector<std::string> tags;
  for (auto item_result : items) {
    value item;
    const std::string item_path = fmt::format("{}[{}]", path, tags.size());
    if (const auto code = item_result.get(item); code != simdjson::SUCCESS) {
      return fail_json(item_path, "a value", code);
    }
    VP_ASSIGN_OR_RETURN(std::string tag, read_text(item, item_path));
    tags.push_back(std::move(tag));
  }
  return tags;
}

Result<void> read_region_field(std::string_view key, value item, Region& region) {
  const std::string path = fmt::format("{}.{}", region.path, key);
  if (key == "tags") {
    VP_ASSIGN_OR_RETURN(region.tags, read_tags(item, path));
    return {};
  }
  if (key == "width" || key == "height") {
    VP_ASSIGN_OR_RETURN((key == "width" ? region.width : region.height), read_number(item, path));
    return {};
  }
  std::optional<double>* corner = nullptr;
  if (key == "x1") corner = &region.x1;
  if (key == "y1") corner = &region.y1;
  if (key == "x2") corner = &region.x2;
  if (key == "y2") corner = &region.y2;
  if (corner != nullptr) {
    VP_ASSIGN_OR_RETURN(*corner, read_number(item, path));
  }
  return {};
}

Result<Region> read_region(value source, std::string path) {
  Region region;
  region.path = std::move(path);
  object fields;
  if (const auto code = source.get_object().get(fields); code != simdjson::SUCCESS) {
    return fail_json(region.path, "an object", code);
  }
  for (auto field : fields) {
    std::string_view key_view;
    value item;
    if (const auto code = field.unescaped_key().get(key_view); code != simdjson::SUCCESS) {
      return fail_json(region.path, "a key", code);
    }
    const std::string key(key_view);
    if (const auto code = field.value().get(item); code != simdjson::SUCCESS) {
      return fail_json(region.path, "a value", code);
    }
    VP_RETURN_IF_ERROR(read_region_field(key, item, region));
  }
  if (!region.x1 || !region.y1 || !region.x2 || !region.y2) {
    return fail(ErrorKind::Malformed, "{}: one of x1, y1, x2, y2 is missing", region.path);
  }
  return region;
}

Result<void> read_frame(value source, Frame& frame) {
  const std::string path = fmt::format("frames[\"{}\"]", frame.file_name);
  array items;
  if (const auto code = source.get_array().get(items); code != simdjson::SUCCESS) {
    return fail_json(path, "an array", code);
  }
  for (auto item_result : items) {
    value item;
    std::string item_path = fmt::format("{}[{}]", path, frame.regions.size());
    if (const auto code = item_result.get(item); code != simdjson::SUCCESS) {
      return fail_json(item_path, "a value", code);
    }
    VP_ASSIGN_OR_RETURN(Region region, read_region(item, std::move(item_path)));
    frame.regions.push_back(std::move(region));
  }
  return {};
}

Result<void> read_frames(value source, RawVott& vott) {
  object fields;
  if (const auto code = source.get_object().get(fields); code != simdjson::SUCCESS) {
    return fail_json("frames", "an object", code);
  }
  for (auto field : fields) {
    std::string_view key;
    value item;
    if (const auto code = field.unescaped_key().get(key); code != simdjson::SUCCESS) {
      return fail_json("frames", "a key", code);
    }
    Frame frame;
    frame.file_name = std::string(key);
    if (const auto code = field.value().get(item); code != simdjson::SUCCESS) {
      return fail_json("frames", "a value", code);
    }
    VP_RETURN_IF_ERROR(read_frame(item, frame));
    vott.frames.push_back(std::move(frame));
  }
  return {};
}

std::vector<std::string> split_tags(std::string_view text) {
  std::vector<std::string> tags;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) tags.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return tags;
}

Result<RawVott> read_raw(JsonFile& json) {
  RawVott vott;
  object root;
  if (const auto code = json.document.get_object().get(root); code != simdjson::SUCCESS) {
    return fail_json("the root", "an object", code);
  }
  for (auto field : root) {
    std::string_view key_view;
    value item;
    if (const auto code = field.unescaped_key().get(key_view); code != simdjson::SUCCESS) {
      return fail_json("the root", "a key", code);
    }
    const std::string key(key_view);
    if (const auto code = field.value().get(item); code != simdjson::SUCCESS) {
      return fail_json("the root", "a value", code);
    }
    if (key == "frames") VP_RETURN_IF_ERROR(read_frames(item, vott));
    if (key == "inputTags") {
      VP_ASSIGN_OR_RETURN(const std::string text, read_text(item, "inputTags"));
      vott.tags = split_tags(text);
    }
  }
  return vott;
}

/// Boxes of one region, a tag each, in pixels of the picture as it really is.
Result<void> add_region(const Region& region, const std::vector<int>& tags, DatasetImage& image,
                        Dataset& dataset) {
  const double scale_x = region.width > 0.0 ? image.width / region.width : 1.0;
  const double scale_y = region.height > 0.0 ? image.height / region.height : 1.0;
  TruthBox box;
  box.x = *region.x1 * scale_x;
  box.y = *region.y1 * scale_y;
  box.width = (*region.x2 - *region.x1) * scale_x;
  box.height = (*region.y2 - *region.y1) * scale_y;
  VP_ASSIGN_OR_RETURN(const bool cut, clamp_box(box, image.width, image.height, region.path));
  box.area = box.width * box.height;
  for (const int tag : tags) {
    box.tag = tag;
    image.truths.push_back(box);
    if (cut) ++dataset.clamped_boxes;
  }
  return {};
}

/// The size of the picture; where pictures are optional and this one is absent, the regions' frame.
Result<void> set_size(const Frame& frame, DatasetImage& image) {
  if (!image.path.empty()) {
    VP_ASSIGN_OR_RETURN(const ImageSize size, load_image_size(image.path));
    image.width = size.width;
    image.height = size.height;
    return {};
  }
  constexpr double kMaxSide = 1 << 20;
  for (const Region& region : frame.regions) {
    if (!(region.width >= 1.0 && region.height >= 1.0) || region.width > kMaxSide ||
        region.height > kMaxSide) {
      return fail(ErrorKind::Malformed, "{}: the frame is {}x{}", region.path, region.width,
                  region.height);
    }
    image.width = static_cast<int>(region.width);
    image.height = static_cast<int>(region.height);
  }
  image.width = std::max(image.width, 1);  // a picture without regions: any frame will do
  image.height = std::max(image.height, 1);
  return {};
}

class TagTable {
 public:
  TagTable(Dataset& dataset, Diagnostics& diagnostics)
      : dataset_(dataset), diagnostics_(diagnostics) {}

  void add(const std::string& tag) {
    if (index_.emplace(tag, static_cast<int>(dataset_.tags.size())).second) {
      dataset_.tags.push_back(tag);
      dataset_.category_ids.push_back(static_cast<std::int64_t>(dataset_.tags.size()));
    }
  }

  /// Indices of a region's tags, each once. A tag that inputTags lacks is taken in, with a warning.
  std::vector<int> find(const Region& region) {
    std::vector<int> found;
    for (const std::string& tag : region.tags) {
      if (!index_.contains(tag)) {
        diagnostics_.warn(
            fmt::format("{}: tag \"{}\" is not in inputTags; added", region.path, tag));
        add(tag);
      }
      const int index = index_.at(tag);
      if (std::ranges::find(found, index) == found.end()) found.push_back(index);
    }
    if (found.empty()) {
      diagnostics_.warn(fmt::format("{}: no tag; the region is left out", region.path));
    }
    return found;
  }

 private:
  Dataset& dataset_;
  Diagnostics& diagnostics_;
  std::unordered_map<std::string, int> index_ = {};
};

}  // namespace

Result<Dataset> read_vott(JsonFile& json, const DatasetOptions& options, Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(RawVott vott, read_raw(json));
  std::ranges::stable_sort(vott.frames, {}, &Frame::file_name);
  Dataset dataset;
  dataset.kind = DatasetKind::Vott;
  TagTable tags(dataset, diagnostics);
  for (const std::string& tag : vott.tags) tags.add(tag);
  const ImageFolders folders{options.data, options.images, options.image_need};
  std::int64_t box_id = 0;
  for (std::size_t i = 0; i < vott.frames.size(); ++i) {
    const Frame& frame = vott.frames[i];
    if (i > 0 && frame.file_name == vott.frames[i - 1].file_name) {
      return fail(ErrorKind::Malformed, "frames[\"{}\"]: the frame is there twice",
                  frame.file_name);
    }
    if (options.max_images != 0 && i >= options.max_images) {
      dataset.left_out_ids.push_back(static_cast<std::int64_t>(i) + 1);
      continue;
    }
    DatasetImage image;
    image.id = static_cast<std::int64_t>(i) + 1;
    image.file_name = frame.file_name;
    VP_ASSIGN_OR_RETURN(image.path, find_image(folders, frame.file_name));
    VP_RETURN_IF_ERROR(set_size(frame, image));
    for (const Region& region : frame.regions) {
      VP_RETURN_IF_ERROR(add_region(region, tags.find(region), image, dataset));
    }
    for (TruthBox& box : image.truths) box.id = ++box_id;
    dataset.images.push_back(std::move(image));
  }
  return dataset;
}

}  // namespace visionpress
