#include "eval/coco_elements.h"

#include "eval/image.h"
#include "eval/json_fields.h"

namespace visionpress {
namespace {

using simdjson::ondemand::value;

template <typename T>
Result<void> store(Result<T> from, std::optional<T>& to) {
  if (!from) return tl::unexpected<Error>(std::move(from).error());
  to = std::move(*from);
  return {};
}

/// 0 and 1 as COCO has it; true and false as some tools write it.
Result<bool> read_crowd(value source, const JsonPath& path) {
  bool flag = false;
  if (source.get_bool().get(flag) == simdjson::SUCCESS) return flag;
  VP_ASSIGN_OR_RETURN(const std::int64_t number, read_whole(source, path));
  return number != 0;
}

}  // namespace

Result<std::optional<std::array<double, 4>>> read_box(value source, const JsonPath& path) {
  std::array<double, 4> box = {};
  std::size_t count = 0;
  VP_RETURN_IF_ERROR(
      read_items(source, path, [&](value item, const JsonPath& item_path) -> Result<void> {
        VP_ASSIGN_OR_RETURN(const double number, read_number(item, item_path));
        if (count < 4) box[count] = number;
        ++count;
        return {};
      }));
  if (count == 0) return std::nullopt;
  if (count != 4) {
    return fail(ErrorKind::Malformed, "{}: expected 4 numbers, found {}", path.text(), count);
  }
  return box;
}

void note_skipped(value item, const char* prefix, const std::string& name, SkippedFields* skipped) {
  if (skipped == nullptr) return;
  simdjson::ondemand::array list;
  bool is_empty = false;
  std::string_view text;
  if (item.get_array().get(list) == simdjson::SUCCESS) {
    is_empty = list.is_empty().get(is_empty) == simdjson::SUCCESS && is_empty;
  } else if (item.get_string().get(text) == simdjson::SUCCESS) {
    is_empty = text.empty();
  }
  if (!is_empty) ++(*skipped)[prefix + name];
}

Result<CocoImageElement> read_coco_image(value source, const JsonPath& path,
                                         SkippedFields* skipped) {
  CocoImageElement image;
  std::optional<JsonId> id;
  std::optional<std::string> file_name;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
        if (is_null(item)) return {};
        if (key == "id") return store(read_id(item, JsonPath(path, "id")), id);
        if (key == "file_name")
          return store(read_text(item, JsonPath(path, "file_name")), file_name);
        if (key == "width") {
          VP_ASSIGN_OR_RETURN(image.width, read_whole(item, JsonPath(path, "width")));
        } else if (key == "height") {
          VP_ASSIGN_OR_RETURN(image.height, read_whole(item, JsonPath(path, "height")));
        } else if (key == "coco_url") {
          VP_ASSIGN_OR_RETURN(image.url, read_text(item, JsonPath(path, "coco_url")));
          if (skipped != nullptr) ++(*skipped)["images.coco_url"];
        } else {
          note_skipped(item, "images.", key, skipped);
        }
        return {};
      }));
  if (!id) return fail(ErrorKind::Malformed, "{}: \"id\" is missing", path.text());
  if (!file_name) return fail(ErrorKind::Malformed, "{}: \"file_name\" is missing", path.text());
  if (image.width < 0 || image.height < 0 || image.width > kMaxImageSide ||
      image.height > kMaxImageSide) {
    return fail(ErrorKind::Malformed, "{}: the image is {}x{} pixels", path.text(), image.width,
                image.height);
  }
  image.id = std::move(*id);
  image.file_name = std::move(*file_name);
  return image;
}

Result<CocoAnnotationElement> read_coco_annotation(value source, const JsonPath& path,
                                                   SkippedFields* skipped) {
  CocoAnnotationElement raw;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
        if (is_null(item)) return {};
        if (key == "id") return store(read_id(item, JsonPath(path, "id")), raw.id);
        if (key == "image_id")
          return store(read_id(item, JsonPath(path, "image_id")), raw.image_id);
        if (key == "category_id")
          return store(read_id(item, JsonPath(path, "category_id")), raw.category_id);
        if (key == "area") return store(read_number(item, JsonPath(path, "area")), raw.area);
        if (key == "bbox") {
          VP_ASSIGN_OR_RETURN(raw.box, read_box(item, JsonPath(path, "bbox")));
        } else if (key == "iscrowd") {
          VP_ASSIGN_OR_RETURN(raw.crowd, read_crowd(item, JsonPath(path, "iscrowd")));
        } else {
          note_skipped(item, "annotations.", key, skipped);
        }
        return {};
      }));
  return raw;
}

Result<CocoCategoryElement> read_coco_category(value source, const JsonPath& path,
                                               SkippedFields* skipped) {
  std::optional<JsonId> id;
  std::optional<std::string> name;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
        if (is_null(item)) return {};
        if (key == "id") return store(read_id(item, JsonPath(path, "id")), id);
        if (key == "name") return store(read_text(item, JsonPath(path, "name")), name);
        note_skipped(item, "categories.", key, skipped);
        return {};
      }));
  if (!id || !name) {
    return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path.text(), !id ? "id" : "name");
  }
  return CocoCategoryElement{.id = std::move(*id), .name = std::move(*name)};
}

}  // namespace visionpress
