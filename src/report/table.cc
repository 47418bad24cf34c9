#include "report/table.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "base/printable.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

constexpr std::string_view kGap = "  ";

/// Characters as a terminal shows them: bytes that continue a UTF-8 sequence take no place.
std::size_t measure_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string pad(const std::string& text, std::size_t width, bool to_the_right) {
  const std::size_t own = measure_width(text);
  const std::string spaces(width > own ? width - own : 0, ' ');
  return to_the_right ? spaces + text : text + spaces;
}

std::vector<std::size_t> measure_columns(const Table& table) {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < table.header.size(); ++column) {
    std::size_t width = measure_width(table.header[column]);
    for (const auto& row : table.rows) width = std::max(width, measure_width(row[column]));
    widths.push_back(width);
  }
  return widths;
}

/// Line of the row's first cell and the cells [begin, end), without spaces at its end.
std::string format_line(const std::vector<std::string>& row, const std::vector<std::size_t>& widths,
                        std::size_t begin, std::size_t end, Alignment alignment) {
  std::string line = pad(row[0], widths[0], false);
  for (std::size_t column = begin; column < end; ++column) {
    line += kGap;
    line += pad(row[column], widths[column], alignment == Alignment::Numbers);
  }
  return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

/// Cells hold names out of files; a row stays one line.
Table escape_cells(Table table) {
  for (std::string& cell : table.header) cell = escape_unprintable(cell);
  for (auto& row : table.rows) {
    for (std::string& cell : row) cell = escape_unprintable(cell);
  }
  return table;
}

}  // namespace

std::string format_text(const Table& raw, Alignment alignment) {
  const Table table = escape_cells(raw);
  const std::vector<std::size_t> widths = measure_columns(table);
  std::string text;
  std::size_t begin = 1;
  do {
    std::size_t line = widths[0];
    std::size_t end = begin;
    while (end < widths.size() &&
           (end == begin || line + kGap.size() + widths[end] <= kReportColumns)) {
      line += kGap.size() + widths[end++];
    }
    if (begin > 1) text += "\n";
    text += format_line(table.header, widths, begin, end, alignment);
    for (const auto& row : table.rows) text += format_line(row, widths, begin, end, alignment);
    begin = end;
  } while (begin < widths.size());
  return text;
}

std::string format_markdown(const Table& raw, Alignment alignment) {
  const Table table = escape_cells(raw);
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& cell : cells) {
      text += ' ';
      for (const char c : cell) text += c == '|' ? std::string("\\|") : std::string(1, c);
      text += " |";
    }
    return text + "\n";
  };
  std::string text = line(table.header);
  text += "|";
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    text += i > 0 && alignment == Alignment::Numbers ? "---:|" : "---|";
  }
  text += "\n";
  for (const auto& row : table.rows) text += line(row);
  return text;
}

std::string format_csv(const Table& raw) {
  const Table table = escape_cells(raw);
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text += ',';
      if (cells[i].find_first_of(",\"\n\r") == std::string::npos) {
        text += cells[i];
        continue;
      }
      text += '"';
      for (const char c : cells[i]) text += c == '"' ? std::string("\"\"") : std::string(1, c);
      text += '"';
    }
    return text + "\n";
  };
  std::string text = line(table.header);
  for (const auto& row : table.rows) text += line(row);
  return text;
}

std::string escape_unprintable_text(std::string_view text, std::string_view allowed) {
  return escape_unprintable_but(text, allowed);
}

std::string format_points(const std::optional<double>& points, const std::optional<double>& low,
                          const std::optional<double>& high) {
  std::string text = format_number(points, 2);
  if (!low || !high) return text;
  return fmt::format("{} [{}, {}]", text, format_number(low, 2), format_number(high, 2));
}

std::string format_number(const std::optional<double>& value, int digits) {
  if (!value) return "-";
  // A difference that rounds to nothing is shown without a sign.
  const std::string text = fmt::format("{:.{}f}", *value, digits);
  const bool is_zero = text.find_first_not_of("-0.") == std::string::npos;
  return is_zero && text.front() == '-' ? text.substr(1) : text;
}

std::string format_shape(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

std::string base_name(const std::string& path) {
  const std::filesystem::path whole(path);
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();  // "folder/"
}

std::string format_bytes(std::uint64_t bytes) {
  const auto count = static_cast<double>(bytes);
  if (bytes >= 1'000'000) return fmt::format("{:.2f} MB", count / 1e6);
  if (bytes >= 10'000) return fmt::format("{:.1f} kB", count / 1e3);
  return fmt::format("{} bytes", bytes);
}

}  // namespace visionpress
