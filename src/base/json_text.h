#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace visionpress {

/// Whether a JSON text nests deeper than any document that is read here. nlohmann's values are
/// copied and compared by recursion, so a long run of brackets would overflow the stack.
[[nodiscard]] bool is_deep_json(std::string_view text);

/// Json: one of nlohmann's types. returns: a discarded value for a text that is not JSON or nests
/// too deep.
template <typename Json>
[[nodiscard]] Json parse_json(std::string_view text) {
  if (is_deep_json(text)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, false);
}

/// The text at `key`; empty where `object` is not an object, or the key is missing or does not hold
/// a text.
template <typename Json>
[[nodiscard]] std::string text_at(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return found->template get<std::string>();
}

/// The number at `key`; nothing where it is missing or is no number.
template <typename Json>
[[nodiscard]] std::optional<double> number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->template get<double>();
}

/// The value, or JSON's null.
template <typename Json, typename T>
[[nodiscard]] Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// The JSON on one line, without a line break. Texts from files may not be UTF-8: invalid bytes
/// become U+FFFD.
template <typename Json>
[[nodiscard]] std::string to_json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace visionpress
