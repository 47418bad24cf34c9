#pragma once

// Images as 8-bit RGB, whatever file they came from.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/output_file.h"
#include "visionpress/result.h"

namespace visionpress {

/// Interleaved rows, 3 bytes a pixel in the order R, G, B, no padding between rows.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb = {};

  [[nodiscard]] const std::uint8_t* row(int y) const {
    return rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3;
  }
  [[nodiscard]] std::uint8_t* row(int y) {
    return rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3;
  }
};

struct ImageSize {
  int width = 0;
  int height = 0;
};

/// Larger images are refused, so that a few hostile bytes cannot ask for gigabytes.
constexpr std::uint64_t kMaxImagePixels = std::uint64_t{1} << 28;

/// A black image. width, height: positive, their product at most kMaxImagePixels.
[[nodiscard]] Image make_image(int width, int height);

/// Decodes a JPEG, PNG, BMP or WebP file (told apart by content) and turns it as its EXIF
/// orientation says. Alpha is dropped, 16-bit samples keep their high byte, as in Pillow's
/// `ImageOps.exif_transpose(Image.open(path)).convert("RGB")`.
/// errors: Io when it cannot be read, Malformed when it is no image or is cut short, Unsupported
/// for kinds we do not read (animated WebP, compressed BMP) and for more than kMaxImagePixels.
[[nodiscard]] Result<Image> load_image(const std::string& path);

/// The same from memory; errors name no file.
[[nodiscard]] Result<Image> decode_image(Bytes bytes);

/// Size after orientation, from the file's head alone. errors: as load_image.
[[nodiscard]] Result<ImageSize> load_image_size(const std::string& path);

/// The same from memory; errors name no file.
[[nodiscard]] Result<ImageSize> read_image_size(Bytes bytes);

/// Writes PNG or, by the path's extension (.jpg, .jpeg), JPEG of quality 92.
/// errors: InvalidArgument for another extension, Output.
[[nodiscard]] Result<void> save_image(const Image& image, const std::string& path,
                                      Overwrite overwrite);

}  // namespace visionpress
