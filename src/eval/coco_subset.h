#pragma once

// Part of a COCO file of any size, by tag.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

struct CocoImage {
  std::int64_t id = 0;
  std::string file_name = {};
  std::string url = {};  ///< coco_url; may be empty
  int width = 0;
  int height = 0;
};

struct CocoAnnotation {
  std::int64_t id = 0;
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< pixels: left, top, width, height
  double area = 0.0;
  bool crowd = false;
};

struct CocoCategory {
  std::int64_t id = 0;
  std::string name = {};
};

struct CocoSubset {
  std::vector<CocoImage> images = {};            ///< by ascending id
  std::vector<CocoAnnotation> annotations = {};  ///< by image, then in the file's order
  std::vector<CocoCategory> categories = {};     ///< by ascending id
  std::size_t small_boxes = 0;                   ///< left out for `min_box`
  std::size_t empty_images = 0;                  ///< left out: all their boxes were small
};

struct CocoSubsetChoice {
  std::span<const std::string> tags = {};  ///< empty: all
  double min_box = 0.0;                    ///< least share of the image's width and of its height
  std::size_t max_images = 0;              ///< the first so many by id; 0: all
};

/// Reads the file in one pass. errors: Io, Malformed with the element path, Usage for a tag that is
/// not there (naming those that are).
[[nodiscard]] Result<CocoSubset> read_coco_subset(const std::string& path,
                                                  const CocoSubsetChoice& choice);

}  // namespace visionpress
