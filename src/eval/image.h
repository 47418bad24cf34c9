#pragma once

// Images as 8-bit RGB, whatever file they came from.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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

/// Most pixels of a side; no image file goes beyond (TIFF and PNG readers stop far below).
inline constexpr int kMaxImageSide = 1 << 20;

/// Pixels of the largest picture that is read: 268 million. Phones' largest photographs have 200
/// million (16320x12240), and WebP's largest picture (16383x16383) fits.
constexpr std::uint64_t kMaxImagePixels = std::uint64_t{1} << 28;

/// Memory that decoding may take. 200 million pixels of a progressive JPEG without subsampling,
/// the most expensive kind, take 1.8 GB.
constexpr std::uint64_t kMaxDecodeBytes = std::uint64_t{1} << 31;

/// Scans of a JPEG. libjpeg's progressive script has 10 (6 for grey), mozjpeg's best ones below 20.
constexpr int kMaxJpegScans = 100;

/// Scans of a JPEG times its pixels: libjpeg's 10 scans of the largest picture, since time grows
/// with both. At 18 ns (measured for scans that hold nothing) that is 48 seconds.
constexpr std::uint64_t kMaxScanPixels = 10 * kMaxImagePixels;

/// What decoding of one picture may cost. The first four give the same answer on every machine;
/// the last two end the work from outside, within a tenth of a second for JPEG, PNG and BMP. WebP
/// is asked between pieces of its file, and a lossless picture of one colour, which has no bytes
/// for its pixels, is one call of libwebp (seconds for the largest).
struct DecodeLimits {
  std::uint64_t max_pixels = kMaxImagePixels;
  std::uint64_t max_bytes = kMaxDecodeBytes;  ///< the pixels and what the decoder needs beside them
  int max_scans = kMaxJpegScans;
  std::uint64_t max_scan_pixels = kMaxScanPixels;
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  const std::atomic<bool>* cancelled = nullptr;  ///< borrowed; true ends the work
};

/// Extensions of the pictures that are read, in lower case.
inline constexpr std::array<std::string_view, 5> kImageExtensions = {".jpg", ".jpeg", ".png",
                                                                     ".bmp", ".webp"};

/// Whether a name is that of a picture, by its extension, in whatever case.
[[nodiscard]] bool has_image_name(const std::string& path);

/// A black image. width, height: positive, their product at most kMaxImagePixels.
[[nodiscard]] Image make_image(int width, int height);

/// Decodes a JPEG, PNG, BMP or WebP file (told apart by content) and turns it as its EXIF
/// orientation says. Alpha is dropped, 16-bit samples keep their high byte, as in Pillow's
/// `ImageOps.exif_transpose(Image.open(path)).convert("RGB")`.
/// errors: Io when it cannot be read, Malformed when it is not an image or is cut short,
/// Unsupported for kinds we do not read (animated WebP, BMP with a JPEG in it), for what exceeds
/// the limits; Internal when the deadline has passed or the work was cancelled, which says nothing
/// of the file (as `Session::run`).
/// enough: a JPEG is decoded at a half, a quarter or an eighth of its size as long as each side of
/// the picture keeps at least so many pixels. libjpeg leaves the finer waves out, which is faster
/// than decoding and resizing, and gives other pixels. 0: at its size.
[[nodiscard]] Result<Image> load_image(const std::string& path, const DecodeLimits& limits = {},
                                       ImageSize enough = {});

/// The same from memory; errors name no file.
[[nodiscard]] Result<Image> decode_image(Bytes bytes, const DecodeLimits& limits = {},
                                         ImageSize enough = {});

/// Size after orientation, from the file's head alone. errors: as load_image.
[[nodiscard]] Result<ImageSize> load_image_size(const std::string& path);

/// The same from memory; errors name no file.
[[nodiscard]] Result<ImageSize> read_image_size(Bytes bytes);

/// What the head of an image file says.
struct ImageHead {
  ImageSize stored = {};  ///< before it is turned
  int orientation = 1;    ///< EXIF's, 1..8: load_image turns by it
};

/// errors: as load_image.
[[nodiscard]] Result<ImageHead> load_image_head(const std::string& path);

/// Writes PNG or, by the path's extension (.jpg, .jpeg), JPEG of quality 92.
/// errors: InvalidArgument for another extension, Output.
[[nodiscard]] Result<void> save_image(const Image& image, const std::string& path,
                                      Overwrite overwrite);

}  // namespace visionpress
