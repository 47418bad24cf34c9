// COCO JSON: {"images": [{id, file_name, width, height}], "annotations": [{id, image_id,
// category_id, bbox [x, y, w, h], area, iscrowd}], "categories": [{id, name}]}, in any order; the
// rest is skipped. source: cocodataset.org, "Data format".

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "eval/dataset_parts.h"
#include "eval/image.h"

namespace visionpress {
namespace {

using simdjson::ondemand::array;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

/// An annotation as written; the categories may come after it in the file.
struct RawAnnotation {
  std::optional<std::int64_t> id = std::nullopt;
  std::optional<std::int64_t> image_id = std::nullopt;
  std::optional<std::int64_t> category_id = std::nullopt;
  std::optional<std::array<double, 4>> box = std::nullopt;
  std::optional<double> area = std::nullopt;
  bool crowd = false;
};

struct RawImage {
  std::optional<std::int64_t> id = std::nullopt;
  std::optional<std::string> file_name = std::nullopt;
  std::int64_t width = 0;
  std::int64_t height = 0;
};

struct RawCategory {
  std::optional<std::int64_t> id = std::nullopt;
  std::optional<std::string> name = std::nullopt;
};

struct RawCoco {
  std::vector<RawImage> images = {};
  std::vector<RawAnnotation> annotations = {};
  std::vector<RawCategory> categories = {};
};

/// Calls read(key, value, path) for each field of an object.
template <typename Read>
Result<void> read_fields(value source, const std::string& path, const Read& read) {
  object fields;
  if (const auto code = source.get_object().get(fields); code != simdjson::SUCCESS) {
    return fail_json(path, "an object", code);
  }
  for (auto field : fields) {
    std::string_view key;
    value item;
    if (const auto code = field.unescaped_key().get(key); code != simdjson::SUCCESS) {
      return fail_json(path, "a key", code);
    }
    if (const auto code = field.value().get(item); code != simdjson::SUCCESS) {
      return fail_json(path, "a value", code);
    }
    VP_RETURN_IF_ERROR(read(key, item));
  }
  return {};
}

/// Calls read(value, path) for each item of an array.
template <typename Read>
Result<void> read_items(value source, std::string_view path, const Read& read) {
  array items;
  if (const auto code = source.get_array().get(items); code != simdjson::SUCCESS) {
    return fail_json(path, "an array", code);
  }
  std::size_t index = 0;
  for (auto item_result : items) {
    const std::string item_path = fmt::format("{}[{}]", path, index++);
    value item;
    if (const auto code = item_result.get(item); code != simdjson::SUCCESS) {
      return fail_json(item_path, "a value", code);
    }
    VP_RETURN_IF_ERROR(read(item, item_path));
  }
  return {};
}

template <typename T>
Result<void> store(Result<T> from, std::optional<T>& to) {
  if (!from) return tl::unexpected<Error>(std::move(from).error());
  to = std::move(*from);
  return {};
}

Result<std::array<double, 4>> read_box(value source, const std::string& path) {
  std::array<double, 4> box = {};
  std::size_t count = 0;
  VP_RETURN_IF_ERROR(read_items(source, path, [&](value item, const std::string& item_path) {
    Result<double> number = read_number(item, item_path);
    if (!number) return Result<void>(tl::unexpected<Error>(std::move(number).error()));
    if (count < 4) box[count] = *number;
    ++count;
    return Result<void>();
  }));
  if (count != 4) {
    return fail(ErrorKind::Malformed, "{}: expected 4 numbers, found {}", path, count);
  }
  return box;
}

/// 0 and 1 as COCO has it; true and false as some tools write it.
Result<bool> read_crowd(value source, const std::string& path) {
  bool flag = false;
  if (source.get_bool().get(flag) == simdjson::SUCCESS) return flag;
  VP_ASSIGN_OR_RETURN(const std::int64_t number, read_whole(source, path));
  return number != 0;
}

Result<void> read_annotation(value source, const std::string& path, RawCoco& coco) {
  RawAnnotation raw;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](std::string_view key, value item) -> Result<void> {
        if (key == "id") return store(read_whole(item, path + ".id"), raw.id);
        if (key == "image_id") return store(read_whole(item, path + ".image_id"), raw.image_id);
        if (key == "category_id")
          return store(read_whole(item, path + ".category_id"), raw.category_id);
        if (key == "bbox") return store(read_box(item, path + ".bbox"), raw.box);
        if (key == "area") return store(read_number(item, path + ".area"), raw.area);
        if (key == "iscrowd") {
          VP_ASSIGN_OR_RETURN(raw.crowd, read_crowd(item, path + ".iscrowd"));
        }
        return {};
      }));
  if (!raw.image_id || !raw.category_id || !raw.box) {
    return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path,
                !raw.image_id      ? "image_id"
                : !raw.category_id ? "category_id"
                                   : "bbox");
  }
  coco.annotations.push_back(raw);
  return {};
}

