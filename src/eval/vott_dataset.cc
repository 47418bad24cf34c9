// VoTT version 1: {"frames": {FILE: [{x1, y1, x2, y2, width, height, tags}]}, "inputTags": "a,b"}.
// Boxes are in pixels of a frame of width x height, which the tool took from the picture it showed.
// VoTT version 2, its JSON export: {"assets": {ID: {"asset": {name, path, size {width, height},
// type}, "regions": [{tags, boundingBox {left, top, width, height}}]}}, "tags": [{name}]}. A
// project file
// (.vott) has the assets alone, {id, name, size, state, type}; a tagged asset's regions are in a
// file beside it, ID-asset.json, written as an asset of the export.
// source: VoTT 2.2, src/models/applicationState.ts and src/services/assetService.ts.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <unordered_map>
#include <utility>

#include "eval/dataset_parts.h"
#include "eval/dataset_table.h"
#include "eval/image.h"
#include "eval/image_frame.h"
#include "eval/json_fields.h"

namespace visionpress {
namespace {

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
  std::string id = {};                               ///< version 2
  std::optional<std::int64_t> state = std::nullopt;  ///< version 2: AssetState
};

struct RawVott {
  std::vector<Frame> frames = {};
  std::vector<std::string> tags = {};
  bool has_regions = false;  ///< version 2: whether any asset has the key
  std::map<std::string, std::size_t> unread = {};
  Oddities oddities = {};
};

Result<std::vector<std::string>> read_tags(value source, const std::string& path) {
  std::vector<std::string> tags;
  VP_RETURN_IF_ERROR(
      read_items(source, path, [&](value item, const std::string& item_path) -> Result<void> {
        VP_ASSIGN_OR_RETURN(std::string tag, read_text(item, item_path));
        tags.push_back(std::move(tag));
        return {};
      }));
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
  VP_RETURN_IF_ERROR(read_fields(source, region.path, [&](const std::string& key, value item) {
    return read_region_field(key, item, region);
  }));
  if (!region.x1 || !region.y1 || !region.x2 || !region.y2) {
    return fail(ErrorKind::Malformed, "{}: one of x1, y1, x2, y2 is missing", region.path);
  }
  return region;
}

Result<void> read_frame(value source, Frame& frame) {
  const std::string path = fmt::format("frames[\"{}\"]", frame.file_name);
  return read_items(source, path, [&](value item, const std::string& item_path) -> Result<void> {
    VP_ASSIGN_OR_RETURN(Region region, read_region(item, item_path));
    frame.regions.push_back(std::move(region));
    return {};
  });
}

Result<void> read_frames(value source, RawVott& vott) {
  return read_fields(source, "frames", [&](const std::string& key, value item) -> Result<void> {
    Frame frame;
    frame.file_name = key;
    VP_RETURN_IF_ERROR(read_frame(item, frame));
    vott.frames.push_back(std::move(frame));
    return {};
  });
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
  VP_ASSIGN_OR_RETURN(const value root, view_root(json));
  VP_RETURN_IF_ERROR(
      read_fields(root, "the root", [&](const std::string& key, value item) -> Result<void> {
        if (key == "frames") return read_frames(item, vott);
        if (key == "inputTags") {
          VP_ASSIGN_OR_RETURN(const std::string text, read_text(item, "inputTags"));
          vott.tags = split_tags(text);
        }
        return {};
      }));
  return vott;
}

class TagTable {
 public:
  TagTable(Dataset& dataset, Oddities& oddities) : dataset_(dataset), oddities_(oddities) {}

  void add(const std::string& tag) {
    if (index_.emplace(tag, static_cast<int>(dataset_.tags.size())).second) {
      dataset_.tags.push_back(tag);
      dataset_.category_ids.push_back(static_cast<std::int64_t>(dataset_.tags.size()));
    }
  }

  /// Indices of a region's tags, each once. A tag that is not listed is taken in, with a warning.
  std::vector<int> find(const Region& region) {
    std::vector<int> found;
    for (const std::string& tag : region.tags) {
      if (!index_.contains(tag)) {
        oddities_.add("tags of regions that are not listed as tags, added",
                      fmt::format("\"{}\" of {}", tag, region.path));
        add(tag);
      }
      const int index = index_.at(tag);
      if (std::ranges::find(found, index) == found.end()) found.push_back(index);
    }
    if (found.empty()) oddities_.add("regions without a tag, left out", region.path);
    return found;
  }

