#pragma once

// Where the boxes of a data set lie in the pictures: their file may give another size than the
// picture's, or that of the picture before EXIF turns it.

#include "eval/box_frame.h"
#include "eval/dataset.h"
#include "eval/detection.h"
#include "eval/image.h"
#include "eval/oddities.h"

namespace visionpress {

/// The frame that the true boxes of the image are in.
[[nodiscard]] BoxFrame frame_of(const DatasetImage& image);

/// A box of the frame in the upright picture, in pixels at the frame's scale.
[[nodiscard]] TruthBox turn_upright(const DatasetImage& image, const TruthBox& box);

/// Size of the frame once it is turned upright.
[[nodiscard]] ImageSize upright_size(const DatasetImage& image);

/// The part of a box that is inside of the frame; 0 wide or high where there is none. Images whose
/// size nobody knows keep their boxes.
void cut_to_frame(const DatasetImage& image, Detections& detections);

/// Compares width and height of each image with its picture (from the picture's head; what cannot
/// be read is left alone) and sets width, height and frame_orientation to the frame that the boxes
/// fit. What differs is counted in `oddities`. Decided for all images of a kind together, since one
/// tool wrote them all:
/// - size before EXIF's turn: boxes are of the unturned picture, unless more images have boxes that
///   fit only the turned one;
/// - width and height exchanged without any EXIF: the picture's, unless boxes fit only the file's;
/// - another scale: the smaller of both sizes where it holds all boxes, else the larger;
/// - another shape: the file's, each axis scaled by itself.
void settle_frames(Dataset& dataset, Oddities& oddities);

}  // namespace visionpress