Result<void> read_image(value source, const std::string& path, RawCoco& coco) {
  RawImage raw;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](std::string_view key, value item) -> Result<void> {
        if (key == "id") return store(read_whole(item, path + ".id"), raw.id);
        if (key == "file_name") return store(read_text(item, path + ".file_name"), raw.file_name);
        if (key == "width" || key == "height") {
          VP_ASSIGN_OR_RETURN(const std::int64_t side,
                              read_whole(item, fmt::format("{}.{}", path, key)));
          (key == "width" ? raw.width : raw.height) = side;
        }
        return {};
      }));
  if (!raw.id || !raw.file_name) {
    return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path, !raw.id ? "id" : "file_name");
  }
  constexpr std::int64_t kMaxSide = 1 << 20;
  if (raw.width < 0 || raw.height < 0 || raw.width > kMaxSide || raw.height > kMaxSide) {
    return fail(ErrorKind::Malformed, "{}: the image is {}x{} pixels", path, raw.width, raw.height);
  }
  coco.images.push_back(std::move(raw));
  return {};
}

Result<void> read_category(value source, const std::string& path, RawCoco& coco) {
  RawCategory raw;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](std::string_view key, value item) -> Result<void> {
        if (key == "id") return store(read_whole(item, path + ".id"), raw.id);
        if (key == "name") return store(read_text(item, path + ".name"), raw.name);
        return {};
      }));
  if (!raw.id || !raw.name) {
    return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path, !raw.id ? "id" : "name");
  }
  coco.categories.push_back(std::move(raw));
  return {};
}

Result<RawCoco> read_raw(JsonFile& json) {
  RawCoco coco;
  value root;
  if (const auto code = json.document.get_value().get(root); code != simdjson::SUCCESS) {
    return fail_json("the root", "an object", code);
  }
  std::array<bool, 3> seen = {};
  VP_RETURN_IF_ERROR(
      read_fields(root, "the root", [&](std::string_view key, value item) -> Result<void> {
        const std::string name(key);  // the parser reuses the key's storage
        const auto each = [&](auto read) {
          return read_items(item, name, [&](value entry, const std::string& path) {
            return read(entry, path, coco);
          });
        };
        if (key == "images") seen[0] = true;
        if (key == "annotations") seen[1] = true;
        if (key == "categories") seen[2] = true;
        if (name == "images") return each(read_image);
        if (name == "annotations") return each(read_annotation);
        if (name == "categories") return each(read_category);
        return {};
      }));
  constexpr std::array<const char*, 3> kNames = {"images", "annotations", "categories"};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!seen[i]) return fail(ErrorKind::Malformed, "the root: \"{}\" is missing", kNames[i]);
  }
  return coco;
}

using IndexById = std::unordered_map<std::int64_t, std::size_t>;

/// Tags in the order of their ids, which is pycocotools' order too.
Result<IndexById> add_tags(RawCoco& coco, Dataset& dataset) {
  std::ranges::stable_sort(coco.categories, {}, [](const RawCategory& c) { return *c.id; });
  IndexById index;
  std::unordered_set<std::string> names;
  for (RawCategory& category : coco.categories) {
    if (!index.emplace(*category.id, dataset.tags.size()).second) {
      return fail(ErrorKind::Malformed, "categories: id {} is there twice", *category.id);
    }
    if (!names.insert(*category.name).second) {
      return fail(ErrorKind::Malformed, "categories: \"{}\" is there twice", *category.name);
    }
    dataset.category_ids.push_back(*category.id);
    dataset.tags.push_back(std::move(*category.name));
  }
  return index;
}

