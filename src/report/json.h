#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace visionpress {

using JsonValue = nlohmann::ordered_json;

/// The value, or null.
[[nodiscard]] inline JsonValue number_json(const std::optional<double>& value) {
  return value ? JsonValue(*value) : JsonValue(nullptr);
}

/// Indented, with a line break at the end. Texts out of files may be no UTF-8: such bytes become
/// U+FFFD.
[[nodiscard]] inline std::string to_text(const JsonValue& json) {
  return json.dump(2, ' ', false, JsonValue::error_handler_t::replace) + "\n";
}

}  // namespace visionpress
