#include "base/printable.h"

#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

namespace visionpress {
namespace {

/// One character and how many bytes it takes; bytes is 0 where they are not UTF-8.
struct Character {
  std::uint32_t value = 0;
  std::size_t bytes = 0;
};

/// source: RFC 3629, which excludes overlong forms, surrogates and what lies above U+10FFFF.
Character read_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  std::size_t bytes = 0;
  if (first >= 0xC2 && first <= 0xDF) bytes = 2;
  if (first >= 0xE0 && first <= 0xEF) bytes = 3;
  if (first >= 0xF0 && first <= 0xF4) bytes = 4;
  if (bytes == 0 || bytes > text.size()) return {};
  std::uint32_t value = first & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {};
  return {value, bytes};
}

/// Whether a character controls a terminal, ends a line or reverses the order of the text after it.
/// source: Unicode 15, general categories Cc and Zl, Zp, and the property Bidi_Control.
bool is_steering(std::uint32_t c) {
  if (c < 0x20 || (c >= 0x7F && c <= 0x9F)) return true;
  if (c == 0x2028 || c == 0x2029) return true;
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string escape_unprintable_but(std::string_view text, std::string_view allowed) {
  std::string escaped;
  escaped.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character next = read_character(text.substr(at));
    if (next.bytes == 0) {
      escaped += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
      ++at;
      continue;
    }
    const bool stays = !is_steering(next.value) ||
                       (next.bytes == 1 && allowed.find(text[at]) != std::string_view::npos);
    if (stays) {
      escaped += text.substr(at, next.bytes);
    } else if (next.value == '\n' || next.value == '\r' || next.value == '\t') {
      escaped += next.value == '\n' ? "\\n" : (next.value == '\r' ? "\\r" : "\\t");
    } else {
      // All such characters are below U+10000, so this escape is valid in JSON too.
      escaped += fmt::format("\\u{:04x}", next.value);
    }
    at += next.bytes;
  }
  return escaped;
}

std::string escape_unprintable(std::string_view text) { return escape_unprintable_but(text, ""); }

}  // namespace visionpress
