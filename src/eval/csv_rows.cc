#include "eval/csv_rows.h"

#include <algorithm>

#include "eval/label_files.h"

namespace visionpress {
namespace {

/// Takes a quoted cell off a text that begins with its quote; two quotes stand for one.
std::string cut_quoted(std::string_view& text) {
  std::string cell;
  text.remove_prefix(1);
  while (!text.empty()) {
    if (text.front() == '"') {
      text.remove_prefix(1);
      if (!text.starts_with('"')) break;
    }
    cell += text.front();
    text.remove_prefix(1);
  }
  return cell;
}

}  // namespace

char find_separator(std::string_view text) {
  const std::string_view line = cut_line(text);
  char best = ',';
  for (const char c : {';', '\t'}) {
    if (std::ranges::count(line, c) > std::ranges::count(line, best)) best = c;
  }
  return best;
}

std::vector<std::string> cut_row(std::string_view& text, char separator) {
  std::vector<std::string> cells;
  const char ends[] = {separator, '\r', '\n', '\0'};
  while (true) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    std::string cell;
    if (text.starts_with('"')) cell = cut_quoted(text);
    const std::size_t end = std::min(text.find_first_of(ends), text.size());
    cell += trim_blanks(text.substr(0, end));
    cells.push_back(std::move(cell));
    text.remove_prefix(end);
    if (!text.starts_with(separator)) break;
    text.remove_prefix(1);
  }
  text.remove_prefix(text.starts_with("\r\n") ? 2 : std::min<std::size_t>(1, text.size()));
  return cells;
}

std::string put_in_quotes(std::string_view text) {
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? "\"\"" : std::string(1, c);
  return cell + "\"";
}

std::string quote_cell(std::string_view text) {
  const bool is_plain = text.find_first_of(",\"\r\n") == std::string_view::npos;
  return is_plain ? std::string(text) : put_in_quotes(text);
}

}  // namespace visionpress
