#pragma once

// COCO's average precision for boxes, equal to pycocotools (area "all").
// source: cocodataset/cocoapi, PythonAPI/pycocotools/cocoeval.py.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "eval/dataset.h"
#include "eval/detection.h"
#include "eval/draws.h"

namespace visionpress {

constexpr std::size_t kMaxPerTag = 100;  // of an image (pycocotools' maxDets)
constexpr std::size_t kApOverlaps = 10;  // IoU 0.50, 0.55, ... 0.95

/// One tag over a data set: all that is needed to score any draw of its images. At most overlaps
/// most detections are neither right nor ignored, and only count: they are in `images` alone.
struct ApTag {
  /// A detection that took a box at an overlap.
  struct Step {
    std::uint32_t mark = 0;  ///< index into `marks`
    std::uint32_t image = 0;
    bool ignored = false;  ///< a crowd box: neither right nor wrong
  };
  struct TruthCount {
    std::uint32_t image = 0;
    std::uint32_t count = 0;
  };
  std::vector<std::uint32_t> images = {};  ///< of detections by descending score, ties by image
  std::vector<std::uint32_t> marks = {};   ///< ascending: detections that have a step
  std::array<std::vector<Step>, kApOverlaps> steps = {};  ///< by descending score
  std::vector<TruthCount> truths = {};  ///< images that have any; crowds do not count
};

using ApMatches = std::vector<ApTag>;  // one a tag

/// Matches once per image, tag and overlap.
/// detections: one list an image of `dataset`, in its pixels, any order (ties keep their order).
/// max_per_tag: the best so many of an image's tag (pycocotools' maxDets, 100).
/// Two differences, of which load_dataset warns: an annotation with id 0 is matched as any other
/// (pycocotools reads it as unmatched), and annotations that share an id are all there (pycocotools
/// looks each up by its id, and finds the last).
[[nodiscard]] ApMatches match_for_ap(const Dataset& dataset, std::span<const Detections> detections,
                                     std::size_t max_per_tag = kMaxPerTag, int threads = 1);

struct ApScore {
  std::optional<double> ap = std::nullopt;    ///< mean over overlaps 0.50:0.05:0.95
  std::optional<double> ap50 = std::nullopt;  ///< both empty where a tag has no truth
};

/// One per tag. image_count: of the data set.
[[nodiscard]] std::vector<ApScore> score_each_ap(const ApMatches& matches, std::size_t image_count);

/// Mean over the tags that have truth; empty when none has.
[[nodiscard]] ApScore find_mean_ap(std::span<const ApScore> tags);

/// The same for draws of images. cost: for each detection one addition of vectors, for each right
/// one and overlap a division.
[[nodiscard]] DrawScores draw_mean_ap(const ApMatches& matches, const Draws& draws);
/// AP50; a tenth of the divisions.
[[nodiscard]] DrawScores draw_mean_ap50(const ApMatches& matches, const Draws& draws);

}  // namespace visionpress
