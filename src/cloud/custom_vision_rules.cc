#include "cloud/custom_vision_rules.h"

#include "base/ascii.h"
#include "base/error.h"

namespace visionpress {

bool is_uuid(std::string_view text) {
  constexpr std::size_t kLength = 36;
  if (text.size() != kLength) return false;
  for (std::size_t i = 0; i < kLength; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex_digit(text[i])) {
      return false;
    }
  }
  return true;
}

Result<void> check_id(std::string_view what, std::string_view id) {
  if (is_uuid(id)) return {};
  return fail(ErrorKind::Malformed,
              "{}: the service gives it the id \"{:.100}\", expected 8-4-4-4-12 hexadecimal digits",
              what, id);
}

}  // namespace visionpress
