#include "eval/foreign_file.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/ascii.h"

namespace visionpress {
namespace {

using std::string_view_literals::operator""sv;

struct Signature {
  std::size_t at = 0;
  std::string_view bytes = {};
  const char* name = "";
};

// source: each format's own description; the list of file signatures of "file" (libmagic).
constexpr std::array kSignatures = {
    Signature{0, "GIF8"sv, "a GIF"},
    Signature{0, "II*\0"sv, "a TIFF, or a camera's raw file"},
    Signature{0, "MM\0*"sv, "a TIFF, or a camera's raw file"},
    Signature{0, "II+\0"sv, "a TIFF (BigTIFF)"},
    Signature{0, "MM\0+"sv, "a TIFF (BigTIFF)"},
    Signature{0, "\xff\x0a"sv, "JPEG XL"},
    Signature{0, "\0\0\0\x0cJXL \r\n\x87\n"sv, "JPEG XL"},
    Signature{0, "\0\0\0\x0cjP  \r\n\x87\n"sv, "JPEG 2000"},
    Signature{0, "\xff\x4f\xff\x51"sv, "JPEG 2000"},
    Signature{0, "%PDF-"sv, "a PDF"},
    Signature{0, "8BPS"sv, "a Photoshop file"},
    Signature{0, "\0\0\1\0"sv, "an icon (ICO)"},
    Signature{0, "DDS "sv, "a DDS texture"},
    Signature{0, "qoif"sv, "QOI"},
    Signature{0, "#?RADIANCE"sv, "a Radiance HDR picture"},
    Signature{0, "\x76\x2f\x31\x01"sv, "OpenEXR"},
    Signature{128, "DICM"sv, "DICOM"},
    Signature{0, "\x1a\x45\xdf\xa3"sv, "a video (Matroska, WebM)"},
    Signature{8, "AVI "sv, "a video (AVI)"},
    Signature{0, "PK\3\4"sv, "a ZIP archive"},
    Signature{0, "\x1f\x8b"sv, "a gzip archive"},
    Signature{0, "\0\5\x16\7"sv, "what macOS keeps beside a file (AppleDouble)"},
    Signature{0, "version https://git-lfs"sv, "a pointer of Git LFS; `git lfs pull` gets the file"},
    Signature{4, "TFL3"sv, "a TensorFlow Lite model"},
};

/// ISO's media files: size32 "ftyp" brand version32 brands...
std::string name_media(std::string_view head) {
  const std::string_view brands = head.substr(8);
  const std::string_view major = brands.substr(0, 4);
  const auto has = [&](std::string_view brand) { return brands.find(brand) != brands.npos; };
  if (major == "avif" || major == "avis") return "AVIF";
  if (major == "crx ") return "a camera's raw file (CR3)";
  if (major == "jxl ") return "JPEG XL";
  const bool still = major == "mif1" || major == "msf1";
  if (still && has("avif")) return "AVIF";
  if (still || major.starts_with("hei") || major.starts_with("hev")) {
    return "HEIC (an iPhone's photograph)";
  }
  return "a video (MP4, QuickTime)";
}

/// The text in small letters without what may stand before its first tag.
std::string find_first_tag(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::size_t begin = text.find_first_not_of(" \t\r\n\f");
  if (begin == text.npos || text[begin] != '<') return {};
  return ascii_lower(text.substr(begin));
}

std::string name_markup(std::string_view text) {
  const std::string lower = find_first_tag(text);
  if (lower.empty()) return {};
  if (lower.find("<svg") != lower.npos) return "SVG (a drawing, not pixels)";
  if (lower.starts_with("<!doctype html") || lower.find("<html") != lower.npos ||
      lower.find("<head") != lower.npos || lower.find("<body") != lower.npos) {
    return "an HTML page";
  }
  return lower.starts_with("<?xml") ? "XML" : "";
}

}  // namespace

std::string name_foreign_file(Bytes bytes) {
  constexpr std::size_t kHead = 1024;  // markup's first tag may stand behind a licence
  const std::string_view head = view_text(bytes.first(std::min(bytes.size(), kHead)));
  if (head.size() >= 12 && head.substr(4, 4) == "ftyp") return name_media(head.substr(0, 64));
  const auto found = std::ranges::find_if(kSignatures, [&](const Signature& signature) {
    return head.size() > signature.at && head.substr(signature.at).starts_with(signature.bytes);
  });
  if (found != kSignatures.end()) return found->name;
  // Portable anymap: "P6" and white space.
  if (head.size() > 2 && head[0] == 'P' && head[1] >= '1' && head[1] <= '7' &&
      is_ascii_space(head[2])) {
    return "a portable anymap (PPM, PGM, PBM)";
  }
  return name_markup(head);
}

}  // namespace visionpress
