// BMP, the one format without a library here.
// "BM" size32 reserved32 pixels_at32 | header_size32 ... | [masks] | palette | rows padded to 4.
// header 12 (OS/2): width16 height16 planes16 bits16; palette of B, G, R.
// header 40 and more: width32 height32 planes16 bits16 compression32 image_size32 resolution32x2
// colors32 important32 [masks: red32 green32 blue32 alpha32]; palette of B, G, R, 0.
// Rows run bottom-up, or top-down when the height is negative.
// source: Microsoft's BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER, "Bitmap Compression".

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

constexpr std::uint32_t kRgb = 0;        // BI_RGB
constexpr std::uint32_t kRle8 = 1;       // BI_RLE8
constexpr std::uint32_t kRle4 = 2;       // BI_RLE4
constexpr std::uint32_t kBitFields = 3;  // BI_BITFIELDS

constexpr std::size_t kFileHeader = 14;
constexpr std::uint32_t kCoreHeader = 12;

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

/// One colour's bits in a pixel; all of them stretched to 0..255, rounded down as Pillow does.
struct Field {
  std::uint32_t mask = 0;

  [[nodiscard]] std::uint8_t of(std::uint32_t pixel) const {
    if (mask == 0) return 0;
    const int shift = std::countr_zero(mask);
    const std::uint64_t most = mask >> shift;
    if (most == 255) return static_cast<std::uint8_t>(pixel >> shift);
    return static_cast<std::uint8_t>(((pixel & mask) >> shift) * std::uint64_t{255} / most);
  }
};

struct BmpHead {
  std::size_t pixels_at = 0;
  std::uint32_t header_bytes = 0;
  int width = 0;
  int height = 0;
  bool top_down = false;
  int bits = 0;
  std::uint32_t compression = kRgb;
  std::uint32_t colors = 0;
  std::array<Field, 3> fields = {};  ///< red, green, blue; of 16 bits and more

  [[nodiscard]] std::size_t entry_bytes() const { return header_bytes == kCoreHeader ? 3 : 4; }
  [[nodiscard]] std::size_t row_bytes() const {
    return (static_cast<std::size_t>(width) * static_cast<std::size_t>(bits) + 31) / 32 * 4;
  }
};

tl::unexpected<Error> fail_cut(std::size_t needed, std::size_t there) {
  return fail(ErrorKind::Malformed, "BMP: the file is cut short: {} bytes, its head has {}", there,
              needed);
}

Result<void> set_size(BmpHead& head, std::int64_t width, std::int64_t height,
                      const DecodeLimits& limits) {
  if (width <= 0 || height == 0) {
    return fail_at(ErrorKind::Malformed, 18, "BMP: the image is {}x{} pixels", width, height);
  }
  const auto rows = static_cast<std::uint64_t>(std::abs(height));
  VP_RETURN_IF_ERROR(check_image_size(static_cast<std::uint64_t>(width), rows, limits.max_pixels));
  head.width = static_cast<int>(width);
  head.height = static_cast<int>(rows);
  head.top_down = height < 0;
  return {};
}

/// The masks stand behind the 40 bytes that all these headers begin with.
Result<void> read_masks(Bytes bytes, BmpHead& head) {
  std::array<std::uint32_t, 3> masks = {0xff0000, 0xff00, 0xff};
  if (head.bits == 16) masks = {0x7c00, 0x3e0, 0x1f};
  if (head.compression == kBitFields) {
    constexpr std::size_t kAt = kFileHeader + 40;
    if (bytes.size() < kAt + 12) {
      return fail(ErrorKind::Malformed, "BMP: the color masks are missing");
    }
    std::array<std::uint32_t, 3> given = {};
    for (std::size_t i = 0; i < 3; ++i) {
      given[i] = load_le<std::uint32_t>(bytes, kAt + 4 * i);
      const std::uint32_t low = given[i] == 0 ? 0 : given[i] >> std::countr_zero(given[i]);
      if ((low & (low + 1)) != 0) {
        return fail_at(ErrorKind::Malformed, kAt + 4 * i, "BMP: the color mask {:#x} has gaps",
                       given[i]);
      }
    }
    // Some writers give no masks at all and mean the usual ones.
    if (given != std::array<std::uint32_t, 3>{}) masks = given;
  }
  for (std::size_t i = 0; i < 3; ++i) head.fields[i].mask = masks[i];
  return {};
}

Result<void> check_kind(const BmpHead& head) {
  constexpr std::array<int, 6> kDepths = {1, 4, 8, 16, 24, 32};
  if (std::ranges::find(kDepths, head.bits) == kDepths.end()) {
    return fail_at(ErrorKind::Unsupported, 28,
                   "BMP: {} bits a pixel, only 1, 4, 8, 16, 24 and 32 are read", head.bits);
  }
  const bool fits = head.compression == kRgb || (head.compression == kRle8 && head.bits == 8) ||
                    (head.compression == kRle4 && head.bits == 4) ||
                    (head.compression == kBitFields && head.bits >= 16);
  if (!fits) {
    return fail_at(ErrorKind::Unsupported, 30, "BMP: compression {} of {} bits a pixel is not read",
                   head.compression, head.bits);
  }
  return {};
}

