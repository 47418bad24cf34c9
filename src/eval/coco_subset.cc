#include "eval/coco_subset.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "eval/dataset_parts.h"
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
    if (key == "images") return read_image(text, fmt::format("images[{}]", index));
    if (key == "annotations") return read_annotation(text, fmt::format("annotations[{}]", index));
    if (key == "categories") return read_category(text, fmt::format("categories[{}]", index));
    return {};
  }

 private:
  /// Calls read(name, value) for each field of the element.
  template <typename Read>
  Result<void> read_fields(std::string_view text, const std::string& path, const Read& read) {
    simdjson::ondemand::document document;
    const simdjson::padded_string_view padded(text.data(), text.size(), text.size() + kJsonPadding);
    if (const auto code = parser_.iterate(padded).get(document); code != simdjson::SUCCESS) {
      return fail_json(path, "JSON", code);
    }
    simdjson::ondemand::object object;
    if (const auto code = document.get_object().get(object); code != simdjson::SUCCESS) {
      return fail_json(path, "an object", code);
    }
    for (auto field : object) {
      std::string_view name;
      value item;
      if (const auto code = field.unescaped_key().get(name); code != simdjson::SUCCESS) {
        return fail_json(path, "a key", code);
      }
      if (const auto code = field.value().get(item); code != simdjson::SUCCESS) {
        return fail_json(path, "a value", code);
      }
      VP_RETURN_IF_ERROR(read(name, item));
    }
    return {};
  }

  Result<void> read_image(std::string_view text, const std::string& path) {
    CocoImage image;
    std::optional<std::int64_t> id;
    VP_RETURN_IF_ERROR(read_fields(text, path, [&](std::string_view name, value item) {
      return read_image_field(name, item, path, id, image);
    }));
    constexpr int kMaxSide = 1 << 20;
    if (!id || image.file_name.empty() || image.width < 1 || image.height < 1) {
      return fail(ErrorKind::Malformed, "{}: expected id, file_name, width and height", path);
    }
    if (image.width > kMaxSide || image.height > kMaxSide) {
      return fail(ErrorKind::Malformed, "{}: the image is {}x{} pixels", path, image.width,
                  image.height);
    }
    image.id = *id;
    images.push_back(std::move(image));
    return {};
  }

  static Result<void> read_image_field(std::string_view name, value item, const std::string& path,
                                       std::optional<std::int64_t>& id, CocoImage& image) {
    if (name == "id") {
      VP_ASSIGN_OR_RETURN(id, read_whole(item, path + ".id"));
    } else if (name == "file_name") {
      VP_ASSIGN_OR_RETURN(image.file_name, read_text(item, path + ".file_name"));
    } else if (name == "coco_url") {
      VP_ASSIGN_OR_RETURN(image.url, read_text(item, path + ".coco_url"));
    } else if (name == "width" || name == "height") {
      const bool is_width = name == "width";
      VP_ASSIGN_OR_RETURN(const std::int64_t side,
                          read_whole(item, path + (is_width ? ".width" : ".height")));
      // What does not fit is far beyond the largest side, which is judged with the whole.
      const int whole = static_cast<int>(std::clamp<std::int64_t>(side, 0, 1 << 30));
      (is_width ? image.width : image.height) = whole;
    }
    return {};
  }

  struct Seen {
    std::optional<std::int64_t> id = std::nullopt;
    std::optional<std::int64_t> image = std::nullopt;
    std::optional<std::int64_t> category = std::nullopt;
    std::optional<double> area = std::nullopt;
    bool has_box = false;
  };

  Result<void> read_annotation(std::string_view text, const std::string& path) {
    CocoAnnotation annotation;
    Seen seen;
    VP_RETURN_IF_ERROR(read_fields(text, path, [&](std::string_view name, value item) {
      return read_annotation_field(name, item, path, seen, annotation);
    }));
    if (!seen.image || !seen.category || !seen.has_box) {
      return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path,
                  !seen.image      ? "image_id"
                  : !seen.category ? "category_id"
                                   : "bbox");
    }
    annotation.id = seen.id.value_or(static_cast<std::int64_t>(annotations.size()) + 1);
    annotation.image_id = *seen.image;
    annotation.category_id = *seen.category;
    annotation.area = seen.area.value_or(annotation.box[2] * annotation.box[3]);
    annotations.push_back(annotation);
    return {};
  }

  static Result<void> read_annotation_field(std::string_view name, value item,
                                            const std::string& path, Seen& seen,
                                            CocoAnnotation& annotation) {
    if (name == "id") {
      VP_ASSIGN_OR_RETURN(seen.id, read_whole(item, path + ".id"));
    } else if (name == "image_id") {
      VP_ASSIGN_OR_RETURN(seen.image, read_whole(item, path + ".image_id"));
    } else if (name == "category_id") {
      VP_ASSIGN_OR_RETURN(seen.category, read_whole(item, path + ".category_id"));
    } else if (name == "area") {
      VP_ASSIGN_OR_RETURN(seen.area, read_number(item, path + ".area"));
    } else if (name == "iscrowd") {
      VP_ASSIGN_OR_RETURN(const std::int64_t crowd, read_whole(item, path + ".iscrowd"));
      annotation.crowd = crowd != 0;
    } else if (name == "bbox") {
      seen.has_box = true;
      return read_box(item, path + ".bbox", annotation.box);
    }
    return {};
  }

  static Result<void> read_box(value item, const std::string& path, std::array<double, 4>& box) {
    simdjson::ondemand::array numbers;
    if (const auto code = item.get_array().get(numbers); code != simdjson::SUCCESS) {
      return fail_json(path, "an array", code);
    }
    std::size_t count = 0;
    for (auto number_result : numbers) {
      value number;
      if (const auto code = number_result.get(number); code != simdjson::SUCCESS) {
        return fail_json(path, "a number", code);
      }
      VP_ASSIGN_OR_RETURN(const double side, read_number(number, path));
      if (count < box.size()) box[count] = side;
      ++count;
    }
    if (count == box.size()) return {};
    return fail(ErrorKind::Malformed, "{}: expected 4 numbers, found {}", path, count);
  }

  Result<void> read_category(std::string_view text, const std::string& path) {
    CocoCategory category;
    std::optional<std::int64_t> id;
    VP_RETURN_IF_ERROR(
        read_fields(text, path, [&](std::string_view name, value item) -> Result<void> {
          if (name == "id") {
            VP_ASSIGN_OR_RETURN(id, read_whole(item, path + ".id"));
          } else if (name == "name") {
            VP_ASSIGN_OR_RETURN(category.name, read_text(item, path + ".name"));
          }
          return {};
        }));
    if (!id || category.name.empty()) {
      return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path, !id ? "id" : "name");
    }
    category.id = *id;
    categories.push_back(std::move(category));
    return {};
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
    return in_file(
        fail(ErrorKind::Usage, "no image has a box of these tags that is large enough").value(),
        path);
  }
  return subset;
}

}  // namespace visionpress
