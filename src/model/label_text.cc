#include "model/label_text.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace visionpress {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\v\f";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

struct NumberedLabel {
  std::size_t number = 0;
  std::string name = {};
};

/// "12 boat", "12: boat", "12,boat", "12=boat", "12) boat".
std::optional<NumberedLabel> split_number(std::string_view line) {
  NumberedLabel label;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), label.number);
  if (error != std::errc()) return std::nullopt;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  // A point or bracket may be part of a name ("1.5 l"), unless white space follows.
  constexpr std::string_view kSeparators = ":,=;";
  constexpr std::string_view kMarks = ".)";
  const bool separates = !line.empty() && kSeparators.find(line[0]) != std::string_view::npos;
  const bool marks = !line.empty() && kMarks.find(line[0]) != std::string_view::npos;
  if (separates || marks) line.remove_prefix(1);
  if (!separates && !line.starts_with(" ") && !line.starts_with("\t")) return std::nullopt;
  label.name = trim(line);
  if (label.name.empty()) return std::nullopt;
  return label;
}

/// The labels, placed by their numbers; nothing where the numbers are part of the names.
std::optional<std::vector<std::string>> place_numbered(const std::vector<std::string>& lines) {
  constexpr std::size_t kMostLabels = 100000;  // gaps cost memory
  std::vector<std::string> labels;
  std::set<std::string> names;
  std::size_t first = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::optional<NumberedLabel> label = split_number(lines[i]);
    if (!label || label->number >= kMostLabels) return std::nullopt;
    if (i == 0) first = label->number;
    if (first > 1) return std::nullopt;
    const std::size_t place = label->number - first;
    // Numbers from 0 may leave gaps; numbers from 1 must have none.
    const bool follows = first == 0 ? label->number >= labels.size() : place == labels.size();
    if (label->number < first || !follows || !names.insert(label->name).second) return std::nullopt;
    labels.resize(place + 1);
    labels[place] = std::move(label->name);
  }
  if (lines.size() < 2) return std::nullopt;
  return labels;
}

}  // namespace

std::string describe_not_text(std::string_view content) {
  if (content.starts_with("\xff\xfe") || content.starts_with("\xfe\xff"))
    return "it is text in UTF-16; save it as UTF-8";
  const auto is_control = [](char c) {
    constexpr std::string_view kSpace = "\t\n\v\f\r";
    return static_cast<unsigned char>(c) < 0x20 && kSpace.find(c) == std::string_view::npos;
  };
  const auto found = std::ranges::find_if(content, is_control);
  if (found == content.end()) return {};
  return fmt::format("byte {} is {:#04x}, expected text with one label per line",
                     found - content.begin(),
                     static_cast<unsigned>(static_cast<unsigned char>(*found)));
}

namespace {

std::vector<std::string> split_lines(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  std::vector<std::string> labels;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    labels.emplace_back(trim(text.substr(at, end - at)));
    at = end + 1;
  }
  while (!labels.empty() && labels.back().empty()) labels.pop_back();
  return labels;
}

}  // namespace

std::vector<std::string> split_labels(std::string_view text) {
  std::vector<std::string> labels = split_lines(text);
  auto numbered = place_numbered(labels);
  return numbered ? std::move(*numbered) : labels;
}

bool has_numbered_labels(std::string_view text) {
  const std::vector<std::string> lines = split_lines(text);
  const auto numbered = place_numbered(lines);
  const auto first = lines.empty() ? std::nullopt : split_number(lines.front());
  return numbered && numbered->size() == lines.size() && first && first->number == 0;
}

}  // namespace visionpress