 private:
  Dataset& dataset_;
  Oddities& oddities_;
  std::unordered_map<std::string, int> index_ = {};
};

/// The frame that a region's file says; a region without one is in the first's of its image.
ImageSize find_frame(const Frame& frame) {
  for (const Region& region : frame.regions) {
    if (region.width >= 1.0 && region.height >= 1.0 && region.width <= kMaxImageSide &&
        region.height <= kMaxImageSide) {
      return {static_cast<int>(region.width), static_cast<int>(region.height)};
    }
  }
  return {};
}

/// Frames with numbers for names: the frames of a video, or places in the list of a folder's
/// images, as early releases of VoTT count them.
bool has_numbers(const RawVott& vott) {
  return !vott.frames.empty() && std::ranges::all_of(vott.frames, [](const Frame& frame) {
    return find_whole(frame.file_name).has_value();
  });
}

class VottBuilder {
 public:
  VottBuilder(RawVott vott, const DatasetOptions& options)
      : vott_(std::move(vott)), options_(options) {
    oddities_ = std::move(vott_.oddities);
  }

  Result<Dataset> build(Diagnostics& diagnostics) {
    sort_frames();
    for (const std::string& tag : vott_.tags) tags_.add(tag);
    for (std::size_t i = 0; i < vott_.frames.size(); ++i) add_frame(i);
    if (numbered_ && options_.image_need != ImageNeed::Optional) {
      VP_RETURN_IF_ERROR(find_numbered());
    }
    VP_RETURN_IF_ERROR(finder_.settle(dataset_, diagnostics));
    settle_frames(dataset_, oddities_);
    std::int64_t box_id = 0;
    for (DatasetImage& image : dataset_.images) {
      VP_RETURN_IF_ERROR(check_size(image));
      scale_to_picture(image);
      for (TruthBox& box : image.truths) {
        box.id = ++box_id;
        cut_rounding(image, box);
      }
    }
    note_odd_boxes(dataset_, oddities_);
    oddities_.report(options_.data, diagnostics);
    for (const auto& [name, count] : vott_.unread) dataset_.unread.push_back({name, count});
    return std::move(dataset_);
  }

 private:
  /// By name, or by number where all are numbers. A frame that is there twice is one.
  void sort_frames() {
    numbered_ = has_numbers(vott_);
    const bool numbers = numbered_;
    std::ranges::stable_sort(vott_.frames, [numbers](const Frame& a, const Frame& b) {
      return numbers ? *find_whole(a.file_name) < *find_whole(b.file_name)
                     : a.file_name < b.file_name;
    });
    std::vector<Frame> frames;
    for (Frame& frame : vott_.frames) {
      if (frames.empty() || frames.back().file_name != frame.file_name) {
        frames.push_back(std::move(frame));
        continue;
      }
      oddities_.add("frames that are there twice, taken together", frame.file_name);
      std::vector<Region>& regions = frames.back().regions;
      regions.insert(regions.end(), frame.regions.begin(), frame.regions.end());
    }
    vott_.frames = std::move(frames);
  }

  void add_frame(std::size_t index) {
    const Frame& frame = vott_.frames[index];
    DatasetImage image;
    image.id = static_cast<std::int64_t>(index) + 1;
    image.file_name = frame.file_name;
    if (options_.max_images != 0 && index >= options_.max_images) {
      note_left_out(dataset_, image);
      ++dataset_.not_taken;
      return;
    }
    image.path = numbered_ ? find_quietly(frame) : finder_.find(frame.file_name);
    const ImageSize size = find_frame(frame);
    image.width = size.width;
    image.height = size.height;
    for (const Region& region : frame.regions) add_region(region, image);
    dataset_.images.push_back(std::move(image));
  }

  /// Pictures that bear the numbers as names, before the numbers are taken for places.
  std::string find_quietly(const Frame& frame) const {
    ImageFinder finder(options_);
    return finder.find(frame.file_name);
  }

  /// Boxes of one region, a tag each, in pixels of the image's frame.
  void add_region(const Region& region, DatasetImage& image) {
    const bool has_frame = image.width > 0 && region.width > 0.0 && region.height > 0.0;
    const double scale_x = has_frame ? image.width / region.width : 1.0;
    const double scale_y = has_frame ? image.height / region.height : 1.0;
    if (*region.x1 > *region.x2 || *region.y1 > *region.y2) {
      oddities_.add("regions whose corners are exchanged, put in order", region.path);
    }
    TruthBox box;
    box.x = std::min(*region.x1, *region.x2) * scale_x;
    box.y = std::min(*region.y1, *region.y2) * scale_y;
    box.width = std::abs(*region.x2 - *region.x1) * scale_x;
    box.height = std::abs(*region.y2 - *region.y1) * scale_y;
    for (const int tag : tags_.find(region)) {
      box.tag = tag;
      image.truths.push_back(box);
    }
  }

