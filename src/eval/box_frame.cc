#include "eval/box_frame.h"

#include "eval/rectangle.h"

namespace visionpress {

void place_in_frame(const Placement& placement, const BoxFrame& frame, Detections& detections) {
  const int back = find_inverse(frame.orientation);
  for (Detection& detection : detections) {
    Rectangle box = rectangle_of(detection);
    box.x = placement.x + box.x * placement.width;
    box.y = placement.y + box.y * placement.height;
    box.width *= placement.width;
    box.height *= placement.height;
    // A turn goes through both corners and would round the size of a box that stays as it is.
    if (back != 1) box = turn_upright(box, back);
    box.x *= frame.width;
    box.width *= frame.width;
    box.y *= frame.height;
    box.height *= frame.height;
    set_rectangle(detection, box);
  }
}

}  // namespace visionpress
