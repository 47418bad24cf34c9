#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/printable.h"
#include "report/json.h"
#include "report/table.h"
#include "visionpress/report.h"

namespace visionpress {

/// A name or label out of a file, as Text shows it: on one line, and steering nothing. Tables do so
/// by themselves.
[[nodiscard]] inline std::string shown(std::string_view name) { return escape_unprintable(name); }

/// As --metric has it.
[[nodiscard]] const char* name_of(Metric metric);

/// The forms that a program reads, for a result that is one table; nothing for Text.
/// make_json, make_table: called only where their form is asked for.
template <typename MakeJson, typename MakeTable>
[[nodiscard]] std::optional<std::string> format_unless_text(ReportForm form, Alignment alignment,
                                                            MakeJson make_json,
                                                            MakeTable make_table) {
  switch (form) {
    case ReportForm::Json:
      return to_text(make_json());
    case ReportForm::Csv:
      return format_csv(make_table());
    case ReportForm::Markdown:
      return format_markdown(make_table(), alignment);
    case ReportForm::Text:
      break;
  }
  return std::nullopt;
}

}  // namespace visionpress
