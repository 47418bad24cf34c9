#pragma once

// The elements of a COCO file, {"images": [{id, file_name, width, height, coco_url}],
// "annotations":
// [{id, image_id, category_id, bbox [x, y, w, h], area, iscrowd}], "categories": [{id, name}]}: one
// reader for data sets and for subsets of large files. Other fields, and null, are skipped.
// source: cocodataset.org, "Data format".

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "eval/dataset_parts.h"

namespace visionpress {

struct CocoImageElement {
  JsonId id = {};
  std::string file_name = {};
  std::string url = {};     ///< coco_url; may be empty
  std::int64_t width = 0;   ///< 0 where it is not given
  std::int64_t height = 0;  ///< at most kMaxImageSide
};

struct CocoAnnotationElement {
  std::optional<JsonId> id = std::nullopt;
  std::optional<JsonId> image_id = std::nullopt;
  std::optional<JsonId> category_id = std::nullopt;
  /// Left, top, width, height in pixels. Nothing for an empty list, which stands where a tool had
  /// no box.
  std::optional<std::array<double, 4>> box = std::nullopt;
  std::optional<double> area = std::nullopt;
  bool crowd = false;
};

struct CocoCategoryElement {
  JsonId id = {};
  std::string name = {};
};

/// Left, top, width, height; nothing for an empty list, which stands where a tool had no box.
[[nodiscard]] Result<std::optional<std::array<double, 4>>> read_box(
    simdjson::ondemand::value source, const JsonPath& path);

/// Fields that are skipped, and in how many elements they say something.
using SkippedFields = std::map<std::string, std::size_t>;

/// Counts a field, unless it is empty. prefix: of its name: "images.".
void note_skipped(simdjson::ondemand::value item, const char* prefix, const std::string& name,
                  SkippedFields* skipped);

/// Each: path: of the element, for messages: "images[3]". skipped: null where nobody asks.
/// errors: Malformed with the path of the field; for an image without id or file_name and for a
/// category without id or name.
[[nodiscard]] Result<CocoImageElement> read_coco_image(simdjson::ondemand::value source,
                                                       const JsonPath& path,
                                                       SkippedFields* skipped = nullptr);
[[nodiscard]] Result<CocoAnnotationElement> read_coco_annotation(simdjson::ondemand::value source,
                                                                 const JsonPath& path,
                                                                 SkippedFields* skipped = nullptr);
[[nodiscard]] Result<CocoCategoryElement> read_coco_category(simdjson::ondemand::value source,
                                                             const JsonPath& path,
                                                             SkippedFields* skipped = nullptr);

}  // namespace visionpress
