#include "eval/exif.h"

#include <array>
#include <string_view>
#include <utility>

namespace visionpress {
namespace {

constexpr std::string_view kExifPrefix{"Exif\0\0", 6};
constexpr std::string_view kXmpPrefix{"http://ns.adobe.com/xap/1.0/\0", 29};
// Keyword, then: not compressed.
constexpr std::string_view kPngXmpPrefix{"XML:com.adobe.xmp\0\0", 19};

std::uint32_t load_be32(Bytes bytes, std::size_t at) {
  return __builtin_bswap32(load_le<std::uint32_t>(bytes, at));
}

std::uint16_t load_be16(Bytes bytes, std::size_t at) {
  return __builtin_bswap16(load_le<std::uint16_t>(bytes, at));
}

/// Where a file tells which way up it is: EXIF's TIFF structure, and Adobe's XMP, a text.
struct Hints {
  Bytes tiff = {};
  Bytes xmp = {};
};

/// The TIFF part of an EXIF payload, with or without the "Exif" prefix.
Bytes skip_exif_prefix(Bytes payload) {
  return view_text(payload).starts_with(kExifPrefix) ? payload.subspan(kExifPrefix.size())
                                                     : payload;
}

/// JPEG: FF D8, then segments FF type length16 (which counts itself); EXIF and XMP are in an APP1
/// (E1) each.
Hints find_jpeg_hints(Bytes file) {
  Hints hints;
  std::size_t at = 2;
  while (file.size() >= at + 4 && std::to_integer<int>(file[at]) == 0xff) {
    const int type = std::to_integer<int>(file[at + 1]);
    if (type == 0xff) {  // fill byte
      ++at;
      continue;
    }
    if (type == 0xd8 || type == 0x01 || (type >= 0xd0 && type <= 0xd7)) {  // without a length
      at += 2;
      continue;
    }
    if (type == 0xda || type == 0xd9) break;  // the picture itself, or its end
    const std::size_t length = load_be16(file, at + 2);
    if (length < 2 || length > file.size() - at - 2) break;
    const Bytes payload = file.subspan(at + 4, length - 2);
    if (type == 0xe1 && view_text(payload).starts_with(kExifPrefix) && hints.tiff.empty()) {
      hints.tiff = payload.subspan(kExifPrefix.size());
    }
    if (type == 0xe1 && view_text(payload).starts_with(kXmpPrefix)) {
      hints.xmp = payload.subspan(kXmpPrefix.size());
    }
    at += 2 + length;
  }
  return hints;
}

/// PNG: 8 bytes, then chunks length32 type32 data crc32; "eXIf" holds the TIFF structure, an "iTXt"
/// the XMP.
Hints find_png_hints(Bytes file) {
  Hints hints;
  std::size_t at = 8;
  while (file.size() >= at && file.size() - at >= 12) {
    const std::size_t length = load_be32(file, at);
    if (length > file.size() - at - 12) break;
    const std::string_view type = view_text(file.subspan(at + 4, 4));
    const Bytes data = file.subspan(at + 8, length);
    if (type == "eXIf" && hints.tiff.empty()) hints.tiff = skip_exif_prefix(data);
    if (type == "iTXt" && view_text(data).starts_with(kPngXmpPrefix)) {
      hints.xmp = data.subspan(kPngXmpPrefix.size());
    }
    at += 12 + length;
  }
  return hints;
}

/// WebP: "RIFF" size "WEBP", then chunks type32 length32 data, padded to even lengths.
Hints find_webp_hints(Bytes file) {
  Hints hints;
  std::size_t at = 12;
  while (file.size() >= at && file.size() - at >= 8) {
    const std::size_t length = load_le<std::uint32_t>(file, at + 4);
    if (length > file.size() - at - 8) break;
    const std::string_view type = view_text(file.subspan(at, 4));
    if (type == "EXIF" && hints.tiff.empty()) {
      hints.tiff = skip_exif_prefix(file.subspan(at + 8, length));
    }
    if (type == "XMP ") hints.xmp = file.subspan(at + 8, length);
    at += 8 + length + (length & 1U);
  }
  return hints;
}

/// tiff:Orientation="6", or <tiff:Orientation>6</tiff:Orientation>: what Pillow looks for.
std::optional<int> find_xmp_orientation(std::string_view text) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = text.find(kName); at != std::string_view::npos;
       at = text.find(kName, at + 1)) {
    std::string_view rest = text.substr(at + kName.size());
    const std::size_t skipped = rest.starts_with("=\"") ? 2 : rest.starts_with(">") ? 1 : 0;
    rest.remove_prefix(skipped);
    if (skipped == 0 || rest.empty() || rest[0] < '0' || rest[0] > '9') continue;
    return rest[0] - '0';
  }
  return std::nullopt;
}

