#include "package/file_damage.h"

#include <cstddef>
#include <string_view>

namespace visionpress {
namespace {

/// Counts of a text's characters; a valid UTF-8 sequence counts as one character.
struct TextCount {
  bool is_utf8 = true;
  std::size_t wide = 0;         ///< characters of more than one byte
  std::size_t replacement = 0;  ///< U+FFFD: what became of bytes that were not text
};

TextCount count_text(std::string_view text) {
  TextCount count;
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    std::size_t bytes = 1;
    if (first >= 0x80) {
      bytes = first >= 0xF0 ? 4 : (first >= 0xE0 ? 3 : 2);
      if (first < 0xC2 || first > 0xF4 || bytes > text.size() - at) return {false, 0, 0};
      for (std::size_t i = 1; i < bytes; ++i) {
        if ((static_cast<unsigned char>(text[at + i]) & 0xC0U) != 0x80U) return {false, 0, 0};
      }
      ++count.wide;
      if (text.substr(at, bytes) == "\xef\xbf\xbd") ++count.replacement;
    }
    at += bytes;
  }
  return count;
}

/// Whether every line feed follows a carriage return, as text mode writes it.
bool is_every_line_feed_widened(std::string_view text) {
  // Before a line feed in random bytes, one byte of 256 is a carriage return.
  constexpr std::size_t kEnough = 8;
  std::size_t count = 0;
  for (std::size_t at = text.find('\n'); at != std::string_view::npos;
       at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return false;
    ++count;
  }
  return count >= kEnough;
}

bool is_base64(std::string_view text) {
  constexpr std::size_t kEnough = 256;
  if (text.size() < kEnough) return false;
  return text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
             "\r\n") == std::string_view::npos;
}

}  // namespace

std::string describe_damage(Bytes bytes) {
  // A few binary bytes may be valid UTF-8 by chance; this many are hardly ever.
  constexpr std::size_t kEnoughWide = 16;
  const std::string_view text = view_text(bytes);
  const TextCount count = count_text(text);
  if (count.is_utf8 && count.wide >= kEnoughWide) {
    return count.replacement > count.wide / 2
               ? "all its bytes above 127 have become the character U+FFFD: it was read and saved "
                 "as text, which destroyed it; get the file again"
               : "the whole of it is UTF-8 text: its bytes were read as letters (of Mac Roman or "
                 "Latin-1) and saved as UTF-8, which ruined it; get the file again, as binary";
  }
  if (is_every_line_feed_widened(text)) {
    return "each line feed in it stands behind a carriage return: it was sent or checked out as "
           "text, which ruined it; get the file again, as binary";
  }
  if (is_base64(text)) return "it is Base64 text; decode it first";
  return {};
}

}  // namespace visionpress
