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
  std::vector<std::string> tags = {};  ///< images that have one of them; empty: all images
  std::string output = {};             ///< folder for annotations.json and images/
  double min_box = 0.1;  ///< boxes below this share of the image's width or height are left out
  std::size_t max_images = 0;  ///< the first so many by id; 0: all
  bool download = true;        ///< fetch each image from its coco_url
  int parallel = 8;            ///< downloads at a time
  bool skip_missing = false;   ///< leave out images that cannot be had, in place of failing
  bool overwrite = false;  ///< of an annotations.json that says something else, and of images that
                           ///< are others
  int retries = 8;         ///< how often to send a failed request again
  int timeout_seconds = 60;  ///< a connection without a byte for so long is given up
};

struct CocoSubsetResult {
  std::string annotations = {};  ///< the file that was written
  std::size_t images = 0;
  std::size_t boxes = 0;
  std::size_t small_boxes = 0;   ///< left out for `min_box`
  std::size_t empty_images = 0;  ///< of the tags, and left out since all their boxes were small
  std::size_t downloaded = 0;
  std::size_t kept = 0;  ///< images that were there, whole
  std::uint64_t downloaded_bytes = 0;
  std::vector<std::string> missing = {};  ///< images left out for `skip_missing`, with the reason
  std::vector<std::string> warnings = {};
};

/// Picks images of a COCO file by tag, fetches them, and writes them as a COCO data set. What a
/// former call fetched whole is kept, so a call that was stopped goes on.
/// errors: Io, Malformed with the element path; Usage for a tag that is not there; Io when images
/// cannot be had, naming the first; Output. cost: one pass over the file with a window of a few MB;
/// memory by what is picked and the number of images.
[[nodiscard]] Result<CocoSubsetResult> make_coco_subset(const CocoSubsetOptions& options,
                                                        const Progress& progress);

}  // namespace visionpress
