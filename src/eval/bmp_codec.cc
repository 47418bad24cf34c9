// BMP, the one format without a library here.
// "BM" size32 reserved32 pixels_at32 | header_size32 width32 height32 planes16 bits16 compression32
// image_size32 resolution32x2 colors32 important32 [masks] | palette (B, G, R, 0) | rows padded
// to 4. Rows run bottom-up, or top-down when the height is negative. source: Microsoft's
// BITMAPFILEHEADER, BITMAPINFOHEADER, BITMAPV4HEADER.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

constexpr std::uint32_t kRgb = 0;        // BI_RGB
constexpr std::uint32_t kBitFields = 3;  // BI_BITFIELDS

struct BmpHead {
  std::size_t pixels_at = 0;
  std::size_t header_bytes = 0;
  int width = 0;
  int height = 0;
  bool top_down = false;
  int bits = 0;
  std::uint32_t compression = 0;
  std::uint32_t colors = 0;
};

Result<BmpHead> read_head(Bytes bytes, const DecodeLimits& limits) {
  if (bytes.size() < 54) {
    return fail(ErrorKind::Malformed, "BMP: the file is cut short: {} bytes, its head has 54",
                bytes.size());
  }
  BmpHead head;
  head.pixels_at = load_le<std::uint32_t>(bytes, 10);
  head.header_bytes = load_le<std::uint32_t>(bytes, 14);
  if (head.header_bytes < 40) {
    return fail_at(ErrorKind::Unsupported, 14, "BMP: header of {} bytes, 40 or more are read",
                   head.header_bytes);
  }
  const auto width = load_le<std::int32_t>(bytes, 18);
  const auto height = load_le<std::int32_t>(bytes, 22);
  if (width <= 0 || height == 0) {
    return fail_at(ErrorKind::Malformed, 18, "BMP: the image is {}x{} pixels", width, height);
  }
  const auto rows = static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(height)));
  VP_RETURN_IF_ERROR(check_image_size(static_cast<std::uint64_t>(width), rows, limits.max_pixels));
  head.width = width;
  head.height = static_cast<int>(rows);
  head.top_down = height < 0;
  head.bits = load_le<std::uint16_t>(bytes, 28);
  head.compression = load_le<std::uint32_t>(bytes, 30);
  head.colors = load_le<std::uint32_t>(bytes, 46);
  return head;
}

Result<void> check_masks(Bytes bytes, const BmpHead& head) {
  if (bytes.size() < 66) return fail(ErrorKind::Malformed, "BMP: the color masks are missing");
  constexpr std::array<std::uint32_t, 3> kMasks = {0xff0000, 0xff00, 0xff};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto mask = load_le<std::uint32_t>(bytes, 54 + 4 * i);
    if (head.bits != 32 || mask != kMasks[i]) {
      return fail_at(ErrorKind::Unsupported, 54 + 4 * i,
                     "BMP: color mask {:#x} in {} bits, only B, G, R, X bytes are read", mask,
                     head.bits);
    }
  }
  return {};
}

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

/// A missing entry stays black, as a picture may use fewer than it could.
Result<Palette> read_palette(Bytes bytes, const BmpHead& head) {
  Palette palette = {};
  const std::size_t count = head.colors == 0 ? 256 : std::min<std::size_t>(head.colors, 256);
  const std::size_t at = 14 + head.header_bytes;
  if (at > bytes.size() || bytes.size() - at < count * 4) {
    return fail(ErrorKind::Malformed, "BMP: the palette of {} colors passes the end", count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      palette[i][c] = std::to_integer<std::uint8_t>(bytes[at + 4 * i + 2 - c]);
    }
  }
  return palette;
}

}  // namespace

Result<ImageSize> read_bmp_size(Bytes bytes) {
  VP_ASSIGN_OR_RETURN(const BmpHead head, read_head(bytes, {}));
  return ImageSize{head.width, head.height};
}

Result<Image> decode_bmp(Bytes bytes, const DecodeLimits& limits) {
  VP_ASSIGN_OR_RETURN(const BmpHead head, read_head(bytes, limits));
  if (head.bits != 8 && head.bits != 24 && head.bits != 32) {
    return fail_at(ErrorKind::Unsupported, 28, "BMP: {} bits a pixel, only 8, 24 and 32 are read",
                   head.bits);
  }
  if (head.compression != kRgb && head.compression != kBitFields) {
    return fail_at(ErrorKind::Unsupported, 30, "BMP: compression {}, only plain rows are read",
                   head.compression);
  }
  if (head.compression == kBitFields) VP_RETURN_IF_ERROR(check_masks(bytes, head));
  Palette palette = {};
  if (head.bits == 8) {
    VP_ASSIGN_OR_RETURN(palette, read_palette(bytes, head));
  }
  const std::size_t pixel_bytes = static_cast<std::size_t>(head.bits) / 8;
  const std::size_t row_bytes = (static_cast<std::size_t>(head.width) * pixel_bytes + 3) / 4 * 4;
  const std::size_t all_bytes = row_bytes * static_cast<std::size_t>(head.height);
  if (head.pixels_at > bytes.size() || bytes.size() - head.pixels_at < all_bytes) {
    return fail_at(ErrorKind::Malformed, head.pixels_at,
                   "BMP: the file is cut short: its pixels need {} bytes, {} are left", all_bytes,
                   bytes.size() - std::min(head.pixels_at, bytes.size()));
  }
  VP_RETURN_IF_ERROR(check_decode_bytes(
      static_cast<std::uint64_t>(head.width) * static_cast<std::uint64_t>(head.height) * 3,
      limits));
  Image image = make_image(head.width, head.height);
  for (int y = 0; y < head.height; ++y) {
    if (is_stopped(limits)) return fail_stopped(limits);
    const int stored_y = head.top_down ? y : head.height - 1 - y;
    const Bytes row =
        bytes.subspan(head.pixels_at + static_cast<std::size_t>(stored_y) * row_bytes, row_bytes);
    std::uint8_t* to = image.row(y);
    for (std::size_t x = 0; x < static_cast<std::size_t>(head.width); ++x, to += 3) {
      const std::size_t at = x * pixel_bytes;
      if (pixel_bytes == 1) {
        std::ranges::copy(palette[std::to_integer<std::size_t>(row[at])], to);
        continue;
      }
      for (std::size_t c = 0; c < 3; ++c) to[c] = std::to_integer<std::uint8_t>(row[at + 2 - c]);
    }
  }
  return image;
}

}  // namespace visionpress
