#pragma once

// The one way back: from shares of a network's input to pixels of the picture.

#include "eval/detection.h"

namespace visionpress {

/// The part of a picture that the network's input shows, in shares of the picture: its top-left
/// corner and size. The whole picture is {0, 0, 1, 1}; less where a rule cuts some off, and it
/// would pass the picture's edges where a rule adds a border. The input's own edges are the part's
/// edges, so a box goes back by one factor and one shift for each axis.
struct Placement {
  double x = 0.0;
  double y = 0.0;
  double width = 1.0;
  double height = 1.0;
};

/// What boxes are measured in: the picture's pixels, or those of a data set's annotations.
struct BoxFrame {
  int width = 0;  ///< pixels
  int height = 0;
  /// EXIF orientation that turns the frame upright, as networks see it; 1 where it is upright.
  int orientation = 1;
};

/// Boxes in shares of the network's input become boxes in pixels of the frame. Of a network's own
/// outputs `find_boxes` (eval/heads/heads.h) calls it; a service's boxes are placed by the whole
/// picture. No other code scales boxes.
void place_in_frame(const Placement& placement, const BoxFrame& frame, Detections& detections);

}  // namespace visionpress
