#pragma once

// Boxes that a network claims, and which of them are kept: the same for every detection head.

#include <cstddef>
#include <vector>

namespace visionpress {

/// A box that a model claims. Top-left corner and size; whether in shares of the network's input
/// (0..1) or in pixels, each function says. Boxes are not cut to the image.
struct Detection {
  int tag = 0;
  double score = 0.0;
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  double height = 0.0;
};

using Detections = std::vector<Detection>;

struct DetectOptions {
  double probability = 0.005;        ///< only scores above it
  double nms_iou = 0.45;             ///< overlap above which the weaker box of a tag is dropped
  std::size_t max_detections = 100;  ///< the best so many of all tags; 0: all
};

/// Drops, among candidates of one tag, those that overlap a better one by more than `iou`.
/// returns: sorted by descending score; equal scores stay in the order given.
[[nodiscard]] Detections suppress_overlaps(Detections candidates, double iou);

/// Drops overlapping boxes of each tag, sorts by descending score (ties by tag, then in the order
/// given) and keeps the best. This gives what the script of Custom Vision's exports gives, which
/// takes the best class of all boxes, zeroes that class in the boxes that overlap and in the box
/// itself, and ranks again.
/// tags: from 0 on. source: object_detection.py of the exports.
[[nodiscard]] Detections keep_best(const Detections& candidates, const DetectOptions& options);

}  // namespace visionpress
