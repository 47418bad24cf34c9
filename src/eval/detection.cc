#include "eval/detection.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "eval/rectangle.h"

namespace visionpress {

Detections suppress_overlaps(Detections candidates, double iou) {
  std::ranges::stable_sort(candidates, std::ranges::greater{}, &Detection::score);
  Detections kept;
  for (const Detection& candidate : candidates) {
    const bool covered = std::ranges::any_of(kept, [&](const Detection& better) {
      return overlap_of(rectangle_of(better), rectangle_of(candidate)) > iou;
    });
    if (!covered) kept.push_back(candidate);
  }
  return kept;
}

Detections keep_best(const Detections& candidates, const DetectOptions& options) {
  std::vector<Detections> by_tag;
  for (const Detection& candidate : candidates) {
    const auto tag = static_cast<std::size_t>(candidate.tag);
    if (tag >= by_tag.size()) by_tag.resize(tag + 1);
    by_tag[tag].push_back(candidate);
  }
  Detections all;
  for (Detections& of_tag : by_tag) {
    const Detections kept = suppress_overlaps(std::move(of_tag), options.nms_iou);
    all.insert(all.end(), kept.begin(), kept.end());
  }
  std::ranges::stable_sort(all, std::ranges::greater{}, &Detection::score);
  if (options.max_detections != 0 && all.size() > options.max_detections) {
    all.resize(options.max_detections);
  }
  return all;
}

}  // namespace visionpress
