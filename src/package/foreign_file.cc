#include "package/foreign_file.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/ascii.h"

namespace visionpress {
namespace {

using std::string_view_literals::operator""sv;

struct Signature {
  std::size_t at = 0;
  std::string_view bytes = {};
  ForeignFile file = {};
};

constexpr ForeignFile kTiff = {"a TIFF image or a camera's raw file"};
constexpr ForeignFile kPickle = {"a Python pickle, such as PyTorch's .pt and .pth",
                                 "export the model to Core ML or TensorFlow Lite first", true};
constexpr std::string_view kUnpack = "unpack it";

// source: each format's own description; the list of file signatures of "file" (libmagic).
constexpr std::array kSignatures = {
    Signature{0, "\xff\xd8\xff"sv, {"a JPEG image"}},
    Signature{0, "\x89PNG"sv, {"a PNG image"}},
    Signature{8, "WEBP"sv, {"a WebP image"}},
    Signature{0, "GIF8"sv, {"a GIF image"}},
    Signature{0, "II*\0"sv, kTiff},
    Signature{0, "MM\0*"sv, kTiff},
    Signature{0, "II+\0"sv, {"a TIFF image (BigTIFF)"}},
    Signature{0, "MM\0+"sv, {"a TIFF image (BigTIFF)"}},
    Signature{0, "\xff\x0a"sv, {"a JPEG XL image"}},
    Signature{0, "\0\0\0\x0cJXL \r\n\x87\n"sv, {"a JPEG XL image"}},
    Signature{0, "\0\0\0\x0cjP  \r\n\x87\n"sv, {"a JPEG 2000 image"}},
    Signature{0, "\xff\x4f\xff\x51"sv, {"a JPEG 2000 image"}},
    Signature{0, "%PDF-"sv, {"a PDF document"}},
    Signature{0, "8BPS"sv, {"a Photoshop image"}},
    Signature{0, "\0\0\1\0"sv, {"an icon (ICO)"}},
    Signature{0, "DDS "sv, {"a DDS texture"}},
    Signature{0, "qoif"sv, {"a QOI image"}},
    Signature{0, "#?RADIANCE"sv, {"a Radiance HDR image"}},
    Signature{0, "\x76\x2f\x31\x01"sv, {"an OpenEXR image"}},
    Signature{128, "DICM"sv, {"a DICOM image"}},
    Signature{0, "\x1a\x45\xdf\xa3"sv, {"a video (Matroska, WebM)"}},
    Signature{8, "AVI "sv, {"a video (AVI)"}},
    Signature{8, "WAVE"sv, {"a WAVE sound"}},
    Signature{0, "RIFF"sv, {"a RIFF file"}},
    Signature{0, "PK\3\4"sv, {"a ZIP archive", kUnpack}},
    Signature{0, "\x1f\x8b"sv, {"a gzip archive", kUnpack}},
    Signature{0, "BZh"sv, {"a bzip2 archive", kUnpack}},
    Signature{0, "\xfd\x37zXZ"sv, {"an xz archive", kUnpack}},
    Signature{0, "\x28\xb5\x2f\xfd"sv, {"a Zstandard archive", kUnpack}},
    Signature{0, "7z\xbc\xaf"sv, {"a 7-Zip archive", kUnpack}},
    Signature{0, "Rar!"sv, {"a RAR archive", kUnpack}},
    Signature{257, "ustar"sv, {"a tar archive", kUnpack}},
    Signature{0, "\0\5\x16\7"sv, {"what macOS keeps beside a file (AppleDouble)"}},
    Signature{
        0, "version https://git-lfs"sv, {"a Git LFS pointer", "`git lfs pull` fetches the file"}},
    Signature{
        0, "\x89HDF"sv, {"a Keras HDF5 file (.h5)", "convert it to TensorFlow Lite first", true}},
    Signature{0, "\x80\x02"sv, kPickle},
    Signature{0, "\x80\x03"sv, kPickle},
    Signature{0, "\x80\x04"sv, kPickle},
    Signature{0, "\x80\x05"sv, kPickle},
    Signature{0, "\x93NUMPY"sv, {"a NumPy array (.npy)"}},
    Signature{4, "TFL3"sv, {"a TensorFlow Lite model", "", true}},
    Signature{4, "TFL2"sv, {"a TensorFlow Lite file of the schema before version 3", "", true}},
    Signature{
        4, "ORTM"sv, {"an ONNX Runtime file (.ort)", "name the .onnx that it was made from", true}},
    Signature{4, "ET12"sv, {"an ExecuTorch program (.pte)", "", true}},
    Signature{0, "7767517"sv, {"an ncnn network (.param)", "", true}},
    Signature{0, "GGUF"sv, {"a GGUF model, of language models", "", true}},
    Signature{0, "\x7f\x45LF"sv, {"a program or library (ELF)"}},
    Signature{0, "bplist00"sv, {"a binary property list"}},
};

/// ISO's media files: size32 "ftyp" brand version32 brands... source: ISO/IEC 14496-12, 4.3.
std::string_view name_media(std::string_view head) {
  const std::string_view brands = head.substr(8);
  const std::string_view major = brands.substr(0, 4);
  const auto has = [&](std::string_view brand) { return brands.find(brand) != brands.npos; };
  if (major == "avif" || major == "avis") return "an AVIF image";
  if (major == "crx ") return "a camera's raw file (CR3)";
  if (major == "jxl ") return "a JPEG XL image";
  const bool still = major == "mif1" || major == "msf1";
  if (still && has("avif")) return "an AVIF image";
  if (still || major.starts_with("hei") || major.starts_with("hev")) {
    return "a HEIC image (an iPhone's photograph)";
  }
  return "a video (MP4, QuickTime)";
}

/// BMP's signature is only two letters, so the size of its second header must also be one that BMP
/// has. source: wingdi.h, BITMAPFILEHEADER and the headers that may follow it.
bool is_bmp(std::string_view head) {
  constexpr std::array kHeaderSizes = {12, 16, 40, 52, 56, 64, 108, 124};
  if (head.size() < 18 || !head.starts_with("BM") || head.substr(15, 3) != "\0\0\0"sv) return false;
  return std::ranges::find(kHeaderSizes, head[14]) != kHeaderSizes.end();
}

/// Portable anymap: "P6" and white space.
bool is_anymap(std::string_view head) {
  return head.size() > 2 && head[0] == 'P' && head[1] >= '1' && head[1] <= '7' &&
         is_ascii_space(head[2]);
}

/// Safetensors: the length of a JSON object, then the object. source: huggingface/safetensors.
bool is_safetensors(std::string_view head) {
  constexpr std::size_t kLengthBytes = 8;
  return head.size() > kLengthBytes + 1 && head.substr(kLengthBytes, 2) == "{\"" &&
         head.substr(4, 4) == "\0\0\0\0"sv;
}

/// A protobuf may begin with a line feed and a brace, but other control characters follow soon.
bool is_text(std::string_view head) {
  return std::ranges::none_of(
      head, [](char c) { return static_cast<unsigned char>(c) < 0x20 && !is_ascii_space(c); });
}

std::optional<ForeignFile> find_text(std::string_view head) {
  if (head.starts_with("\xff\xfe") || head.starts_with("\xfe\xff")) {
    return ForeignFile{"text in UTF-16"};
  }
  if (!is_text(head)) return std::nullopt;
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);  // a byte order mark
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n\f"), head.size()));
  if (head.starts_with("{") || head.starts_with("[")) return ForeignFile{"JSON text"};
  const bool is_markup = head.size() > 1 && head[0] == '<' &&
                         (is_ascii_letter(head[1]) || head[1] == '!' || head[1] == '?');
  if (!is_markup) return std::nullopt;
  const std::string lower = ascii_lower(head);
  const auto has = [&](std::string_view tag) { return lower.find(tag) != lower.npos; };
  if (has("<svg")) return ForeignFile{"an SVG drawing"};
  if (has("<!doctype html") || has("<html") || has("<head") || has("<body")) {
    return ForeignFile{"a web page (HTML), as a link answers that wants a browser or a login",
                       "download the file itself"};
  }
  return ForeignFile{"XML text"};
}

}  // namespace

std::optional<ForeignFile> find_foreign_file(Bytes bytes) {
  constexpr std::size_t kHead = 1024;  // the first tag of markup may follow a licence text
  const std::string_view head = view_text(bytes.first(std::min(bytes.size(), kHead)));
  if (head.size() >= 12 && head.substr(4, 4) == "ftyp") {
    return ForeignFile{name_media(head.substr(0, 64))};
  }
  const auto found = std::ranges::find_if(kSignatures, [&](const Signature& signature) {
    return head.size() > signature.at && head.substr(signature.at).starts_with(signature.bytes);
  });
  if (found != kSignatures.end()) return found->file;
  if (is_safetensors(head)) {
    return ForeignFile{"weights without a network (.safetensors)",
                       "export the model to Core ML or TensorFlow Lite first", true};
  }
  if (is_bmp(head)) return ForeignFile{"a BMP image"};
  if (is_anymap(head)) return ForeignFile{"a portable anymap (PPM, PGM, PBM)"};
  return find_text(head);
}

}  // namespace visionpress
