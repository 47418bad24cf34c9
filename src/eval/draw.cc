#include "eval/draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

namespace visionpress {
namespace {

using Color = std::array<std::uint8_t, 3>;

constexpr std::array<Color, 8> kColors = {{{230, 25, 75},
                                           {0, 110, 220},
                                           {40, 150, 60},
                                           {200, 100, 0},
                                           {130, 40, 180},
                                           {0, 140, 150},
                                           {190, 30, 150},
                                           {110, 90, 30}}};
constexpr Color kWhite = {255, 255, 255};
constexpr int kThickness = 3;
constexpr int kGlyphWidth = 3;
constexpr int kGlyphHeight = 5;
constexpr int kGlyphScale = 2;  // picture pixels a font pixel
constexpr int kMargin = 2;

struct Glyph {
  char letter = '?';
  std::array<std::uint8_t, kGlyphHeight> rows = {};  ///< three bits a row, the left one highest
};

constexpr std::array<Glyph, 44> kFont = {
    {{'?', {7, 1, 2, 0, 2}}, {' ', {0, 0, 0, 0, 0}}, {'0', {7, 5, 5, 5, 7}},
     {'1', {2, 6, 2, 2, 7}}, {'2', {7, 1, 7, 4, 7}}, {'3', {7, 1, 7, 1, 7}},
     {'4', {5, 5, 7, 1, 1}}, {'5', {7, 4, 7, 1, 7}}, {'6', {7, 4, 7, 5, 7}},
     {'7', {7, 1, 2, 2, 2}}, {'8', {7, 5, 7, 5, 7}}, {'9', {7, 5, 7, 1, 7}},
     {'A', {2, 5, 7, 5, 5}}, {'B', {6, 5, 6, 5, 6}}, {'C', {3, 4, 4, 4, 3}},
     {'D', {6, 5, 5, 5, 6}}, {'E', {7, 4, 6, 4, 7}}, {'F', {7, 4, 6, 4, 4}},
     {'G', {3, 4, 5, 5, 3}}, {'H', {5, 5, 7, 5, 5}}, {'I', {7, 2, 2, 2, 7}},
     {'J', {1, 1, 1, 5, 2}}, {'K', {5, 5, 6, 5, 5}}, {'L', {4, 4, 4, 4, 7}},
     {'M', {5, 7, 7, 5, 5}}, {'N', {6, 5, 5, 5, 5}}, {'O', {2, 5, 5, 5, 2}},
     {'P', {6, 5, 6, 4, 4}}, {'Q', {2, 5, 5, 6, 3}}, {'R', {6, 5, 6, 5, 5}},
     {'S', {3, 4, 2, 1, 6}}, {'T', {7, 2, 2, 2, 2}}, {'U', {5, 5, 5, 5, 7}},
     {'V', {5, 5, 5, 5, 2}}, {'W', {5, 5, 7, 7, 5}}, {'X', {5, 5, 2, 5, 5}},
     {'Y', {5, 5, 2, 2, 2}}, {'Z', {7, 1, 2, 4, 7}}, {'.', {0, 0, 0, 0, 2}},
     {',', {0, 0, 0, 2, 4}}, {'-', {0, 0, 7, 0, 0}}, {'_', {0, 0, 0, 0, 7}},
     {'/', {1, 1, 2, 4, 4}}, {'#', {5, 7, 5, 7, 5}}}};

const Glyph& find_glyph(char letter) {
  if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  const auto* const found = std::ranges::find(kFont, letter, &Glyph::letter);
  return found == kFont.end() ? kFont.front() : *found;
}

/// Half-open, any numbers; what lies outside of the picture is not filled.
void fill_rectangle(Image& image, std::array<int, 4> corners, const Color& color) {
  const int left = std::clamp(corners[0], 0, image.width);
  const int right = std::clamp(corners[2], 0, image.width);
  const int bottom = std::clamp(corners[3], 0, image.height);
  for (int y = std::clamp(corners[1], 0, image.height); y < bottom; ++y) {
    for (int x = left; x < right; ++x)
      std::ranges::copy(color, image.row(y) + std::ptrdiff_t{x} * 3);
  }
}

void draw_text(Image& image, std::string_view text, int x, int y) {
  for (const char letter : text) {
    const Glyph& glyph = find_glyph(letter);
    for (int row = 0; row < kGlyphHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        const int bits = glyph.rows[static_cast<std::size_t>(row)];
        if (((bits >> (kGlyphWidth - 1 - column)) & 1) == 0) continue;
        const int left = x + column * kGlyphScale;
        const int top = y + row * kGlyphScale;
        fill_rectangle(image, {left, top, left + kGlyphScale, top + kGlyphScale}, kWhite);
      }
    }
    x += (kGlyphWidth + 1) * kGlyphScale;
  }
}

/// A coordinate as a pixel, kept within a picture's length of the picture.
int to_pixel(double value, int size) {
  if (!(value > -size)) return -size;
  return static_cast<int>(std::lround(std::min(value, 2.0 * size)));
}

void draw_box(Image& image, const Detection& box, const std::string& name) {
  const Color& color = kColors[static_cast<std::size_t>(std::max(box.tag, 0)) % kColors.size()];
  const int left = to_pixel(box.x, image.width);
  const int top = to_pixel(box.y, image.height);
  const int right = to_pixel(box.x + box.width, image.width);
  const int bottom = to_pixel(box.y + box.height, image.height);
  fill_rectangle(image, {left, top, right, top + kThickness}, color);
  fill_rectangle(image, {left, bottom - kThickness, right, bottom}, color);
  fill_rectangle(image, {left, top, left + kThickness, bottom}, color);
  fill_rectangle(image, {right - kThickness, top, right, bottom}, color);
  const std::string text = fmt::format("{} {:.2f}", name, box.score);
  constexpr int kAdvance = (kGlyphWidth + 1) * kGlyphScale;
  constexpr int kBar = kGlyphHeight * kGlyphScale + 2 * kMargin;
  const int length = static_cast<int>(std::min<std::size_t>(text.size(), 200)) * kAdvance + kMargin;
  const int x = std::max(left, 0);
  const int y = std::max(top, 0);
  fill_rectangle(image, {x, y, x + length, y + kBar}, color);
  draw_text(image, text, x + kMargin, y + kMargin);
}

}  // namespace

void draw_detections(Image& image, std::span<const Detection> detections,
                     std::span<const std::string> tags) {
  for (const Detection& box : detections) {
    const auto tag = static_cast<std::size_t>(std::max(box.tag, 0));
    draw_box(image, box, tag < tags.size() ? tags[tag] : std::to_string(box.tag));
  }
}

}  // namespace visionpress
