#pragma once

// Rows of a table as text: cells between commas (semicolons, tabs), in quotes where they need them.

#include <string>
#include <string_view>
#include <vector>

namespace visionpress {

/// The separator that a table's first line has most of: a comma, a semicolon or a tab.
[[nodiscard]] char find_separator(std::string_view text);

/// Takes the first row off a text. Cells lose their quotes and the blanks around them; a quoted one
/// may have line breaks. source: RFC 4180. returns: one empty cell for an empty line.
[[nodiscard]] std::vector<std::string> cut_row(std::string_view& text, char separator);

/// A cell in quotes, its own doubled.
[[nodiscard]] std::string put_in_quotes(std::string_view text);

/// A cell for a table with commas: in quotes where it has one, a quote or a line break.
[[nodiscard]] std::string quote_cell(std::string_view text);

}  // namespace visionpress
