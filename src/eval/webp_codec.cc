// WebP by libwebp. Still pictures only: an animation is no photograph to label.

#include <utility>

#include <webp/decode.h>

#include "base/error.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

const std::uint8_t* view_octets(Bytes bytes) {
  return static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data()));
}

Result<WebPBitstreamFeatures> read_features(Bytes bytes) {
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
                                      static_cast<std::uint64_t>(features.height)));
  return features;
}

}  // namespace

Result<ImageSize> read_webp_size(Bytes bytes) {
  VP_ASSIGN_OR_RETURN(const WebPBitstreamFeatures features, read_features(bytes));
  return ImageSize{features.width, features.height};
}

Result<Image> decode_webp(Bytes bytes) {
  VP_ASSIGN_OR_RETURN(const WebPBitstreamFeatures features, read_features(bytes));
  if (features.has_animation != 0) {
    return fail(ErrorKind::Unsupported, "WebP: an animation, only still pictures are read");
  }
  Image image = make_image(features.width, features.height);
  if (WebPDecodeRGBInto(view_octets(bytes), bytes.size(), image.rgb.data(), image.rgb.size(),
                        image.width * 3) == nullptr) {
    return fail(ErrorKind::Malformed, "WebP: the picture data of {} bytes is cut short or broken",
                bytes.size());
  }
  return image;
}

}  // namespace visionpress
