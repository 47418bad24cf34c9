#include "cloud/service_error.h"

#include <nlohmann/json.hpp>

#include "base/json_text.h"

namespace visionpress {
namespace {

constexpr std::size_t kShownBytes = 200;  ///< of a body that is not JSON

std::string first_line(std::string_view body) {
  std::string line;
  for (const char c : body.substr(0, kShownBytes)) {
    const bool is_space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (is_space && (line.empty() || line.back() == ' ')) continue;
    line += is_space ? ' ' : (static_cast<unsigned char>(c) < 0x20 ? '?' : c);
  }
  return line.empty() ? "an empty answer" : line;
}

}  // namespace

ServiceError read_service_error(std::string_view body) {
  const auto json = parse_json<nlohmann::json>(body);
  ServiceError error;
  if (json.is_object()) {
    const auto inner = json.find("error");
    const auto& object = inner != json.end() && inner->is_object() ? *inner : json;
    error.code = text_at(object, "code");
    error.message = text_at(object, "message");
  }
  if (error.message.empty()) error.message = error.code.empty() ? first_line(body) : error.code;
  return error;
}

}  // namespace visionpress
