#pragma once

#include <string>
#include <string_view>

namespace visionpress {

/// Text out of files as it can be shown on one line of a terminal: \n, \r and \t; \u001b for other
/// control characters and for characters that reorder or break lines (bidirectional marks, U+2028);
/// \xNN for bytes that are no UTF-8. All else stays, a backslash too.
[[nodiscard]] std::string escape_unprintable(std::string_view text);

/// The characters of a text that it may stay in of itself; it may hold line breaks.
[[nodiscard]] std::string escape_unprintable_but(std::string_view text, std::string_view allowed);

}  // namespace visionpress
