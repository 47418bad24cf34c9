#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

const char* word_of(RuntimeTake take) {
  switch (take) {
    case RuntimeTake::Takes:
      return "yes";
    case RuntimeTake::Falls:
      return "no";
    case RuntimeTake::Refuses:
      return "refused";
  }
  return "";
}

/// Operators of one type that a runtime does not take for one reason.
struct Refused {
  std::string type = {};
  std::string why = {};
  RuntimeTake take = RuntimeTake::Falls;
  std::vector<std::size_t> operators = {};
};

std::vector<Refused> group_refused(const RuntimeReport& report, std::size_t runtime) {
  std::vector<Refused> groups;
  for (std::size_t i = 0; i < report.operators.size(); ++i) {
    const OperatorRuntimes& row = report.operators[i];
    const RuntimeAnswer& answer = row.answers[runtime];
    if (answer.take == RuntimeTake::Takes) continue;
    auto group = std::ranges::find_if(groups, [&](const Refused& known) {
      return known.type == row.type && known.why == answer.why && known.take == answer.take;
    });
    if (group == groups.end()) {
      groups.push_back({row.type, answer.why, answer.take, {}});
      group = groups.end() - 1;
    }
    group->operators.push_back(i);
  }
  return groups;
}

std::string list_indices(const std::vector<std::size_t>& indices) {
  constexpr std::size_t kShown = 6;
  if (indices.size() <= kShown) return fmt::format("{}", fmt::join(indices, ", "));
  return fmt::format("{}, ...", fmt::join(indices.begin(), indices.begin() + kShown, ", "));
}

std::string format_runtime(const RuntimeReport& report, std::size_t index) {
  const RuntimeInfo& runtime = report.runtimes[index];
  std::string text = fmt::format("  {:<10} ", runtime.id);
  if (!runtime.refused_because.empty()) {
    text += fmt::format("does not run it: {}", shown(runtime.refused_because));
  } else {
    text += fmt::format("takes {} of {} operators", runtime.taken, report.operators.size());
    if (runtime.partitions > 1) text += fmt::format(" in {} pieces", runtime.partitions);
    if (!runtime.since.empty()) text += fmt::format(", from {} on", runtime.since);
  }
  text += fmt::format("\n  {:<10} {}; {}\n", "", runtime.name, runtime.basis);
  if (!runtime.note.empty()) text += fmt::format("  {:<10} {}\n", "", shown(runtime.note));
  for (const Refused& group : group_refused(report, index)) {
    text += fmt::format("  {:<10} {} {} ({}): {}\n", "", group.operators.size(), shown(group.type),
                        list_indices(group.operators), shown(group.why));
  }
  return text;
}

/// For people: one column per runtime.
Table make_wide_table(const RuntimeReport& report) {
  Table table{{"operator", "type", "version"}, {}};
  for (const RuntimeInfo& runtime : report.runtimes) table.header.push_back(runtime.id);
  table.header.emplace_back("name");
  for (std::size_t i = 0; i < report.operators.size(); ++i) {
    const OperatorRuntimes& row = report.operators[i];
    std::vector<std::string> cells = {std::to_string(i), row.type,
                                      row.version == 0 ? "" : std::to_string(row.version)};
    for (const RuntimeAnswer& answer : row.answers) {
      const bool tells_release = answer.take == RuntimeTake::Takes && !answer.since.empty();
      cells.push_back(tells_release ? answer.since : word_of(answer.take));
    }
    cells.push_back(row.name);
    table.rows.push_back(std::move(cells));
  }
  return table;
}

/// For programs: one row per operator and runtime, so that files of all formats share the columns.
Table make_long_table(std::span<const RuntimeReport> reports) {
  Table table{
      {"file", "operator", "type", "version", "name", "runtime", "takes", "since", "because"}, {}};
  for (const RuntimeReport& report : reports) {
    for (std::size_t i = 0; i < report.operators.size(); ++i) {
      const OperatorRuntimes& row = report.operators[i];
      for (std::size_t r = 0; r < report.runtimes.size(); ++r) {
        const RuntimeAnswer& answer = row.answers[r];
        table.rows.push_back({report.file, std::to_string(i), row.type,
                              row.version == 0 ? "" : std::to_string(row.version), row.name,
                              report.runtimes[r].id, word_of(answer.take), answer.since,
                              answer.why});
      }
    }
  }
  return table;
}

JsonValue text_json(const std::string& text) {
  return text.empty() ? JsonValue(nullptr) : JsonValue(text);
}

JsonValue make_json(const RuntimeReport& report) {
  JsonValue runtimes = JsonValue::array();
  for (const RuntimeInfo& runtime : report.runtimes) {
    runtimes.push_back({{"id", runtime.id},
                        {"name", runtime.name},
                        {"basis", runtime.basis},
                        {"taken", runtime.taken},
                        {"partitions", runtime.partitions},
                        {"refused_because", text_json(runtime.refused_because)},
                        {"since", text_json(runtime.since)},
                        {"note", text_json(runtime.note)}});
  }
  JsonValue operators = JsonValue::array();
  for (const OperatorRuntimes& row : report.operators) {
    JsonValue answers = JsonValue::object();
    for (std::size_t r = 0; r < report.runtimes.size(); ++r) {
      const RuntimeAnswer& answer = row.answers[r];
      answers[report.runtimes[r].id] = {{"takes", word_of(answer.take)},
                                        {"since", text_json(answer.since)},
                                        {"because", text_json(answer.why)}};
    }
    operators.push_back(
        {{"name", row.name},
         {"type", row.type},
         {"version", row.version == 0 ? JsonValue(nullptr) : JsonValue(row.version)},
         {"runtimes", answers}});
  }
  return {
      {"file", report.file},  {"format", report.format}, {"format_version", report.format_version},
      {"runtimes", runtimes}, {"operators", operators},  {"warnings", report.warnings}};
}

}  // namespace

std::string format_report(const RuntimeReport& report, ReportForm form, Detail detail) {
  if (auto text = format_unless_text(
          form, Alignment::Words, [&] { return make_json(report); },
          [&] {
            return make_long_table({&report, 1});
          })) {
    return *text;
  }
  std::string text =
      fmt::format("{}: {}, {}, {} operators\n", shown(base_name(report.file)), report.format,
                  shown(report.format_version), report.operators.size());
  for (std::size_t r = 0; r < report.runtimes.size(); ++r) text += format_runtime(report, r);
  if (report.runtimes.empty()) text += "  no rules are known for this format yet\n";
  if (detail == Detail::Full) {
    text += "\n" + format_text(make_wide_table(report), Alignment::Words);
  }
  return text;
}

std::string format_report(const std::vector<RuntimeReport>& reports, ReportForm form,
                          Detail detail) {
  const auto make_array = [&] {
    JsonValue json = JsonValue::array();
    for (const RuntimeReport& report : reports) json.push_back(make_json(report));
    return json;
  };
  if (auto text = format_unless_text(form, Alignment::Words, make_array,
                                     [&] { return make_long_table(reports); })) {
    return *text;
  }
  std::string text;
  for (const RuntimeReport& report : reports) text += format_report(report, form, detail);
  return text;
}

}  // namespace visionpress
