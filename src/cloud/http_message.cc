#include "cloud/http_message.h"

#include <algorithm>

#include "base/ascii.h"

namespace visionpress {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return ascii_lower(c); };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view ServerRequest::find_header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

}  // namespace visionpress
