#pragma once

// A labelled data set: images and what is on them, whichever tool wrote it down.

#include <cstdint>
#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

enum class DatasetKind : std::uint8_t {
  Coco,    ///< COCO JSON: images, annotations, categories
  Vott,    ///< VoTT v1 JSON: frames, inputTags
  Folder,  ///< a folder with a folder a tag; no boxes
};

/// One true box. Pixels of its image, top-left corner and size, inside the frame.
struct TruthBox {
  std::int64_t id = 0;  ///< the annotation's; counted from 1 where the file gives none
  int tag = 0;          ///< index into Dataset::tags
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  double height = 0.0;
  double area = 0.0;  ///< COCO: the annotation's (its mask's); otherwise width * height
  bool crowd = false;
};

struct DatasetImage {
  std::int64_t id = 0;
  std::string file_name = {};  ///< as the annotation file has it
  std::string path = {};  ///< where it was found; empty when images were optional and it was not
  int width = 0;          ///< of the frame the boxes are in; 0 only for folders
  int height = 0;
  int class_tag = -1;  ///< folders: the image's tag
  /// How often the original project's per-tag lists hold this image: COCO: its number of tags
  /// before `min_box`; otherwise 1. Only the legacy metrics count by it.
  std::size_t listings = 1;
  std::vector<TruthBox> truths = {};
};

struct Dataset {
  DatasetKind kind = DatasetKind::Coco;
  std::string source = {};                      ///< the file or folder, as given
  std::vector<std::string> tags = {};           ///< COCO: by ascending category id
  std::vector<std::int64_t> category_ids = {};  ///< one a tag; VoTT and folders: 1, 2, ...
  /// By ascending id. VoTT: ids are 1, 2, ... by file name; folders: 1, 2, ... by tag, then file
  /// name.
  std::vector<DatasetImage> images = {};
  std::vector<std::int64_t> left_out_ids = {};  ///< images beyond `max_images`, ascending
  std::size_t clamped_boxes = 0;  ///< boxes that exceeded their frame and were cut to it

  [[nodiscard]] std::size_t box_count() const;
};

/// Leaves out boxes narrower or lower than this share of their image.
void drop_small_boxes(Dataset& dataset, double min_box);

/// Sets `listings` of every image from the boxes it has now.
void count_listings(Dataset& dataset);

enum class ImageNeed : std::uint8_t {
  Required,  ///< an image that is not there is an error
  Optional,  ///< files of predictions can be scored without the pictures
};

struct DatasetOptions {
  std::string data = {};  ///< COCO JSON, VoTT v1 JSON, or a folder with a folder a tag
  std::string images =
      {};                ///< where the images are; empty: beside `data`, then in `images` beside it
  double min_box = 0.0;  ///< boxes narrower or lower than this share of the image are left out
  std::size_t max_images = 0;  ///< the first so many by id; 0: all
  ImageNeed image_need = ImageNeed::Required;
};

/// Reads a data set; which of the three it is shows in the file itself.
/// errors: Io for files that are not there (an image: with the annotation file and where it was
/// looked for), Malformed with the element path, Unsupported for VoTT v2 projects and videos. cost:
/// COCO files are parsed in one pass over the text; peak memory is the text plus its index.
[[nodiscard]] Result<Dataset> load_dataset(const DatasetOptions& options, Diagnostics& diagnostics);

}  // namespace visionpress
