#include "eval/coco_subset.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "eval/coco_elements.h"
#include "eval/json_elements.h"

namespace visionpress {
namespace {

using simdjson::ondemand::value;

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

/// Reads elements into lists; one parser for all of them.
class ElementReader {
 public:
  std::vector<CocoImage> images = {};
  std::vector<CocoAnnotation> annotations = {};
  std::vector<CocoCategory> categories = {};

  Result<void> read(const std::string& key, std::size_t index, std::string_view text) {
    const std::string path = fmt::format("{}[{}]", key, index);
    simdjson::ondemand::document document;
    value root;
    const simdjson::padded_string_view padded(text.data(), text.size(), text.size() + kJsonPadding);
    if (const auto code = parser_.iterate(padded).get(document); code != simdjson::SUCCESS) {
      return fail_json(path, "JSON", code);
    }
    if (const auto code = document.get_value().get(root); code != simdjson::SUCCESS) {
      return fail_json(path, "an object", code);
    }
    if (key == "images") return read_image(root, path);
    if (key == "annotations") return read_annotation(root, path);
    if (key == "categories") return read_category(root, path);
    return {};
  }

 private:
  Result<void> read_image(value source, const std::string& path) {
    VP_ASSIGN_OR_RETURN(CocoImageElement element, read_coco_image(source, path));
    VP_ASSIGN_OR_RETURN(const std::int64_t id, find_number(element.id, path + ".id"));
    if (element.width == 0 || element.height == 0) {
      return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path,
                  element.width == 0 ? "width" : "height");
    }
    images.push_back({.id = id,
                      .file_name = std::move(element.file_name),
                      .url = std::move(element.url),
                      .width = static_cast<int>(element.width),
                      .height = static_cast<int>(element.height)});
    return {};
  }

  Result<void> read_annotation(value source, const std::string& path) {
    VP_ASSIGN_OR_RETURN(const CocoAnnotationElement element, read_coco_annotation(source, path));
    if (!element.image_id || !element.category_id || !element.box) {
      return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path,
                  !element.image_id      ? "image_id"
                  : !element.category_id ? "category_id"
                                         : "bbox");
    }
    CocoAnnotation annotation;
    annotation.id = static_cast<std::int64_t>(annotations.size()) + 1;
    if (element.id) {
      VP_ASSIGN_OR_RETURN(annotation.id, find_number(*element.id, path + ".id"));
    }
    VP_ASSIGN_OR_RETURN(annotation.image_id, find_number(*element.image_id, path + ".image_id"));
    VP_ASSIGN_OR_RETURN(annotation.category_id,
                        find_number(*element.category_id, path + ".category_id"));
    annotation.box = *element.box;
    annotation.area = element.area.value_or(annotation.box[2] * annotation.box[3]);
    annotation.crowd = element.crowd;
    annotations.push_back(annotation);
    return {};
  }

  Result<void> read_category(value source, const std::string& path) {
    VP_ASSIGN_OR_RETURN(CocoCategoryElement element, read_coco_category(source, path));
    VP_ASSIGN_OR_RETURN(const std::int64_t id, find_number(element.id, path + ".id"));
    categories.push_back({.id = id, .name = std::move(element.name)});
    return {};
  }

  /// A subset is written with ids that are numbers, as COCO's are.
  static Result<std::int64_t> find_number(const JsonId& id, const std::string& path) {
    if (const std::optional<std::int64_t> number = find_whole(id.text)) return *number;
    return fail(ErrorKind::Malformed, "{}: expected a whole number, found \"{}\"", path, id.text);
  }

  simdjson::ondemand::parser parser_;
};

/// The categories of these names, by ascending id.
Result<std::vector<CocoCategory>> choose_categories(std::vector<CocoCategory> all,
                                                    std::span<const std::string> tags) {
  std::ranges::sort(all, {}, &CocoCategory::id);
  if (all.empty()) return fail(ErrorKind::Malformed, "no \"categories\", as COCO has them");
  if (tags.empty()) return all;
  std::string names;
  for (const CocoCategory& c : all) names += (names.empty() ? "" : ", ") + c.name;
  for (const std::string& tag : tags) {
    if (std::ranges::find(all, tag, &CocoCategory::name) != all.end()) continue;
    return fail(ErrorKind::Usage, "no tag \"{}\"; there are {}", tag, names);
  }
  std::erase_if(all, [&](const CocoCategory& category) {
    return std::ranges::find(tags, category.name) == tags.end();
  });
  return all;
}

struct Picked {
  const CocoImage* image = nullptr;
  std::vector<CocoAnnotation> annotations = {};
  std::size_t small_boxes = 0;
};

using PickedById = std::unordered_map<std::int64_t, Picked>;

/// Sorts the boxes of the chosen tags into their images.
Result<PickedById> sort_boxes(const ElementReader& reader,
                              const std::vector<CocoCategory>& categories,
                              const CocoSubsetChoice& choice) {
  PickedById picked;
  for (const CocoImage& image : reader.images) {
    if (!picked.emplace(image.id, Picked{&image, {}, 0}).second) {
      return fail(ErrorKind::Malformed, "images: id {} is there twice", image.id);
    }
  }
  for (std::size_t i = 0; i < reader.annotations.size(); ++i) {
    const CocoAnnotation& annotation = reader.annotations[i];
    const auto is_chosen = [&](const CocoCategory& c) { return c.id == annotation.category_id; };
    if (std::ranges::none_of(categories, is_chosen)) continue;
    const auto at = picked.find(annotation.image_id);
    if (at == picked.end()) {
      return fail(ErrorKind::Malformed, "annotations[{}].image_id: no image has id {}", i,
                  annotation.image_id);
    }
    Picked& of_image = at->second;
    const bool small = annotation.box[2] < choice.min_box * of_image.image->width ||
                       annotation.box[3] < choice.min_box * of_image.image->height;
    if (small) {
      ++of_image.small_boxes;
    } else {
      of_image.annotations.push_back(annotation);
    }
  }
  return picked;
}

}  // namespace

Result<CocoSubset> read_coco_subset(const std::string& path, const CocoSubsetChoice& choice) {
  ElementReader reader;
  VP_RETURN_IF_ERROR(walk_json_elements(
      path, [&reader](const std::string& key, std::size_t index, std::string_view text) {
        return reader.read(key, index, text);
      }));
  CocoSubset subset;
  auto chosen = choose_categories(std::move(reader.categories), choice.tags);
  if (!chosen) return in_file(std::move(chosen).error(), path);
  subset.categories = std::move(*chosen);
  std::ranges::sort(reader.images, {}, &CocoImage::id);  // before they are pointed at
  auto picked = sort_boxes(reader, subset.categories, choice);
  if (!picked) return in_file(std::move(picked).error(), path);
  for (const CocoImage& image : reader.images) {
    if (choice.max_images != 0 && subset.images.size() == choice.max_images) break;
    const Picked& of_image = picked->at(image.id);
    const bool has_small = of_image.small_boxes > 0;
    subset.small_boxes += of_image.small_boxes;
    if (of_image.annotations.empty()) {
      subset.empty_images += has_small ? 1 : 0;
      if (has_small || !choice.tags.empty()) continue;
    }
    subset.images.push_back(image);
    subset.annotations.insert(subset.annotations.end(), of_image.annotations.begin(),
                              of_image.annotations.end());
  }
  if (subset.images.empty()) {
    return fail_in(path, ErrorKind::Usage, "no image has a box of these tags that is large enough");
  }
  return subset;
}

}  // namespace visionpress
