// Decodes any bytes as an image: JPEG, PNG, BMP, WebP, and their EXIF orientation.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "eval/image.h"
#include "eval/image_codecs.h"
#include "fuzz_input.h"

namespace visionpress {
namespace {

/// A larger image only makes the fuzzer slow: what decides is in the heads and the codes.
constexpr std::int64_t kMostPixels = std::int64_t{1} << 18;

void decode(Bytes file) {
  const auto size = read_image_size(file);
  if (size) {
    require(size->width > 0 && size->height > 0, "an image has a width and a height");
    if (static_cast<std::int64_t>(size->width) * size->height > kMostPixels) return;
  }
  const auto image = decode_image(file);
  if (!image) return;
  require(size.has_value(), "what can be decoded has a size");
  require(image->width == size->width && image->height == size->height,
          "the size in the head is the image's");
  require(image->rgb.size() ==
              static_cast<std::size_t>(image->width) * static_cast<std::size_t>(image->height) * 3,
          "an image has three bytes per pixel");
  const auto written = encode_png(*image);
  require(written.has_value(), "an image is written as PNG");
  const auto again = decode_image(*written);
  require(again && again->rgb == image->rgb, "a PNG of ours has the same pixels");
}

}  // namespace
}  // namespace visionpress

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  visionpress::decode(std::as_bytes(std::span<const std::uint8_t>(data, size)));
  return 0;
}
