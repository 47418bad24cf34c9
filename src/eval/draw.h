#pragma once

// Boxes and their labels drawn into a picture, for people to look at.

#include <span>
#include <string>

#include "eval/detection.h"
#include "eval/image.h"

namespace visionpress {

/// Draws each box, 3 pixels thick and in its tag's colour, with "tag 0.87" in a bar at its top.
/// detections: in the picture's pixels; parts outside of it are not drawn.
/// tags: names by index; a tag without a name is shown by its number. Characters that the built-in
/// font lacks (it has ASCII; letters are drawn as capitals) show as '?'.
void draw_detections(Image& image, std::span<const Detection> detections,
                     std::span<const std::string> tags);

}  // namespace visionpress
