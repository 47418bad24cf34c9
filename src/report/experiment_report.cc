#include <algorithm>

#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

constexpr int kOriginalDigits = 5;  // as the original project's table

/// One family of the original's table: a column of cells, as exported on top.
struct Family {
  std::string name = {};
  std::vector<std::size_t> columns = {};
};

std::vector<Family> group_families(const std::vector<ExperimentColumn>& columns) {
  std::vector<Family> families;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    auto found = std::ranges::find(families, columns[i].family, &Family::name);
    if (found == families.end()) found = families.insert(families.end(), {columns[i].family, {}});
    found->columns.push_back(i);
  }
  return families;
}

/// "Original Core ML Predictions (44.12 MB)"
std::string name_cell(const ExperimentColumn& column, const ModelScore& score) {
  if (score.format == "predictions") return "Online Custom Vision Predictions";
  return fmt::format("{}{} Predictions ({})", column.scheme.empty() ? "Original " : "",
                     column.title, format_bytes(score.bytes));
}

Table make_cell(const ModelScore& score) {
  Table table{{"Tag", "Precision", "Recall"}, {}};
  for (const TagScore& tag : score.tags) {
    table.rows.push_back({tag.tag, format_number(tag.precision, kOriginalDigits),
                          format_number(tag.recall, kOriginalDigits)});
  }
  return table;
}

/// The original project's layout: one column per family, one row per scheme; cells hold precision
/// and recall.
std::string format_grid(const std::vector<ExperimentColumn>& columns,
                        const EvaluateResult& result) {
  const std::vector<Family> families = group_families(columns);
  std::size_t rows = 0;
  for (const Family& family : families) rows = std::max(rows, family.columns.size());
  std::string text = "<table>\n";
  for (std::size_t row = 0; row < rows; ++row) {
    std::string heads;
    std::string cells;
    for (const Family& family : families) {
      const bool filled = row < family.columns.size();
      const std::size_t i = filled ? family.columns[row] : 0;
      heads += fmt::format("<th>{}</th>", filled ? name_cell(columns[i], result.models[i]) : "");
      cells += cells.empty() ? "<td>\n\n" : "</td><td>\n\n";
      if (filled) cells += format_markdown(make_cell(result.models[i]), Alignment::Numbers) + "\n";
    }
    text += fmt::format("<tr>{}</tr>\n<tr>{}</td></tr>\n", heads, cells);
  }
  return text + "</table>\n";
}

std::string describe(const EvaluateResult& result) {
  return fmt::format("Precision and recall, {} metric", name_of(result.options.metric));
}

std::string format_page(const ExperimentResult& result) {
  std::string text;
  for (const EvaluateResult* figures :
       {&result.standard, result.legacy ? &*result.legacy : nullptr}) {
    if (figures == nullptr) continue;
    text +=
        fmt::format("## {}\n\n{}\n{}\n", describe(*figures), format_grid(result.columns, *figures),
                    format_report(*figures, ReportForm::Markdown));
  }
  return text;
}

JsonValue make_json(const ExperimentResult& result) {
  const auto figures = [](const EvaluateResult& one) {
    return JsonValue::parse(format_report(one, ReportForm::Json));
  };
  JsonValue columns = JsonValue::array();
  for (const ExperimentColumn& column : result.columns) {
    columns.push_back(
        {{"title", column.title},
         {"family", column.family},
         {"scheme", column.scheme.empty() ? JsonValue(nullptr) : JsonValue(column.scheme)},
         {"source", column.source},
         {"predictions", column.predictions},
         {"was_kept", column.was_kept}});
  }
  return {{"results", result.results},
          {"columns", columns},
          {"standard", figures(result.standard)},
          {"legacy", result.legacy ? figures(*result.legacy) : JsonValue(nullptr)},
          {"warnings", result.warnings}};
}

/// The rows of both metrics, the metric's name before each.
std::string format_rows(const ExperimentResult& result) {
  std::string text;
  for (const EvaluateResult* figures :
       {&result.standard, result.legacy ? &*result.legacy : nullptr}) {
    if (figures == nullptr) continue;
    const std::string csv = format_report(*figures, ReportForm::Csv);
    const std::string name = fmt::format("{},", name_of(figures->options.metric));
    bool is_head = true;
    for (std::size_t at = 0; at < csv.size();) {
      const std::size_t end = csv.find('\n', at) + 1;
      if (!is_head || text.empty()) text += (is_head ? "metric," : name) + csv.substr(at, end - at);
      is_head = false;
      at = end;
    }
  }
  return text;
}

}  // namespace

std::string format_report(const ExperimentResult& result, ReportForm form) {
  switch (form) {
    case ReportForm::Json:
      return to_text(make_json(result));
    case ReportForm::Csv:
      return format_rows(result);
    case ReportForm::Markdown:
      return format_page(result);
    case ReportForm::Text:
      break;
  }
  std::string text = format_report(result.standard, ReportForm::Text);
  if (result.legacy) text += "\n" + format_report(*result.legacy, ReportForm::Text);
  return text;
}

}  // namespace visionpress