Result<BmpHead> read_head(Bytes bytes, const DecodeLimits& limits) {
  if (bytes.size() < kFileHeader + kCoreHeader) {
    return fail_cut(kFileHeader + kCoreHeader, bytes.size());
  }
  BmpHead head;
  head.pixels_at = load_le<std::uint32_t>(bytes, 10);
  head.header_bytes = load_le<std::uint32_t>(bytes, 14);
  if (head.header_bytes == kCoreHeader) {
    VP_RETURN_IF_ERROR(set_size(head, load_le<std::uint16_t>(bytes, 18),
                                load_le<std::uint16_t>(bytes, 20), limits));
    head.bits = load_le<std::uint16_t>(bytes, 24);
    return head;
  }
  constexpr std::uint32_t kInfoHeader = 40;
  if (head.header_bytes < kInfoHeader) {
    return fail_at(ErrorKind::Unsupported, 14, "BMP: header of {} bytes, 12, 40 or more are read",
                   head.header_bytes);
  }
  if (bytes.size() < kFileHeader + kInfoHeader) {
    return fail_cut(kFileHeader + kInfoHeader, bytes.size());
  }
  VP_RETURN_IF_ERROR(
      set_size(head, load_le<std::int32_t>(bytes, 18), load_le<std::int32_t>(bytes, 22), limits));
  head.bits = load_le<std::uint16_t>(bytes, 28);
  head.compression = load_le<std::uint32_t>(bytes, 30);
  head.colors = load_le<std::uint32_t>(bytes, 46);
  return head;
}

/// An entry that the file lacks is black, as in Pillow.
Result<Palette> read_palette(Bytes bytes, const BmpHead& head) {
  Palette palette = {};
  const std::size_t most = std::size_t{1} << head.bits;
  const std::size_t count = head.colors == 0 ? most : std::min<std::size_t>(head.colors, most);
  const std::size_t at = kFileHeader + head.header_bytes;
  if (at > bytes.size() || bytes.size() - at < count * head.entry_bytes()) {
    return fail(ErrorKind::Malformed, "BMP: the palette of {} colors passes the end", count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      palette[i][c] = std::to_integer<std::uint8_t>(bytes[at + head.entry_bytes() * i + 2 - c]);
    }
  }
  return palette;
}

/// The palette's index of each pixel in the order of the file's rows. Pairs of bytes: COUNT INDEX
/// repeats (two indices of 4 bits take turns); 0 0 ends a row, 0 1 the picture, 0 2 RIGHT UP moves,
/// and 0 COUNT stands before COUNT indices as they are, padded to 16 bits. What is skipped is 0.
class RleReader {
 public:
  RleReader(Bytes bytes, const BmpHead& head)
      : bytes_(bytes),
        at_(head.pixels_at),
        nibbles_(head.compression == kRle4),
        width_(static_cast<std::size_t>(head.width)),
        height_(static_cast<std::size_t>(head.height)),
        indices_(width_ * height_) {}

  Result<std::vector<std::uint8_t>> read() {
    while (y_ < height_) {
      if (!has(2)) return fail_end();
      const std::size_t count = take();
      const std::size_t value = take();
      if (count != 0) {
        repeat(value, count);
      } else if (value == 0) {
        x_ = 0;
        ++y_;
      } else if (value == 1) {
        break;
      } else if (value == 2) {
        if (!has(2)) return fail_end();
        x_ += take();
        y_ += take();
      } else if (!copy(value)) {
        return fail_end();
      }
    }
    return std::move(indices_);
  }

 private:
  [[nodiscard]] bool has(std::size_t count) const {
    return at_ <= bytes_.size() && bytes_.size() - at_ >= count;
  }
  std::size_t take() { return std::to_integer<std::size_t>(bytes_[at_++]); }
  [[nodiscard]] std::size_t index_of(std::size_t value, std::size_t i) const {
    if (!nibbles_) return value;
    return i % 2 == 0 ? value >> 4 : value & 15;
  }
  /// Work only for what is shown, however much a file repeats beyond its rows.
  void repeat(std::size_t value, std::size_t count) {
    const std::size_t shown = x_ < width_ ? std::min(count, width_ - x_) : 0;
    for (std::size_t i = 0; i < shown; ++i) put(index_of(value, i));
    x_ += count - shown;
  }
  /// Pixels beyond the row are dropped.
  void put(std::size_t index) {
    if (x_ < width_ && y_ < height_) {
      indices_[y_ * width_ + x_] = static_cast<std::uint8_t>(index);
    }
    ++x_;
  }
  bool copy(std::size_t count) {
    const std::size_t stored = nibbles_ ? (count + 1) / 2 : count;
    if (!has(stored)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t byte = std::to_integer<std::size_t>(bytes_[at_ + (nibbles_ ? i / 2 : i)]);
      put(index_of(byte, i));
    }
    at_ += stored + stored % 2;
    return true;
  }
  [[nodiscard]] tl::unexpected<Error> fail_end() const {
    return fail_at(ErrorKind::Malformed, bytes_.size(),
                   "BMP: the file is cut short in row {} of {}", y_, height_);
  }

