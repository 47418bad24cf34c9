#pragma once

#include <vector>

#include "eval/image.h"
#include "visionpress/predict.h"

namespace visionpress {

/// Draws a frame and a caption "TAG 93%" for each prediction into the image; weaker ones first.
void draw_boxes(Image& image, const std::vector<Prediction>& predictions);

}  // namespace visionpress
