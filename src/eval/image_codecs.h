#pragma once

// One decoder a file format; what image.cc chooses from. None of them looks at EXIF.

#include "base/bytes.h"
#include "eval/image.h"
#include "visionpress/result.h"

namespace visionpress {

enum class ImageFormat : std::uint8_t { Unknown, Jpeg, Png, Bmp, Webp };

/// Told by the first bytes.
[[nodiscard]] ImageFormat find_image_format(Bytes bytes);

/// errors: Malformed, Unsupported above max_pixels. Both sides are positive afterwards.
[[nodiscard]] Result<void> check_image_size(std::uint64_t width, std::uint64_t height,
                                            std::uint64_t max_pixels = kMaxImagePixels);

/// needed: bytes that the pixels and the decoder will take at the same time. errors: Unsupported.
[[nodiscard]] Result<void> check_decode_bytes(std::uint64_t needed, const DecodeLimits& limits);

/// True when the deadline has passed or the work was cancelled. cost: a look at the clock.
[[nodiscard]] bool is_stopped(const DecodeLimits& limits);

/// The error of a picture whose decoding `is_stopped`: Internal, since nothing is wrong with it.
[[nodiscard]] tl::unexpected<Error> fail_stopped(const DecodeLimits& limits);

/// errors of all: Malformed, Unsupported.
/// enough: as decode_image, of the picture before it is turned.
[[nodiscard]] Result<Image> decode_jpeg(Bytes bytes, const DecodeLimits& limits, ImageSize enough);
[[nodiscard]] Result<Image> decode_png(Bytes bytes, const DecodeLimits& limits);
[[nodiscard]] Result<Image> decode_bmp(Bytes bytes, const DecodeLimits& limits);
[[nodiscard]] Result<Image> decode_webp(Bytes bytes, const DecodeLimits& limits);

[[nodiscard]] Result<ImageSize> read_jpeg_size(Bytes bytes);
[[nodiscard]] Result<ImageSize> read_png_size(Bytes bytes);
[[nodiscard]] Result<ImageSize> read_bmp_size(Bytes bytes);
[[nodiscard]] Result<ImageSize> read_webp_size(Bytes bytes);

/// A whole file. errors: Output when the library refuses.
[[nodiscard]] Result<std::vector<std::byte>> encode_jpeg(const Image& image, int quality);
[[nodiscard]] Result<std::vector<std::byte>> encode_png(const Image& image);

}  // namespace visionpress