  /// Numbers as places in the sorted list of the images, from 0 or 1: as the frames' sizes fit.
  Result<void> find_numbered() {
    const auto without = std::ranges::count_if(
        dataset_.images, [](const DatasetImage& image) { return image.path.empty(); });
    if (without == 0) return {};
    const std::vector<std::string> pictures = list_pictures(options_);
    for (const std::int64_t base : {0, 1}) {
      if (!fits_places(pictures, base)) continue;
      for (DatasetImage& image : dataset_.images) {
        const auto place = static_cast<std::size_t>(*find_whole(image.file_name) - base);
        oddities_.add(
            fmt::format("frames named by number, taken as places among the {} images in their "
                        "order, from {}",
                        pictures.size(), base),
            fmt::format("frame {} is {}", image.file_name, pictures[place]));
        image.path = pictures[place];
        image.file_name = pictures[place].substr(pictures[place].find_last_of('/') + 1);
      }
      return {};
    }
    return fail(
        ErrorKind::Io,
        "{} frames are named by number, as of a video, and the {} images beside it do not fit "
        "them; a data set needs one picture for each frame",
        vott_.frames.size(), pictures.size());
  }

  [[nodiscard]] bool fits_places(const std::vector<std::string>& pictures,
                                 std::int64_t base) const {
    return std::ranges::all_of(dataset_.images, [&](const DatasetImage& image) {
      const std::int64_t place = *find_whole(image.file_name) - base;
      if (place < 0 || place >= static_cast<std::int64_t>(pictures.size())) return false;
      if (image.width == 0 || image.height == 0) return true;
      const auto size = load_image_size(pictures[static_cast<std::size_t>(place)]);
      if (!size) return false;
      // The frame may be the picture scaled: then the shape is the same.
      const double across = static_cast<double>(size->width) / image.width;
      return std::abs(image.height * across - size->height) <= std::max(1.0, across);
    });
  }

  [[nodiscard]] Result<void> check_size(const DatasetImage& image) const {
    if (image.width > 0 && image.height > 0) return {};
    if (options_.image_need == ImageNeed::Optional || options_.skip_bad) return {};
    VP_RETURN_IF_ERROR(load_image_head(image.path));  // says why it could not be read
    return {};
  }

  /// From the tool's frame to pixels of the upright picture.
  static void scale_to_picture(DatasetImage& image) {
    if (image.picture_width == 0) return;
    const ImageSize size = upright_size(image);
    for (TruthBox& box : image.truths) {
      box = turn_upright(image, box);
      if (image.picture_width == size.width && image.picture_height == size.height) continue;
      const double across = static_cast<double>(image.picture_width) / size.width;
      const double down = static_cast<double>(image.picture_height) / size.height;
      box.x *= across;
      box.width *= across;
      box.y *= down;
      box.height *= down;
    }
    image.width = image.picture_width;
    image.height = image.picture_height;
    image.frame_orientation = 1;
  }

  /// The tool draws on a canvas that shows the picture smaller, so a box at the edge passes it by a
  /// pixel of the canvas. What passes it by more was drawn so, and stays.
  void cut_rounding(const DatasetImage& image, TruthBox& box) {
    constexpr double kRounding =
        2.0;  // pixels of the picture; 1.2 in a real file of 195 photographs
    if (image.width > 0 && image.height > 0) {
      double right = box.x + box.width;
      double bottom = box.y + box.height;
      const bool exceeds =
          box.x < 0.0 || box.y < 0.0 || right > image.width || bottom > image.height;
      if (exceeds && box.x >= -kRounding && box.y >= -kRounding &&
          right <= image.width + kRounding && bottom <= image.height + kRounding) {
        right = std::min(right, static_cast<double>(image.width));
        bottom = std::min(bottom, static_cast<double>(image.height));
        box.x = std::max(box.x, 0.0);
        box.y = std::max(box.y, 0.0);
        box.width = right - box.x;
        box.height = bottom - box.y;
        ++dataset_.clamped_boxes;
      }
    }
    box.area = box.width * box.height;
  }

