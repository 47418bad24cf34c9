#pragma once

/// Makes data sets out of larger ones.

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

}  // namespace visionpress
