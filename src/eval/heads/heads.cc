#include "eval/heads/heads.h"

#include "base/error.h"
#include "eval/heads/head_table.h"

namespace visionpress {

Result<Head> recognise_head(const NetworkOutline& network) {
  std::string reasons;
  for (const HeadKind* kind : kHeads) {
    Result<RecognisedHead> found = kind->recognise(network);
    if (found) return Head{.kind = kind, .found = std::move(*found)};
    if (found.error().message.empty()) continue;
    if (!reasons.empty()) reasons += "; ";
    reasons += fmt::format("{}: {}", kind->name, found.error().message);
  }
  return fail(ErrorKind::Unsupported, "{}", reasons);
}

Detections find_boxes(const Head& head, std::span<const OutputView> outputs,
                      const Placement& placement, const BoxFrame& frame,
                      const DetectOptions& options) {
  DetectOptions kept = options;
  if (head.found.drops_overlaps) kept.nms_iou = 1.0;  // no overlap is larger
  Detections boxes = keep_best(head.found.decode(outputs, options.probability), kept);
  place_in_frame(placement, frame, boxes);
  return boxes;
}

}  // namespace visionpress
