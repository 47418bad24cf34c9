#include "eval/image.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "eval/exif.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

constexpr int kJpegQuality = 92;

tl::unexpected<Error> fail_no_image(Bytes bytes) {
  if (bytes.empty()) return fail(ErrorKind::Malformed, "the file is empty, expected an image");
  return fail_at(ErrorKind::Malformed, 0, "not an image: expected JPEG, PNG, BMP or WebP");
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

Result<Image> decode_stored(Bytes bytes, ImageFormat format) {
  switch (format) {
    case ImageFormat::Jpeg:
      return decode_jpeg(bytes);
    case ImageFormat::Png:
      return decode_png(bytes);
    case ImageFormat::Bmp:
      return decode_bmp(bytes);
    case ImageFormat::Webp:
      return decode_webp(bytes);
    case ImageFormat::Unknown:
      break;
  }
  return fail_no_image(bytes);
}

}  // namespace

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

Result<void> check_image_size(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) {
    return fail(ErrorKind::Malformed, "the image is {}x{} pixels", width, height);
  }
  if (width > kMaxImagePixels || height > kMaxImagePixels / width) {
    return fail(ErrorKind::Unsupported, "the image is {}x{} pixels, at most {} are read", width,
                height, kMaxImagePixels);
  }
  return {};
}

Result<Image> decode_image(Bytes bytes) {
  const ImageFormat format = find_image_format(bytes);
  VP_ASSIGN_OR_RETURN(Image image, decode_stored(bytes, format));
  return apply_orientation(std::move(image), find_orientation(bytes, format));
}

Result<Image> load_image(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  Result<Image> image = decode_image(file.bytes());
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
  if (find_orientation(bytes, format) >= 5) std::swap(size.width, size.height);
  return size;
}

Result<void> save_image(const Image& image, const std::string& path, Overwrite overwrite) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
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