  Bytes bytes_;
  std::size_t at_;
  bool nibbles_;
  std::size_t width_;
  std::size_t height_;
  std::size_t x_ = 0;
  std::size_t y_ = 0;
  std::vector<std::uint8_t> indices_;
};

/// One row of plain pixels.
void read_row(Bytes row, const BmpHead& head, const Palette& palette, std::uint8_t* to) {
  const auto width = static_cast<std::size_t>(head.width);
  if (head.bits <= 8) {
    const auto bits = static_cast<std::size_t>(head.bits);
    const std::size_t most = (std::size_t{1} << bits) - 1;
    for (std::size_t x = 0; x < width; ++x, to += 3) {
      const std::size_t bit = x * bits;
      const std::size_t byte = std::to_integer<std::size_t>(row[bit / 8]);
      std::ranges::copy(palette[byte >> (8 - bits - bit % 8) & most], to);
    }
    return;
  }
  const std::size_t pixel_bytes = static_cast<std::size_t>(head.bits) / 8;
  for (std::size_t x = 0; x < width; ++x, to += 3) {
    std::uint32_t pixel = 0;
    for (std::size_t i = 0; i < pixel_bytes; ++i) {
      pixel |= std::to_integer<std::uint32_t>(row[x * pixel_bytes + i]) << (8 * i);
    }
    for (std::size_t c = 0; c < 3; ++c) to[c] = head.fields[c].of(pixel);
  }
}

Result<Image> read_rle(Bytes bytes, const BmpHead& head, const Palette& palette) {
  VP_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> indices, RleReader(bytes, head).read());
  Image image = make_image(head.width, head.height);
  const auto width = static_cast<std::size_t>(head.width);
  for (int y = 0; y < head.height; ++y) {
    const auto stored_y = static_cast<std::size_t>(head.top_down ? y : head.height - 1 - y);
    std::uint8_t* to = image.row(y);
    for (std::size_t x = 0; x < width; ++x, to += 3) {
      std::ranges::copy(palette[indices[stored_y * width + x]], to);
    }
  }
  return image;
}

Result<Image> read_rows(Bytes bytes, const BmpHead& head, const Palette& palette,
                        const DecodeLimits& limits) {
  const std::size_t all_bytes = head.row_bytes() * static_cast<std::size_t>(head.height);
  if (head.pixels_at > bytes.size() || bytes.size() - head.pixels_at < all_bytes) {
    return fail_at(ErrorKind::Malformed, head.pixels_at,
                   "BMP: the file is cut short: its pixels need {} bytes, {} are left", all_bytes,
                   bytes.size() - std::min(head.pixels_at, bytes.size()));
  }
  Image image = make_image(head.width, head.height);
  for (int y = 0; y < head.height; ++y) {
    if (is_stopped(limits)) return fail_stopped(limits);
    const int stored_y = head.top_down ? y : head.height - 1 - y;
    read_row(bytes.subspan(head.pixels_at + static_cast<std::size_t>(stored_y) * head.row_bytes(),
                           head.row_bytes()),
             head, palette, image.row(y));
  }
  return image;
}

}  // namespace

Result<ImageSize> read_bmp_size(Bytes bytes) {
  VP_ASSIGN_OR_RETURN(const BmpHead head, read_head(bytes, {}));
  return ImageSize{head.width, head.height};
}

Result<Image> decode_bmp(Bytes bytes, const DecodeLimits& limits) {
  VP_ASSIGN_OR_RETURN(BmpHead head, read_head(bytes, limits));
  VP_RETURN_IF_ERROR(check_kind(head));
  Palette palette = {};
  if (head.bits <= 8) {
    VP_ASSIGN_OR_RETURN(palette, read_palette(bytes, head));
    // Some writers say that the pixels begin where the palette does.
    const std::size_t palette_at = kFileHeader + head.header_bytes;
    if (head.pixels_at == palette_at) {
      const std::size_t count = head.colors == 0 ? std::size_t{1} << head.bits : head.colors;
      head.pixels_at += count * head.entry_bytes();
    }
  } else {
    VP_RETURN_IF_ERROR(read_masks(bytes, head));
  }
  const bool packed = head.compression == kRle8 || head.compression == kRle4;
  const auto pixels =
      static_cast<std::uint64_t>(head.width) * static_cast<std::uint64_t>(head.height);
  VP_RETURN_IF_ERROR(check_decode_bytes(pixels * (packed ? 4 : 3), limits));
  if (is_stopped(limits)) return fail_stopped(limits);
  return packed ? read_rle(bytes, head, palette) : read_rows(bytes, head, palette, limits);
}

}  // namespace visionpress
