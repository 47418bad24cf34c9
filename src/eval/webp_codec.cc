// WebP by libwebp. Still pictures only: an animation is no photograph to label.

#include <algorithm>
#include <memory>
#include <utility>

#include <webp/decode.h>

#include "base/bytes.h"
#include "base/error.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

// Decoded between two looks at the clock: a photograph's 16 KiB take about 5 ms, and so do this
// many pixels of a lossless picture that takes next to no bytes for each (9 ns a pixel).
constexpr std::size_t kMostOfPiece = std::size_t{1} << 14;
constexpr std::uint64_t kPixelsOfPiece = std::uint64_t{1} << 19;
constexpr int kLossy = 1;  // WebPBitstreamFeatures.format; decodes into rows, and an alpha plane

struct Deleter {
  void operator()(WebPIDecoder* decoder) const { WebPIDelete(decoder); }
};

/// Bytes of the file between two looks at the clock.
std::size_t choose_piece(std::size_t file_bytes, std::uint64_t pixels) {
  const std::uint64_t pieces = pixels / kPixelsOfPiece + 1;
  return std::clamp<std::size_t>(file_bytes / pieces, 1, kMostOfPiece);
}

const std::uint8_t* view_octets(Bytes bytes) { return view_as<const std::uint8_t>(bytes.data()); }

Result<WebPBitstreamFeatures> read_features(Bytes bytes, std::uint64_t max_pixels) {
  WebPBitstreamFeatures features = {};
  const VP8StatusCode status = WebPGetFeatures(view_octets(bytes), bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) {
    return fail(ErrorKind::Malformed, "WebP: the file is cut short after {} bytes", bytes.size());
  }
  if (status != VP8_STATUS_OK) {
    return fail(ErrorKind::Malformed, "WebP: broken header (libwebp status {})",
                static_cast<int>(status));
  }
  VP_RETURN_IF_ERROR(check_image_size(static_cast<std::uint64_t>(features.width),
                                      static_cast<std::uint64_t>(features.height), max_pixels));
  return features;
}

}  // namespace

Result<ImageSize> read_webp_size(Bytes bytes) {
  VP_ASSIGN_OR_RETURN(const WebPBitstreamFeatures features, read_features(bytes, kMaxImagePixels));
  return ImageSize{features.width, features.height};
}

Result<Image> decode_webp(Bytes bytes, const DecodeLimits& limits) {
  VP_ASSIGN_OR_RETURN(const WebPBitstreamFeatures features,
                      read_features(bytes, limits.max_pixels));
  if (features.has_animation != 0) {
    return fail(ErrorKind::Unsupported, "WebP: an animation, only still pictures are read");
  }
  const auto pixels =
      static_cast<std::uint64_t>(features.width) * static_cast<std::uint64_t>(features.height);
  VP_RETURN_IF_ERROR(
      check_decode_bytes(pixels * (features.format == kLossy ? 3 + 1 : 3 + 4), limits));
  Image image = make_image(features.width, features.height);
  const std::unique_ptr<WebPIDecoder, Deleter> decoder(
      WebPINewRGB(MODE_RGB, image.rgb.data(), image.rgb.size(), image.width * 3));
  if (!decoder) return fail(ErrorKind::Internal, "WebP: libwebp does not start");
  const std::size_t piece = choose_piece(bytes.size(), pixels);
  VP8StatusCode status = VP8_STATUS_SUSPENDED;
  for (std::size_t seen = 0; seen < bytes.size() && status == VP8_STATUS_SUSPENDED;) {
    if (is_stopped(limits)) return fail_stopped(limits);
    seen = std::min(seen + piece, bytes.size());
    status = WebPIUpdate(decoder.get(), view_octets(bytes), seen);
  }
  if (status != VP8_STATUS_OK) {
    return fail(ErrorKind::Malformed, "WebP: the picture data of {} bytes is cut short or broken",
                bytes.size());
  }
  return image;
}

}  // namespace visionpress
