#pragma once

// Cuts the true boxes of a detection data set out of its images, for classifiers.

#include <vector>

#include "eval/dataset.h"
#include "eval/image.h"
#include "eval/resize_image.h"
#include "visionpress/result.h"

namespace visionpress {

/// Drops boxes that lie outside their picture, since they give no crop, and warns of them.
void drop_empty_crops(Dataset& dataset, Diagnostics& diagnostics);

/// The true boxes of an image, scaled from the annotation's frame to the picture's own pixels, at
/// least one pixel wide and high each. Borrow from `pixels`.
[[nodiscard]] std::vector<ImageView> cut_boxes(const DatasetImage& image, const Image& pixels);

}  // namespace visionpress
