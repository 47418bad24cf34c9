#pragma once

// Just enough of EXIF and XMP to learn which way up a picture is.

#include <optional>

#include "base/bytes.h"
#include "eval/image_codecs.h"

namespace visionpress {

/// Orientation 1..8: EXIF's (2.3, tag 0x0112), else XMP's (tiff:Orientation), 1 where the file has
/// none or a broken one: these are hints, and a picture with a bad one is still a picture.
[[nodiscard]] int find_orientation(Bytes file, ImageFormat format);

/// Orientation in a TIFF structure ("II*\0" or "MM\0*" first, IFD0 wherever it says).
[[nodiscard]] std::optional<int> find_tiff_orientation(Bytes tiff);

/// True for the orientations that exchange width and height.
[[nodiscard]] constexpr bool is_turned_aside(int orientation) { return orientation >= 5; }

/// Turns the picture upright: the inverse of what `orientation` says the camera did.
[[nodiscard]] Image apply_orientation(Image image, int orientation);

}  // namespace visionpress
