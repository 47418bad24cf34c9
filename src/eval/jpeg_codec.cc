// JPEG by libjpeg-turbo with its default settings (accurate integer DCT, smooth chroma upsampling),
// which are also Pillow's; at reduced size only where the caller asks for it.

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

// jpeglib.h needs size_t and FILE declared before it.
#include <jpeglib.h>
// The codes of its messages.
#include <jerror.h>

#include "base/bytes.h"
#include "base/error.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

struct JpegErrors {
  jpeg_error_mgr base = {};
  std::jmp_buf jump = {};
  std::array<char, JMSG_LENGTH_MAX> message = {};
};

JpegErrors& errors_of(j_common_ptr info) { return *view_as<JpegErrors>(info->err); }

// libjpeg's error_exit must not return; it is C, so leaving by longjmp is its own documented way.
[[noreturn]] void leave(j_common_ptr info) {
  JpegErrors& errors = errors_of(info);
  info->err->format_message(info, errors.message.data());
  std::longjmp(errors.jump, 1);
}

// Only running out of bytes is fatal, as in Pillow: libjpeg would fill the rest with grey.
void note(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) leave(info);
}

void set_errors(jpeg_error_mgr*& slot, JpegErrors& errors) {
  slot = jpeg_std_error(&errors.base);
  errors.base.error_exit = leave;
  errors.base.emit_message = note;
}

std::uint8_t multiply_255(int a, int b) {  // round(a * b / 255)
  const int t = a * b + 128;
  return static_cast<std::uint8_t>(((t >> 8) + t) >> 8);
}

/// Adobe's CMYK is stored inverted, so `c` here is 255 - ink.
void cmyk_row_to_rgb(const std::uint8_t* cmyk, std::uint8_t* rgb, int width) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int white = cmyk[3];
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<std::uint8_t>(white - multiply_255(255 - cmyk[c], white));
    }
  }
}

/// Everything that lives across a longjmp is here, in the caller's frame, so nothing is lost by
/// one.
struct JpegRead {
  jpeg_decompress_struct info = {};
  JpegErrors errors = {};
  jpeg_progress_mgr progress = {};
  DecodeLimits limits = {};
  ImageSize enough = {};
  Bytes bytes = {};
  Image image = {};
  std::vector<std::uint8_t> cmyk = {};
  Result<void> accepted = {};
  bool pixels = true;
  bool stopped = false;  ///< left because of the limits' deadline or flag
};

/// How many scans (SOS markers, FF DA) the file has from `at` on, which is a marker's place or
/// lies in a scan's data. There FF is followed by 0, by a restart marker (D0 to D7), or it begins
/// the next marker. cost: one look at each byte.
std::uint64_t count_scans(Bytes bytes, std::size_t at) {
  std::uint64_t scans = 0;
  while (true) {
    const auto found =
        std::find(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), std::byte{0xff});
    at = static_cast<std::size_t>(found - bytes.begin()) + 1;
    if (bytes.size() < at + 1) return scans;
    const int type = std::to_integer<int>(bytes[at]);
    if (type == 0xd9) return scans;
    if (type == 0 || type == 0x01 || type == 0xff || (type >= 0xd0 && type <= 0xd8)) continue;
    if (type == 0xda) ++scans;
    if (bytes.size() < at + 3) return scans;
    const std::size_t length = std::to_integer<std::size_t>(bytes[at + 1]) * 256 +
                               std::to_integer<std::size_t>(bytes[at + 2]);
    at = std::min(at + 1 + length, bytes.size());  // the length counts itself
  }
}

Result<void> check_scans(std::uint64_t scans, const JpegRead& read) {
  const std::uint64_t pixels = std::uint64_t{read.info.image_width} * read.info.image_height;
  const std::uint64_t by_size = read.limits.max_scan_pixels / pixels;
  const auto most = std::min(static_cast<std::uint64_t>(read.limits.max_scans), by_size);
  if (scans <= most) return {};
  return fail(ErrorKind::Unsupported, "JPEG: {} scans of {}x{} pixels, at most {} are read", scans,
              read.info.image_width, read.info.image_height, most);
}

/// A file of several scans is kept as coefficients, 128 bytes a block, until the last one is in.
std::uint64_t count_decode_bytes(jpeg_decompress_struct& info) {
  const std::uint64_t pixels = std::uint64_t{info.image_width} * info.image_height;
  std::uint64_t bytes = pixels * 3;
  if (jpeg_has_multiple_scans(&info) == FALSE) return bytes;
  constexpr std::uint64_t kBlockBytes = DCTSIZE2 * sizeof(JCOEF);
  for (int i = 0; i < info.num_components; ++i) {
    const jpeg_component_info& component = info.comp_info[i];
    bytes += std::uint64_t{component.width_in_blocks} * component.height_in_blocks * kBlockBytes;
  }
  return bytes;
}

Result<void> check_limits(JpegRead& read) {
  VP_RETURN_IF_ERROR(
      check_image_size(read.info.image_width, read.info.image_height, read.limits.max_pixels));
  if (!read.pixels) return {};
  VP_RETURN_IF_ERROR(check_decode_bytes(count_decode_bytes(read.info), read.limits));
  if (jpeg_has_multiple_scans(&read.info) == FALSE) return {};
  return check_scans(count_scans(read.bytes, 2), read);
}

/// Never inlined: the strings of its message have no place in a frame that setjmp returns to.
[[gnu::noinline]] bool accept(JpegRead& read) {
  read.accepted = check_limits(read);
  return read.accepted.has_value();
}