Result<IndexById> add_images(RawCoco& coco, const DatasetOptions& options, Dataset& dataset) {
  std::ranges::stable_sort(coco.images, {}, [](const RawImage& image) { return *image.id; });
  const ImageFolders folders{options.data, options.images, options.image_need};
  IndexById index;
  for (RawImage& raw : coco.images) {
    if (!index.emplace(*raw.id, dataset.images.size()).second) {
      return fail(ErrorKind::Malformed, "images: id {} is there twice", *raw.id);
    }
    const bool wanted = options.max_images == 0 || dataset.images.size() < options.max_images;
    DatasetImage image;
    image.id = *raw.id;
    image.file_name = std::move(*raw.file_name);
    if (wanted) {
      image.width = static_cast<int>(raw.width);
      image.height = static_cast<int>(raw.height);
      VP_ASSIGN_OR_RETURN(image.path, find_image(folders, image.file_name));
      if ((image.width == 0 || image.height == 0) && !image.path.empty()) {
        VP_ASSIGN_OR_RETURN(const ImageSize size, load_image_size(image.path));
        image.width = size.width;
        image.height = size.height;
      }
      if (image.width == 0 || image.height == 0) {
        return fail(ErrorKind::Malformed, "images: id {} has no width and height", image.id);
      }
    }
    dataset.images.push_back(std::move(image));
  }
  return index;
}

/// Ids are what pycocotools matches by, so two boxes may not share one.
Result<void> check_unique_ids(const std::vector<RawAnnotation>& annotations) {
  IndexById seen;
  seen.reserve(annotations.size());
  for (std::size_t i = 0; i < annotations.size(); ++i) {
    if (!annotations[i].id) continue;
    const auto [at, added] = seen.emplace(*annotations[i].id, i);
    if (!added) {
      return fail(ErrorKind::Malformed, "annotations[{}]: id {} is that of annotations[{}] too", i,
                  *annotations[i].id, at->second);
    }
  }
  return {};
}

Result<void> add_boxes(const RawCoco& coco, const IndexById& image_index,
                       const IndexById& tag_index, Dataset& dataset) {
  for (std::size_t i = 0; i < coco.annotations.size(); ++i) {
    const RawAnnotation& raw = coco.annotations[i];
    const auto image_at = image_index.find(*raw.image_id);
    if (image_at == image_index.end()) {
      return fail(ErrorKind::Malformed, "annotations[{}].image_id: no image has id {}", i,
                  *raw.image_id);
    }
    const auto tag_at = tag_index.find(*raw.category_id);
    if (tag_at == tag_index.end()) {
      return fail(ErrorKind::Malformed, "annotations[{}].category_id: no category has id {}", i,
                  *raw.category_id);
    }
    DatasetImage& image = dataset.images[image_at->second];
    if (image.width == 0 || image.height == 0) continue;  // beyond max_images
    const auto& [x, y, width, height] = *raw.box;
    TruthBox box;
    box.id = raw.id.value_or(static_cast<std::int64_t>(i) + 1);
    box.tag = static_cast<int>(tag_at->second);
    box.x = x;
    box.y = y;
    box.width = width;
    box.height = height;
    box.crowd = raw.crowd;
    const std::string path = fmt::format("annotations[{}].bbox", i);
    VP_ASSIGN_OR_RETURN(const bool cut, clamp_box(box, image.width, image.height, path));
    if (cut) ++dataset.clamped_boxes;
    box.area = raw.area.value_or(box.width * box.height);
    image.truths.push_back(box);
  }
  return {};
}

}  // namespace

Result<Dataset> read_coco(JsonFile& json, const DatasetOptions& options,
                          Diagnostics& /*diagnostics*/) {
  VP_ASSIGN_OR_RETURN(RawCoco coco, read_raw(json));
  Dataset dataset;
  dataset.kind = DatasetKind::Coco;
  VP_ASSIGN_OR_RETURN(const IndexById tags, add_tags(coco, dataset));
  VP_ASSIGN_OR_RETURN(const IndexById images, add_images(coco, options, dataset));
  VP_RETURN_IF_ERROR(check_unique_ids(coco.annotations));
  VP_RETURN_IF_ERROR(add_boxes(coco, images, tags, dataset));
  return dataset;
}

}  // namespace visionpress
