#include "eval/draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "base/ascii.h"

namespace visionpress {
namespace {

using Color = std::array<std::uint8_t, 3>;

constexpr int kGlyphWidth = 5;
constexpr int kGlyphHeight = 7;

/// Rows from the top; the leftmost pixel is bit 4. Letters have one case.
struct Glyph {
  char character;
  std::array<std::uint8_t, kGlyphHeight> rows;
};

constexpr std::array<Glyph, 42> kFont = {{
    {'0', {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}},
    {'1', {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'2', {0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f}},
    {'3', {0x1e, 0x01, 0x01, 0x0e, 0x01, 0x01, 0x1e}},
    {'4', {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}},
    {'5', {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e}},
    {'6', {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}},
    {'7', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}},
    {'8', {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}},
    {'9', {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c}},
    {'A', {0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}},
    {'B', {0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e}},
    {'C', {0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e}},
    {'D', {0x1c, 0x12, 0x11, 0x11, 0x11, 0x12, 0x1c}},
    {'E', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f}},
    {'F', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10}},
    {'G', {0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f}},
    {'H', {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}},
    {'I', {0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'J', {0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c}},
    {'K', {0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11}},
    {'L', {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f}},
    {'M', {0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11}},
    {'N', {0x11, 0x19, 0x15, 0x15, 0x13, 0x11, 0x11}},
    {'O', {0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}},
    {'P', {0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10}},
    {'Q', {0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d}},
    {'R', {0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11}},
    {'S', {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e}},
    {'T', {0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04}},
    {'U', {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}},
    {'V', {0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04}},
    {'W', {0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11}},
    {'X', {0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11}},
    {'Y', {0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04}},
    {'Z', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f}},
    {'%', {0x18, 0x19, 0x02, 0x04, 0x08, 0x13, 0x03}},
    {'-', {0x00, 0x00, 0x00, 0x1f, 0x00, 0x00, 0x00}},
    {'_', {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1f}},
    {'.', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c}},
    {' ', {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {'?', {0x0e, 0x11, 0x01, 0x02, 0x04, 0x00, 0x04}},
}};

const Glyph& find_glyph(char c) {
  const char upper = ascii_upper(c);
  const auto* found = std::find_if(
      kFont.begin(), kFont.end(), [upper](const Glyph& glyph) { return glyph.character == upper; });
  return found != kFont.end() ? *found : kFont.back();
}

/// Colours that stay apart from each other and from most photographs; a tag keeps its own by its
/// name.
Color choose_color(std::string_view tag) {
  constexpr std::array<Color, 6> kColors = {
      {{230, 30, 60}, {20, 120, 240}, {10, 160, 70}, {240, 130, 0}, {160, 50, 200}, {0, 170, 180}}};
  std::size_t sum = 0;
  for (const char c : tag) sum = sum * 31 + static_cast<unsigned char>(c);
  return kColors[sum % kColors.size()];
}

void fill(Image& image, int left, int top, int width, int height, const Color& color) {
  const int right = std::min(left + width, image.width);
  const int bottom = std::min(top + height, image.height);
  for (int y = std::max(top, 0); y < bottom; ++y) {
    for (int x = std::max(left, 0); x < right; ++x) {
      std::copy(color.begin(), color.end(), image.row(y) + static_cast<std::ptrdiff_t>(x) * 3);
    }
  }
}

void draw_text(Image& image, int left, int top, int scale, std::string_view text) {
  constexpr Color kWhite = {255, 255, 255};
  for (const char c : text) {
    const Glyph& glyph = find_glyph(c);
    for (int y = 0; y < kGlyphHeight; ++y) {
      for (int x = 0; x < kGlyphWidth; ++x) {
        const unsigned bit = 1U << static_cast<unsigned>(kGlyphWidth - 1 - x);
        if ((glyph.rows[static_cast<std::size_t>(y)] & bit) == 0) continue;
        fill(image, left + x * scale, top + y * scale, scale, scale, kWhite);
      }
    }
    left += (kGlyphWidth + 1) * scale;
  }
}

/// A coordinate as a pixel, kept within a picture's length of the picture: boxes may say anything.
int to_pixel(double value, int size) {
  if (!(value > -size)) return -size;
  return static_cast<int>(std::lround(std::min(value, 2.0 * size)));
}

void draw_box(Image& image, const Prediction& seen) {
  // Lines and letters grow with the image, so that they are seen in a photograph and in an icon.
  const int shorter = std::min(image.width, image.height);
  const int line = std::max(1, shorter / 200);
  const int scale = std::max(1, shorter / 250);
  const Color color = choose_color(seen.tag);
  const int left = to_pixel(seen.left, image.width);
  const int top = to_pixel(seen.top, image.height);
  const int width = to_pixel(seen.left + seen.width, image.width) - left;
  const int height = to_pixel(seen.top + seen.height, image.height) - top;
  fill(image, left, top, width, line, color);
  fill(image, left, top + height - line, width, line, color);
  fill(image, left, top, line, height, color);
  fill(image, left + width - line, top, line, height, color);

  constexpr std::size_t kLongestTag = 200;  // characters; more leaves any picture
  const std::string caption = fmt::format(
      "{} {:.0f}%", std::string_view(seen.tag).substr(0, kLongestTag), 100.0 * seen.probability);
  const int caption_height = (kGlyphHeight + 2) * scale;
  const int caption_width = (static_cast<int>(caption.size()) * (kGlyphWidth + 1) + 1) * scale;
  const int caption_top = std::max(0, top - caption_height);  // above the box, or just inside it
  fill(image, left, caption_top, caption_width, caption_height, color);
  draw_text(image, left + scale, caption_top + scale, scale, caption);
}

}  // namespace

void draw_boxes(Image& image, std::span<const Prediction> predictions) {
  std::for_each(predictions.rbegin(), predictions.rend(),
                [&image](const Prediction& seen) { draw_box(image, seen); });
}

}  // namespace visionpress