struct Turn {
  bool transpose = false;  ///< rows become columns, before the flips
  bool flip_x = false;
  bool flip_y = false;
};

/// EXIF 2.3, 4.6.4: where row 0 and column 0 of the stored picture belong.
constexpr std::array<Turn, 9> kTurns = {{{false, false, false},
                                         {false, false, false},
                                         {false, true, false},
                                         {false, true, true},
                                         {false, false, true},
                                         {true, false, false},
                                         {true, true, false},
                                         {true, true, true},
                                         {true, false, true}}};

}  // namespace

std::optional<int> find_tiff_orientation(Bytes tiff) {
  if (tiff.size() < 8) return std::nullopt;
  const std::string_view mark = view_text(tiff.first(4));
  const bool little = mark == std::string_view("II*\0", 4);
  if (!little && mark != std::string_view("MM\0*", 4)) return std::nullopt;
  const auto load16 = [&](std::size_t at) {
    return little ? load_le<std::uint16_t>(tiff, at) : load_be16(tiff, at);
  };
  const auto load32 = [&](std::size_t at) {
    return little ? load_le<std::uint32_t>(tiff, at) : load_be32(tiff, at);
  };
  const std::size_t directory = load32(4);
  if (directory > tiff.size() || tiff.size() - directory < 2) return std::nullopt;
  const std::size_t count = load16(directory);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = directory + 2 + i * 12;  // tag16 type16 count32 value32
    if (at > tiff.size() || tiff.size() - at < 12) return std::nullopt;
    if (load16(at) != 0x0112) continue;
    const std::uint32_t type = load16(at + 2);
    if (type != 3 && type != 4) return std::nullopt;  // SHORT, and LONG as some writers have it
    const std::uint32_t value = type == 3 ? load16(at + 8) : load32(at + 8);
    if (value < 1 || value > 8) return std::nullopt;
    return static_cast<int>(value);
  }
  return std::nullopt;
}

int find_orientation(Bytes file, ImageFormat format) {
  Hints hints;
  if (format == ImageFormat::Jpeg) hints = find_jpeg_hints(file);
  if (format == ImageFormat::Png) hints = find_png_hints(file);
  if (format == ImageFormat::Webp) hints = find_webp_hints(file);
  std::optional<int> found = find_tiff_orientation(hints.tiff);
  if (!found) found = find_xmp_orientation(view_text(hints.xmp));
  return found && *found >= 1 && *found <= 8 ? *found : 1;
}

Image apply_orientation(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const Turn turn = kTurns[static_cast<std::size_t>(orientation)];
  const int width = turn.transpose ? image.height : image.width;
  const int height = turn.transpose ? image.width : image.height;
  Image out = make_image(width, height);
  for (int y = 0; y < height; ++y) {
    std::uint8_t* to = out.row(y);
    const int from_y = turn.flip_y ? height - 1 - y : y;
    for (int x = 0; x < width; ++x, to += 3) {
      const int from_x = turn.flip_x ? width - 1 - x : x;
      const std::uint8_t* from = turn.transpose ? image.row(from_x) + std::ptrdiff_t{from_y} * 3
                                                : image.row(from_y) + std::ptrdiff_t{from_x} * 3;
      to[0] = from[0];
      to[1] = from[1];
      to[2] = from[2];
    }
  }
  return out;
}

}  // namespace visionpress
