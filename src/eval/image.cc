#include "eval/image.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "eval/exif.h"
#include "eval/image_codecs.h"
#include "package/foreign_file.h"

namespace visionpress {
namespace {

constexpr int kJpegQuality = 92;

tl::unexpected<Error> fail_no_image(Bytes bytes) {
  if (bytes.empty()) return fail(ErrorKind::Malformed, "the file is empty, expected an image");
  if (const auto other = find_foreign_file(bytes)) {
    return fail(ErrorKind::Unsupported,
                "{}, which is not read: expected JPEG, PNG, BMP or WebP{}{}", other->name,
                other->advice.empty() ? "" : "; ", other->advice);
  }
  return fail(ErrorKind::Malformed, "not an image: expected JPEG, PNG, BMP or WebP");
}

Result<ImageSize> read_stored_size(Bytes bytes, ImageFormat format) {
  switch (format) {
    case ImageFormat::Jpeg:
      return read_jpeg_size(bytes);
    case ImageFormat::Png:
      return read_png_size(bytes);
    case ImageFormat::Bmp:
      return read_bmp_size(bytes);
    case ImageFormat::Webp:
      return read_webp_size(bytes);
    case ImageFormat::Unknown:
      break;
  }
  return fail_no_image(bytes);
}

Result<Image> decode_stored(Bytes bytes, ImageFormat format, const DecodeLimits& limits,
                            ImageSize enough) {
  switch (format) {
    case ImageFormat::Jpeg:
      return decode_jpeg(bytes, limits, enough);
    case ImageFormat::Png:
      return decode_png(bytes, limits);
    case ImageFormat::Bmp:
      return decode_bmp(bytes, limits);
    case ImageFormat::Webp:
      return decode_webp(bytes, limits);
    case ImageFormat::Unknown:
      break;
  }
  return fail_no_image(bytes);
}

}  // namespace

bool has_image_name(const std::string& path) {
  const std::string extension = ascii_lower(std::filesystem::path(path).extension().native());
  return std::ranges::find(kImageExtensions, extension) != kImageExtensions.end();
}

Image make_image(int width, int height) {
  Image image;
  image.width = width;
  image.height = height;
  image.rgb.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  return image;
}

ImageFormat find_image_format(Bytes bytes) {
  const std::string_view text = view_text(bytes.first(std::min<std::size_t>(bytes.size(), 12)));
  if (text.starts_with("\xff\xd8\xff")) return ImageFormat::Jpeg;
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return ImageFormat::Png;
  if (text.starts_with("BM")) return ImageFormat::Bmp;
  if (text.starts_with("RIFF") && text.ends_with("WEBP")) return ImageFormat::Webp;
  return ImageFormat::Unknown;
}

Result<void> check_image_size(std::uint64_t width, std::uint64_t height, std::uint64_t max_pixels) {
  if (width == 0 || height == 0) {
    return fail(ErrorKind::Malformed, "the image is {}x{} pixels", width, height);
  }
  if (width > max_pixels || height > max_pixels / width) {
    return fail(ErrorKind::Unsupported, "the image is {}x{} pixels, at most {} are read", width,
                height, max_pixels);
  }
  return {};
}

Result<void> check_decode_bytes(std::uint64_t needed, const DecodeLimits& limits) {
  if (needed <= limits.max_bytes) return {};
  return fail(ErrorKind::Unsupported, "decoding the image takes {} bytes, at most {} are spent",
              needed, limits.max_bytes);
}

bool is_stopped(const DecodeLimits& limits) {
  if (limits.cancelled != nullptr && limits.cancelled->load(std::memory_order_relaxed)) return true;
  return limits.deadline && std::chrono::steady_clock::now() >= *limits.deadline;
}

tl::unexpected<Error> fail_stopped(const DecodeLimits& limits) {
  const bool cancelled = limits.cancelled != nullptr && limits.cancelled->load();
  return fail(ErrorKind::Internal, "decoding the image was {}",
              cancelled ? "cancelled" : "not done by its deadline");
}

Result<Image> decode_image(Bytes bytes, const DecodeLimits& limits, ImageSize enough) {
  const ImageFormat format = find_image_format(bytes);
  const int orientation = find_orientation(bytes, format);
  if (is_turned_aside(orientation)) {
    VP_ASSIGN_OR_RETURN(const ImageSize size, read_stored_size(bytes, format));
    const auto pixels =
        static_cast<std::uint64_t>(size.width) * static_cast<std::uint64_t>(size.height);
    VP_RETURN_IF_ERROR(check_decode_bytes(pixels * 3 * 2, limits));  // stored and upright
    std::swap(enough.width, enough.height);
  }
  VP_ASSIGN_OR_RETURN(Image image, decode_stored(bytes, format, limits, enough));
  if (is_stopped(limits)) return fail_stopped(limits);
  return apply_orientation(std::move(image), orientation);
}

Result<Image> load_image(const std::string& path, const DecodeLimits& limits, ImageSize enough) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  Result<Image> image = decode_image(file.bytes(), limits, enough);
  if (!image) return in_file(std::move(image).error(), path);
  return image;
}

Result<ImageSize> load_image_size(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  Result<ImageSize> size = read_image_size(file.bytes());
  if (!size) return in_file(std::move(size).error(), path);
  return size;
}

Result<ImageSize> read_image_size(Bytes bytes) {
  const ImageFormat format = find_image_format(bytes);
  VP_ASSIGN_OR_RETURN(ImageSize size, read_stored_size(bytes, format));
  if (is_turned_aside(find_orientation(bytes, format))) std::swap(size.width, size.height);
  return size;
}

Result<ImageHead> load_image_head(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const ImageFormat format = find_image_format(file.bytes());
  const Result<ImageSize> size = read_stored_size(file.bytes(), format);
  if (!size) return in_file(size.error(), path);
  return ImageHead{*size, find_orientation(file.bytes(), format)};
}

Result<void> save_image(const Image& image, const std::string& path, Overwrite overwrite) {
  const std::string extension = ascii_lower(std::filesystem::path(path).extension().native());
  std::vector<std::byte> bytes;
  if (extension == ".png") {
    VP_ASSIGN_OR_RETURN(bytes, encode_png(image));
  } else if (extension == ".jpg" || extension == ".jpeg") {
    VP_ASSIGN_OR_RETURN(bytes, encode_jpeg(image, kJpegQuality));
  } else {
    return fail(ErrorKind::InvalidArgument,
                "{}: pictures are written as .png, .jpg or .jpeg, found \"{}\"", path, extension);
  }
  return write_file(path, overwrite, bytes);
}

}  // namespace visionpress
