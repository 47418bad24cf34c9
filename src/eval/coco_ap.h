#pragma once

// COCO's average precision for boxes, equal to pycocotools (area "all").
// source: cocodataset/cocoapi, PythonAPI/pycocotools/cocoeval.py.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "eval/dataset.h"
#include "eval/detection.h"

namespace visionpress {

constexpr std::size_t kApOverlaps = 10;  // IoU 0.50, 0.55, ... 0.95

/// One detection after matching; bit t is for overlap 0.50 + 0.05 t.
struct ApItem {
  double score = 0.0;
  std::uint32_t image = 0;
  std::uint16_t matched = 0;
  std::uint16_t ignored = 0;  ///< took a crowd box: neither right nor wrong
};

/// One tag over a data set: all that is needed to score any resample of its images.
struct ApTag {
  std::vector<ApItem> items = {};                ///< by descending score, ties by image
  std::vector<std::uint32_t> truth_counts = {};  ///< an image; crowds do not count
};

using ApMatches = std::vector<ApTag>;  // one a tag

/// Matches once per image, tag and overlap.
/// detections: one list an image of `dataset`, in its pixels, any order (ties keep their order).
/// max_per_tag: the best so many of an image's tag (pycocotools' maxDets, 100).
/// Two differences, of which load_dataset warns: an annotation with id 0 is matched as any other
/// (pycocotools reads it as unmatched), and annotations that share an id are all there (pycocotools
/// looks each up by its id, and finds the last).
[[nodiscard]] ApMatches match_for_ap(const Dataset& dataset, std::span<const Detections> detections,
                                     std::size_t max_per_tag = 100);

struct ApScore {
  std::optional<double> ap = std::nullopt;    ///< mean over overlaps 0.50:0.05:0.95
  std::optional<double> ap50 = std::nullopt;  ///< both empty where a tag has no truth
};

/// weights: how often each image counts (a bootstrap's draw); empty: once each.
[[nodiscard]] ApScore score_ap(const ApTag& tag, std::span<const std::uint32_t> weights = {});

/// Mean over the tags that have truth; empty when none has.
[[nodiscard]] std::optional<double> score_mean_ap50(const ApMatches& matches,
                                                    std::span<const std::uint32_t> weights = {});

/// The same for AP and AP50; ten times the work.
[[nodiscard]] ApScore score_mean_ap(const ApMatches& matches,
                                    std::span<const std::uint32_t> weights = {});

}  // namespace visionpress
