// PNG by libpng's full interface: its simplified one would apply gamma, which Pillow does not.

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <string>
#include <utility>

#include <png.h>

#include "base/error.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

/// Everything that lives across a longjmp is here, in the caller's frame, so nothing is lost by
/// one.
struct PngState {
  png_structp png = nullptr;
  png_infop info = nullptr;
  Bytes bytes = {};
  DecodeLimits limits = {};
  std::size_t at = 0;
  bool cut = false;
  bool stopped = false;  ///< left because of the limits' deadline or flag
  std::array<char, 200> message = {};
  Image image = {};
  std::vector<png_bytep> rows = {};
  std::vector<std::uint8_t> grey16 = {};  ///< rows of 16-bit samples, big endian
  Result<void> accepted = {};
  std::vector<std::byte> written = {};
};

[[noreturn]] void leave(png_structp png, png_const_charp text) {
  auto& state = *static_cast<PngState*>(png_get_error_ptr(png));
  std::strncpy(state.message.data(), text, state.message.size() - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp /*png*/, png_const_charp /*text*/) {}

void read_some(png_structp png, png_bytep to, std::size_t count) {
  auto& state = *static_cast<PngState*>(png_get_io_ptr(png));
  if (count > state.bytes.size() - state.at) {
    state.cut = true;
    png_error(png, "the file is cut short");
  }
  std::memcpy(to, state.bytes.data() + state.at, count);
  state.at += count;
}

void write_some(png_structp png, png_bytep from, std::size_t count) {
  auto& state = *static_cast<PngState*>(png_get_io_ptr(png));
  const Bytes view = std::as_bytes(std::span(from, count));
  state.written.insert(state.written.end(), view.begin(), view.end());
}

void flush_nothing(png_structp /*png*/) {}

bool is_grey16(const PngState& state) {
  return png_get_color_type(state.png, state.info) == PNG_COLOR_TYPE_GRAY &&
         png_get_bit_depth(state.png, state.info) == 16;
}

/// Never inlined: the strings of its message have no place in a frame that setjmp returns to.
[[gnu::noinline]] bool accept_size(PngState& state, png_uint_32 width, png_uint_32 height) {
  state.accepted = check_image_size(width, height, state.limits.max_pixels);
  if (state.accepted) {
    const std::uint64_t pixel_bytes = is_grey16(state) ? 3 + 2 : 3;
    state.accepted = check_decode_bytes(std::uint64_t{width} * height * pixel_bytes, state.limits);
  }
  return state.accepted.has_value();
}

/// Pillow keeps 16-bit grey as whole numbers and cuts them at 255 when it makes RGB of them.
void cut_grey16(PngState& state) {
  std::uint8_t* to = state.image.rgb.data();
  for (std::size_t i = 0; i < state.grey16.size(); i += 2, to += 3) {
    std::fill_n(to, 3, state.grey16[i] == 0 ? state.grey16[i + 1] : std::uint8_t{255});
  }
}

// Called after each row of each pass.
void look_at_limits(png_structp png, png_uint_32 /*row*/, int /*pass*/) {
  auto& state = *static_cast<PngState*>(png_get_error_ptr(png));
  if (!is_stopped(state.limits)) return;
  state.stopped = true;
  png_longjmp(png, 1);
}

bool read_png(PngState& state) {
  if (setjmp(png_jmpbuf(state.png)) != 0) return false;  // libpng's way out of errors
  png_set_read_fn(state.png, &state, read_some);
  png_set_user_limits(state.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // checked below
  // A negative count stands for all chunks but those that make the pixels (IHDR, PLTE, tRNS, IDAT,
  // IEND): text and colour profiles are never unpacked, however much they would grow.
  png_set_keep_unknown_chunks(state.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_read_status_fn(state.png, look_at_limits);
  png_read_info(state.png, state.info);
  const png_uint_32 width = png_get_image_width(state.png, state.info);
  const png_uint_32 height = png_get_image_height(state.png, state.info);
  if (!accept_size(state, width, height)) return true;
  const int color = png_get_color_type(state.png, state.info);
  const int depth = png_get_bit_depth(state.png, state.info);
  const bool grey16 = is_grey16(state);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(state.png);
  if ((color & PNG_COLOR_MASK_COLOR) == 0 && !grey16) {
    if (depth < 8) png_set_expand_gray_1_2_4_to_8(state.png);
    png_set_gray_to_rgb(state.png);
  }
  if (depth == 16 && !grey16) png_set_strip_16(state.png);
  png_set_strip_alpha(state.png);
  png_set_interlace_handling(state.png);
  png_read_update_info(state.png, state.info);
  const std::size_t row_bytes = static_cast<std::size_t>(width) * (grey16 ? 2 : 3);
  if (png_get_rowbytes(state.png, state.info) != row_bytes) {
    png_error(state.png, "rows have another size after conversion");
  }
  state.image = make_image(static_cast<int>(width), static_cast<int>(height));
  if (grey16) state.grey16.resize(row_bytes * height);
  state.rows.resize(height);
  for (png_uint_32 y = 0; y < height; ++y) {
    state.rows[y] =
        grey16 ? state.grey16.data() + y * row_bytes : state.image.row(static_cast<int>(y));
  }
  png_read_image(state.png, state.rows.data());
  if (grey16) cut_grey16(state);
  return true;
}

bool write_png(PngState& state, const Image& image) {
  if (setjmp(png_jmpbuf(state.png)) != 0) return false;  // libpng's way out of errors
  png_set_write_fn(state.png, &state, write_some, flush_nothing);
  png_set_IHDR(state.png, state.info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(state.png, state.info);
  for (int y = 0; y < image.height; ++y) png_write_row(state.png, image.row(y));
  png_write_end(state.png, nullptr);
  return true;
}

}  // namespace

Result<Image> decode_png(Bytes bytes, const DecodeLimits& limits) {
  PngState state;
  state.bytes = bytes;
  state.limits = limits;
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, leave, ignore_warning);
  if (state.png == nullptr) return fail(ErrorKind::Internal, "PNG: libpng does not start");
  state.info = png_create_info_struct(state.png);
  const bool done = state.info != nullptr && read_png(state);
  png_destroy_read_struct(&state.png, &state.info, nullptr);
  if (state.stopped) return fail_stopped(limits);
  if (!done) {
    return fail_at(ErrorKind::Malformed, state.at, "PNG: {}{}", state.message.data(),
                   state.cut ? fmt::format(" after {} bytes", bytes.size()) : "");
  }
  VP_RETURN_IF_ERROR(state.accepted);
  return std::move(state.image);
}

/// 8 bytes of signature, then chunk IHDR: length32 "IHDR" width32 height32, big endian.
Result<ImageSize> read_png_size(Bytes bytes) {
  if (bytes.size() < 24 || view_text(bytes.subspan(12, 4)) != "IHDR") {
    return fail_at(ErrorKind::Malformed, 8, "PNG: no IHDR chunk in the first 24 bytes");
  }
  const std::uint32_t width = __builtin_bswap32(load_le<std::uint32_t>(bytes, 16));
  const std::uint32_t height = __builtin_bswap32(load_le<std::uint32_t>(bytes, 20));
  VP_RETURN_IF_ERROR(check_image_size(width, height));
  return ImageSize{static_cast<int>(width), static_cast<int>(height)};
}

Result<std::vector<std::byte>> encode_png(const Image& image) {
  PngState state;
  state.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, leave, ignore_warning);
  if (state.png == nullptr) return fail(ErrorKind::Internal, "PNG: libpng does not start");
  state.info = png_create_info_struct(state.png);
  const bool done = state.info != nullptr && write_png(state, image);
  png_destroy_write_struct(&state.png, &state.info);
  if (!done) return fail(ErrorKind::Output, "PNG: {}", state.message.data());
  return std::move(state.written);
}

}  // namespace visionpress
