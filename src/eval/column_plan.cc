#include "eval/column_plan.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/ascii.h"

namespace visionpress {

std::string name_file(const std::string& title) {
  std::string name;
  for (const char c : title) {
    const bool plain = is_ascii_alnum(c) || c == '.' || c == '_';
    if (plain) name += ascii_lower(c);
    if (!plain && !name.empty() && name.back() != '-') name += '-';
  }
  while (name.ends_with('-')) name.pop_back();
  return name;
}

std::vector<std::string> list_families(const std::vector<ExportFacts>& exports) {
  std::vector<std::string> families;
  families.reserve(exports.size());
  for (const ExportFacts& found : exports) families.push_back(found.family);
  return families;
}

void name_families(std::vector<ExportFacts>& exports) {
  const std::vector<std::string> formats = list_families(exports);
  std::set<std::string> seen;
  for (ExportFacts& found : exports) {
    if (std::ranges::count(formats, found.family) > 1) {
      const std::filesystem::path path(found.path);
      const std::filesystem::path named = path.has_filename() ? path : path.parent_path();
      found.family += fmt::format(" ({})", named.filename().string());
    }
    const std::string family = found.family;
    for (int i = 2; !seen.insert(name_file(found.family)).second; ++i) {
      found.family = fmt::format("{} {}", family, i);
    }
  }
}

std::vector<PlannedColumn> plan_columns(const std::vector<ExportFacts>& exports,
                                        const std::optional<std::string>& online) {
  std::vector<PlannedColumn> planned;
  if (online) {
    ExperimentColumn column;
    column.title = column.family = "Online";
    column.source = *online;
    planned.push_back({.column = column, .name = name_file(column.title)});
  }
  for (const ExportFacts& found : exports) {
    ExperimentColumn original;
    original.title = original.family = found.family;
    original.source = found.path;
    const std::size_t exported = planned.size();
    planned.push_back({original, name_file(original.title), &found, exported});
    for (const std::string& scheme : found.schemes) {
      ExperimentColumn column = original;
      column.title += " " + scheme;
      column.scheme = scheme;
      const std::string name = name_file(column.title);
      column.source = name + found.extension;
      planned.push_back({column, name, &found, exported});
    }
  }
  return planned;
}

}  // namespace visionpress
