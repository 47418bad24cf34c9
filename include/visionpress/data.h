#pragma once

/// Makes data sets out of others.

#include <cstdint>
#include <string>
#include <vector>

#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

struct CocoSubsetOptions {
  std::string annotations = {};        ///< COCO JSON of any size
  std::vector<std::string> tags = {};  ///< images with at least one of these; empty: all images
  std::string output = {};             ///< folder for annotations.json and images/
  double min_box = 0.1;  ///< boxes below this share of the image's width or height are left out
  std::size_t max_images = 0;  ///< limit, the first ones by id; 0: all
  bool download = true;        ///< fetch each image from its coco_url
  int parallel = 8;            ///< downloads at a time
  bool skip_missing = false;   ///< leave out images that cannot be fetched instead of failing
  bool overwrite = false;    ///< replaces an annotations.json with other contents, and other images
                             ///< of the same name
  int retries = 8;           ///< retries per request
  int timeout_seconds = 60;  ///< a connection that moves no bytes for this long fails
};

struct CocoSubsetResult {
  std::string annotations = {};  ///< the file that was written
  std::size_t images = 0;
  std::size_t boxes = 0;
  std::size_t small_boxes = 0;   ///< left out for `min_box`
  std::size_t empty_images = 0;  ///< with the tags, but left out because all their boxes were small
  std::size_t downloaded = 0;
  std::size_t kept = 0;  ///< images that were already there and complete
  std::uint64_t downloaded_bytes = 0;
  std::vector<std::string> missing = {};  ///< images left out for `skip_missing`, with the reason
  std::vector<std::string> warnings = {};
};

/// Picks images of a COCO file by tag, fetches them, and writes them as a COCO data set. Images
/// that an earlier call fetched completely are kept, so an interrupted call resumes.
/// errors: Io, Malformed with the element path; Usage for a tag that the file does not have; Io
/// when images cannot be fetched, naming the first; Output. cost: one pass over the file with a
/// window of a few MB; memory grows with the picked images and the total number of images.
[[nodiscard]] Result<CocoSubsetResult> make_coco_subset(const CocoSubsetOptions& options,
                                                        const Progress& progress);

struct DataConvertOptions {
  std::string data = {};  ///< as EvaluateOptions::data, with all its splits
  std::string images =
      {};  ///< where its images are; empty: beside `data`, or in `images` beside it
  std::string output = {};  ///< a new folder
  /// coco, yolo, voc, vott, vott-csv, createml, label-studio, labelme, azure, csv or folder
  std::string form = {};
  std::string split = {};     ///< takes the images of this split alone ("train"); empty: all
  bool copy_images = true;    ///< false: writes the labels alone, and needs no images
  bool skip_missing = false;  ///< leaves out images that are not there instead of failing
  bool overwrite = false;     ///< replaces `output` if it has nothing but pictures and label files
};

/// A field of the source that the written form has no place for.
struct LostField {
  std::string name = {};
  std::size_t count = 0;  ///< how many images, boxes or tags had it
};

struct DataConvertResult {
  std::string output = {};  ///< what `--data` takes: a file in the folder, or the folder
  std::string form = {};
  std::size_t images = 0;
  std::size_t boxes = 0;
  std::size_t tags = 0;
  std::vector<LostField> lost = {};  ///< each once, by name
  std::vector<std::string> warnings = {};
};

/// Writes a data set in another form, with its images. Boxes are placed in the upright pictures.
/// errors: as evaluate's for reading the data set; Usage for an unknown form or split, and for an
/// output that the data set lies in; Output. cost: each image is copied; its head is read.
[[nodiscard]] Result<DataConvertResult> convert_data_set(const DataConvertOptions& options,
                                                         const Progress& progress);

}  // namespace visionpress