  RawVott vott_;
  const DatasetOptions& options_;
  ImageFinder finder_{options_};
  Dataset dataset_ = {};
  Oddities oddities_ = {};
  TagTable tags_{dataset_, oddities_};
  bool numbered_ = false;
};

// Version 2.

Result<void> read_asset_field(std::string_view key, value item, const std::string& path,
                              Frame& frame, ImageSize& size, std::int64_t& type) {
  const std::string place = fmt::format("{}.{}", path, key);
  if (key == "name") {
    VP_ASSIGN_OR_RETURN(frame.file_name, read_text(item, place));
  } else if (key == "id") {
    VP_ASSIGN_OR_RETURN(frame.id, read_text(item, place));
  } else if (key == "state") {
    VP_ASSIGN_OR_RETURN(frame.state, read_whole(item, place));
  } else if (key == "type") {
    VP_ASSIGN_OR_RETURN(type, read_whole(item, place));
  } else if (key == "size") {
    return read_fields(item, place, [&](const std::string& side, value of_side) -> Result<void> {
      if (side != "width" && side != "height") return {};
      VP_ASSIGN_OR_RETURN(const std::int64_t pixels, read_whole(of_side, place + "." + side));
      if (pixels < 0 || pixels > (1 << 20)) {
        return fail(ErrorKind::Malformed, "{}.{}: found {} pixels", place, side, pixels);
      }
      (side == "width" ? size.width : size.height) = static_cast<int>(pixels);
      return {};
    });
  }
  return {};
}

Result<Region> read_region2(value source, std::string path, RawVott& vott) {
  Region region;
  region.path = std::move(path);
  std::optional<double> left;
  std::optional<double> top;
  std::optional<double> width;
  std::optional<double> height;
  VP_RETURN_IF_ERROR(
      read_fields(source, region.path, [&](const std::string& key, value item) -> Result<void> {
        const std::string place = region.path + "." + key;
        if (key == "tags") {
          VP_ASSIGN_OR_RETURN(region.tags, read_tags(item, place));
        }
        std::string_view type;
        if (key == "type" && item.get_string().get(type) == simdjson::SUCCESS &&
            type == "POLYGON") {
          ++vott.unread["regions.points of a polygon"];
        }
        if (key != "boundingBox" || is_null(item)) return {};
        return read_fields(item, place, [&](const std::string& name, value side) -> Result<void> {
          std::optional<double>* to = nullptr;
          if (name == "left") to = &left;
          if (name == "top") to = &top;
          if (name == "width") to = &width;
          if (name == "height") to = &height;
          if (to == nullptr) return {};
          VP_ASSIGN_OR_RETURN(*to, read_number(side, place + "." + name));
          return {};
        });
      }));
  if (!left || !top || !width || !height) return region;
  region.x1 = left;
  region.y1 = top;
  region.x2 = *left + *width;
  region.y2 = *top + *height;
  return region;
}

Result<std::vector<Region>> read_regions2(value source, const std::string& path, RawVott& vott) {
  std::vector<Region> regions;
  VP_RETURN_IF_ERROR(
      read_items(source, path, [&](value item, const std::string& place) -> Result<void> {
        VP_ASSIGN_OR_RETURN(Region region, read_region2(item, place, vott));
        if (region.x1) {
          regions.push_back(std::move(region));
        } else {
          vott.oddities.add("regions without a box, left out", region.path);
        }
        return {};
      }));
  return regions;
}

Result<void> read_asset(value source, const std::string& path, RawVott& vott) {
  constexpr std::int64_t kVideo = 2;  // AssetType of VoTT 2; its frames are assets of their own
  Frame frame;
  ImageSize size;
  std::int64_t type = 1;
  bool has_regions = false;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
        const std::string place = path + "." + key;
        if (key == "regions") {
          has_regions = true;
          VP_ASSIGN_OR_RETURN(frame.regions, read_regions2(item, place, vott));
          return {};
        }
        if (key != "asset") return read_asset_field(key, item, path, frame, size, type);
        return read_fields(item, place, [&](const std::string& name, value field) {
          return read_asset_field(name, field, place, frame, size, type);
        });
      }));
  if (type == kVideo) {
    vott.oddities.add("videos, left out (their frames are taken)", path);
    return {};
  }
  if (frame.file_name.empty()) {
    return fail(ErrorKind::Malformed, "{}: \"name\" is missing", path);
  }
  for (Region& region : frame.regions) {
    region.width = size.width;
    region.height = size.height;
  }
  vott.has_regions = vott.has_regions || has_regions;
  vott.frames.push_back(std::move(frame));
  return {};
}