// Called for each row of blocks that is taken in or given out.
void look_at_limits(j_common_ptr info) {
  auto& read = *static_cast<JpegRead*>(info->client_data);
  if (!is_stopped(read.limits)) return;
  read.stopped = true;
  std::longjmp(read.errors.jump, 1);
}

/// 2, 4 or 8 where so small a part of the picture has enough pixels, else 1. libjpeg has vector
/// code for these alone.
unsigned find_reduction(const JpegRead& read) {
  if (read.enough.width <= 0 || read.enough.height <= 0) return 1;
  const auto suffices = [&](unsigned reduction) {
    return (read.info.image_width + reduction - 1) / reduction >=
               static_cast<unsigned>(read.enough.width) &&
           (read.info.image_height + reduction - 1) / reduction >=
               static_cast<unsigned>(read.enough.height);
  };
  unsigned reduction = 8;
  while (reduction > 1 && !suffices(reduction)) reduction /= 2;
  return reduction;
}

bool read_jpeg(JpegRead& read) {
  if (setjmp(read.errors.jump) != 0) return false;  // libjpeg's way out of errors
  jpeg_create_decompress(&read.info);
  read.info.client_data = &read;
  read.progress.progress_monitor = look_at_limits;
  read.info.progress = &read.progress;
  jpeg_mem_src(&read.info, view_as<const unsigned char>(read.bytes.data()), read.bytes.size());
  jpeg_read_header(&read.info, TRUE);
  if (!accept(read)) return true;
  if (!read.pixels) {
    read.image.width = static_cast<int>(read.info.image_width);
    read.image.height = static_cast<int>(read.info.image_height);
    return true;
  }
  const bool cmyk = read.info.num_components == 4;
  read.info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  read.info.scale_num = 1;
  read.info.scale_denom = find_reduction(read);
  jpeg_start_decompress(&read.info);
  read.image = make_image(static_cast<int>(read.info.output_width),
                          static_cast<int>(read.info.output_height));
  if (cmyk) read.cmyk.resize(static_cast<std::size_t>(read.info.output_width) * 4);
  while (read.info.output_scanline < read.info.output_height) {
    std::uint8_t* row = read.image.row(static_cast<int>(read.info.output_scanline));
    JSAMPROW target = cmyk ? read.cmyk.data() : row;
    jpeg_read_scanlines(&read.info, &target, 1);
    if (cmyk) cmyk_row_to_rgb(read.cmyk.data(), row, read.image.width);
  }
  return true;
}

Result<Image> run_jpeg(Bytes bytes, bool pixels, const DecodeLimits& limits, ImageSize enough) {
  JpegRead read;
  read.enough = enough;
  read.pixels = pixels;
  read.limits = limits;
  read.bytes = bytes;
  set_errors(read.info.err, read.errors);
  const bool done = read_jpeg(read);
  jpeg_destroy_decompress(&read.info);
  if (read.stopped) return fail_stopped(limits);
  if (!done) {
    const bool cut = read.errors.base.msg_code == JWRN_JPEG_EOF;
    return fail(ErrorKind::Malformed, "JPEG: {}{}", cut ? "the file is cut short: " : "",
                read.errors.message.data());
  }
  VP_RETURN_IF_ERROR(read.accepted);
  return std::move(read.image);
}

struct JpegWrite {
  jpeg_compress_struct info = {};
  JpegErrors errors = {};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
};

bool write_jpeg(JpegWrite& write, const Image& image, int quality) {
  if (setjmp(write.errors.jump) != 0) return false;  // libjpeg's way out of errors
  jpeg_create_compress(&write.info);
  jpeg_mem_dest(&write.info, &write.bytes, &write.size);
  write.info.image_width = static_cast<JDIMENSION>(image.width);
  write.info.image_height = static_cast<JDIMENSION>(image.height);
  write.info.input_components = 3;
  write.info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&write.info);
  jpeg_set_quality(&write.info, quality, TRUE);
  jpeg_start_compress(&write.info, TRUE);
  while (write.info.next_scanline < write.info.image_height) {
    // The library's row type is not const; it only reads.
    JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(write.info.next_scanline)));
    jpeg_write_scanlines(&write.info, &row, 1);
  }
  jpeg_finish_compress(&write.info);
  return true;
}

}  // namespace

Result<Image> decode_jpeg(Bytes bytes, const DecodeLimits& limits, ImageSize enough) {
  return run_jpeg(bytes, true, limits, enough);
}

Result<ImageSize> read_jpeg_size(Bytes bytes) {
  VP_ASSIGN_OR_RETURN(const Image image, run_jpeg(bytes, false, {}, {}));
  return ImageSize{image.width, image.height};
}

Result<std::vector<std::byte>> encode_jpeg(const Image& image, int quality) {
  JpegWrite write;
  set_errors(write.info.err, write.errors);
  const bool done = write_jpeg(write, image, quality);
  jpeg_destroy_compress(&write.info);
  std::vector<std::byte> bytes;
  if (done) {
    const Bytes view = std::as_bytes(std::span(write.bytes, write.size));
    bytes.assign(view.begin(), view.end());
  }
  // Malloc'ed by jpeg_mem_dest, which exchanges its buffer as it grows and says at the end which it
  // is: after an error (memory alone) the one known here may be freed already, so it is left.
  if (done) std::free(write.bytes);
  if (!done) return fail(ErrorKind::Output, "JPEG: {}", write.errors.message.data());
  return bytes;
}

}  // namespace visionpress
