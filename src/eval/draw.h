#pragma once

// Boxes and their captions drawn into a picture, for people to look at.

#include <span>

#include "eval/image.h"
#include "visionpress/predict.h"

namespace visionpress {

/// Draws a frame and a caption "TAG 93%" for each prediction into the image; the last one first.
/// Parts outside of the image are not drawn. Characters that the built-in font lacks (it has
/// digits, letters as capitals and a few signs) show as '?'.
void draw_boxes(Image& image, std::span<const Prediction> predictions);

}  // namespace visionpress