Result<void> read_tag_names(value source, RawVott& vott) {
  return read_items(source, "tags", [&](value item, const std::string& path) {
    return read_fields(item, path, [&](const std::string& key, value field) -> Result<void> {
      if (key == "color") ++vott.unread["tags.color"];
      if (key != "name") return {};
      VP_ASSIGN_OR_RETURN(std::string name, read_text(field, path + ".name"));
      vott.tags.push_back(std::move(name));
      return {};
    });
  });
}

/// The file of a project's asset, added to the frames.
Result<void> read_asset_file(const std::string& project, const Frame& listed, RawVott& vott) {
  if (listed.id.empty() || listed.id.find('/') != std::string::npos) {
    return fail(ErrorKind::Malformed, "\"{}\" has the id \"{}\", which names no file",
                listed.file_name, listed.id);
  }
  const std::string name = listed.id + "-asset.json";
  const std::string path = std::filesystem::path(project).parent_path() / name;
  JsonFile json;
  if (auto opened = open_json(path, json); !opened) return in_file(opened.error(), path);
  auto root = view_root(json);
  if (!root) return in_file(root.error(), path);
  const std::size_t frames = vott.frames.size();
  vott.has_regions = false;
  if (auto read = read_asset(*root, name, vott); !read) return in_file(read.error(), path);
  if (vott.has_regions || vott.frames.size() == frames) return {};  // a video adds none
  vott.frames.pop_back();
  return fail_in(path, ErrorKind::Malformed, "{}: \"regions\" is missing", name);
}

/// The regions of a project's assets. One that was looked at and not tagged has no file, and no
/// box; one that was never looked at may show anything.
Result<void> read_project(const std::string& project, RawVott& vott) {
  constexpr std::int64_t kNotVisited = 0;
  constexpr std::int64_t kVisited = 1;
  std::vector<Frame> listed;
  std::swap(listed, vott.frames);
  std::optional<Error> first;
  for (Frame& frame : listed) {
    if (frame.state == kNotVisited) {
      vott.oddities.add("assets that nobody looked at, left out", frame.file_name);
    } else if (frame.state == kVisited) {
      vott.frames.push_back(std::move(frame));
    } else if (auto read = read_asset_file(project, frame, vott); !read) {
      vott.oddities.add("assets whose file ID-asset.json cannot be read, left out",
                        fmt::format("{}: {}", frame.file_name, read.error().to_string()));
      if (!first) first = read.error();
    }
  }
  if (!first || !vott.frames.empty()) return {};
  return fail(
      ErrorKind::Io,
      "a VoTT version 2 project of {} assets, whose boxes are in files ID-asset.json beside "
      "it, and none can be read; the first: {}",
      listed.size(), first->to_string());
}

Result<Dataset> read_vott(JsonFile& json, const DatasetOptions& options, Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(RawVott vott, read_raw(json));
  return VottBuilder(std::move(vott), options).build(diagnostics);
}

/// An export of version 2, or its project file, whose boxes are in files beside it.
Result<Dataset> read_vott2(JsonFile& json, const DatasetOptions& options,
                           Diagnostics& diagnostics) {
  RawVott vott;
  VP_ASSIGN_OR_RETURN(const value root, view_root(json));
  VP_RETURN_IF_ERROR(
      read_fields(root, "the root", [&](const std::string& key, value item) -> Result<void> {
        if (key == "tags") return read_tag_names(item, vott);
        if (key != "assets") return {};
        return read_fields(item, "assets", [&](const std::string& id, value asset) {
          return read_asset(asset, fmt::format("assets[\"{}\"]", id), vott);
        });
      }));
  const bool is_project = !vott.has_regions;
  if (is_project) VP_RETURN_IF_ERROR(read_project(options.data, vott));
  VP_ASSIGN_OR_RETURN(Dataset dataset, VottBuilder(std::move(vott), options).build(diagnostics));
  dataset.has_label_files = is_project;
  return dataset;
}

}  // namespace

const DatasetForm vott_form = {.name = "vott1", .keys = {"frames"}, .read_json = read_vott};
const DatasetForm vott2_form = {.name = "vott", .keys = {"assets"}, .read_json = read_vott2};

}  // namespace visionpress
