#include "eval/label_json.h"

#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "eval/image.h"
#include "eval/json_fields.h"

namespace visionpress {
namespace {

using simdjson::ondemand::value;

/// The text in quotes at `at`, which is left behind it; escapes stay. Cut at the end of the text.
std::string_view cut_quoted(std::string_view text, std::size_t& at) {
  const std::size_t first = ++at;
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  const std::size_t end = std::min(at, text.size());
  ++at;
  return text.substr(first, end - first);
}

}  // namespace

std::vector<std::string> list_first_keys(std::string_view text) {
  std::vector<std::string> keys;
  std::size_t depth = 0;
  std::size_t object = 0;  // the depth of the first object; 0: not met yet
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      const std::string_view quoted = cut_quoted(text, at);
      std::size_t next = at;
      while (next < text.size() && is_ascii_space(text[next])) ++next;
      const bool is_key = next < text.size() && text[next] == ':';
      if (is_key && object != 0 && depth == object) keys.emplace_back(quoted);
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '{' && object == 0) object = depth;
    if ((c == '}' || c == ']') && depth > 0) {
      if (depth == object) return keys;
      --depth;
    }
    ++at;
  }
  return keys;
}

Result<void> open_json_text(std::string_view text, JsonFile& json) {
  json.text = simdjson::padded_string(text);
  const auto code = json.parser.iterate(json.text).get(json.document);
  if (code != simdjson::SUCCESS) return fail_json("the text", "JSON", code);
  return {};
}

Result<Rectangle> read_rectangle(value source, const std::string& path) {
  constexpr std::array<std::string_view, 4> kNames = {"x", "y", "width", "height"};
  std::array<std::optional<double>, 4> sides = {};
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](const std::string& key, value item) -> Result<void> {
        for (std::size_t i = 0; i < kNames.size(); ++i) {
          if (key != kNames[i]) continue;
          VP_ASSIGN_OR_RETURN(sides[i], read_number(item, fmt::format("{}.{}", path, key)));
        }
        return {};
      }));
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (!sides[i]) return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path, kNames[i]);
  }
  return Rectangle{.x = *sides[0], .y = *sides[1], .width = *sides[2], .height = *sides[3]};
}

Result<std::array<double, 2>> read_pair(value source, const std::string& path) {
  std::array<double, 2> pair = {};
  std::size_t count = 0;
  VP_RETURN_IF_ERROR(
      read_items(source, path, [&](value item, const std::string& place) -> Result<void> {
        VP_ASSIGN_OR_RETURN(const double number, read_number(item, place));
        if (count < 2) pair[count] = number;
        ++count;
        return {};
      }));
  if (count != 2) {
    return fail(ErrorKind::Malformed, "{}: expected 2 numbers, found {}", path, count);
  }
  return pair;
}

Result<int> read_side(value source, const std::string& path) {
  VP_ASSIGN_OR_RETURN(const double side, read_number(source, path));
  if (side < 0.0 || side > kMaxImageSide) {
    return fail(ErrorKind::Malformed, "{}: found {} pixels", path, side);
  }
  return static_cast<int>(side);
}

}  // namespace visionpress
