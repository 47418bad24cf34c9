#pragma once

// Resizing of 8-bit RGB pictures, as Pillow does it, and as the older export scripts did.

#include <cstddef>

#include "eval/image.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Part of a picture: a rectangle of interleaved RGB rows, borrowed.
struct ImageView {
  const std::uint8_t* pixels = nullptr;  ///< the top-left pixel
  int width = 0;
  int height = 0;
  std::ptrdiff_t row_bytes = 0;

  [[nodiscard]] const std::uint8_t* row(int y) const { return pixels + y * row_bytes; }
};

[[nodiscard]] ImageView view_image(const Image& image);

/// x, y, width, height: inside the view, width and height positive.
[[nodiscard]] ImageView view_part(const ImageView& view, int x, int y, int width, int height);

/// Pillow's `resize((width, height), filter)`: the support grows with the reduction (antialiasing),
/// first along rows, then along columns, 8 bits between the two; pictures over a hundred times as
/// high as wide are lowered first. Equal to Pillow 12.3.0 in every pixel; Pillow 13 goes along
/// columns first where that is cheaper, and rounds otherwise by a grey level.
/// source: Pillow, src/libImaging/Resample.c (precompute_coeffs, PRECISION_BITS), Geometry.c
/// (ImagingScaleAffine) and Image.py (resize).   cost: about 1 ms from 640x480 to 416x416.
[[nodiscard]] Image resize_image(const ImageView& source, int width, int height,
                                 ResizeFilter filter);

/// Two-by-two bilinear interpolation around half-pixel centres, edges repeated, no antialiasing:
/// what the 2018-2020 scripts (cv2.resize, INTER_LINEAR) did; equal to it to one grey level.
[[nodiscard]] Image resize_plain_bilinear(const ImageView& source, int width, int height);

}  // namespace visionpress
