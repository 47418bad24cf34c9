#pragma once

#include <string>
#include <string_view>

namespace visionpress {

/// Text from files, made safe to show on one line of a terminal:
/// , \r and \t; \u001b for other control characters and for characters that reorder or break lines
/// (bidirectional marks, U+2028); \xNN for bytes that are not UTF-8. Everything else stays,
/// including backslashes.
[[nodiscard]] std::string escape_unprintable(std::string_view text);

/// The same, except that characters in `allowed` stay as they are: line breaks of a text with
/// several lines.
[[nodiscard]] std::string escape_unprintable_but(std::string_view text, std::string_view allowed);

}  // namespace visionpress
