#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

/// A list from the service: a table, or an array in JSON.
template <typename T, typename ToJson, typename ToRow>
std::string format_list(const std::vector<T>& items, ReportForm form,
                        const std::vector<std::string>& header, const ToJson& to_json,
                        const ToRow& to_row) {
  const auto make_json = [&] {
    JsonValue json = JsonValue::array();
    for (const T& item : items) json.push_back(to_json(item));
    return json;
  };
  const auto make_table = [&] {
    Table table{header, {}};
    for (const T& item : items) table.rows.push_back(to_row(item));
    return table;
  };
  if (auto text = format_unless_text(form, Alignment::Words, make_json, make_table)) return *text;
  return items.empty() ? "none\n" : format_text(make_table(), Alignment::Words);
}

std::string yes_or_no(bool value) { return value ? "yes" : "no"; }

JsonValue iteration_json(const CloudIteration& iteration) {
  return {{"id", iteration.id},
          {"name", iteration.name},
          {"status", iteration.status},
          {"created", iteration.created},
          {"published_name", iteration.published_name},
          {"training_type", iteration.training_type},
          {"exportable", iteration.exportable},
          {"default", iteration.is_default}};
}

JsonValue performance_json(const CloudTagPerformance& tag) {
  return {{"tag", tag.tag},
          {"precision", number_json(tag.precision)},
          {"recall", number_json(tag.recall)},
          {"ap", number_json(tag.ap)}};
}

std::vector<std::string> performance_row(const std::string& name, const CloudTagPerformance& tag) {
  return {name, format_number(tag.precision, 4), format_number(tag.recall, 4),
          format_number(tag.ap, 4)};
}

JsonValue upload_json(const CloudUploadResult& result) {
  JsonValue failures = JsonValue::array();
  for (const CloudUploadFailure& failure : result.failures) {
    failures.push_back({{"file", failure.file}, {"reason", failure.reason}});
  }
  return {{"project", result.project_id},
          {"images", result.images},
          {"created", result.created},
          {"duplicates", result.duplicates},
          {"resumed", result.resumed},
          {"regions", result.regions},
          {"added_regions", result.added_regions},
          {"clamped", result.clamped},
          {"left_out", result.left_out},
          {"crowds", result.crowds},
          {"batches", result.batches},
          {"created_tags", result.created_tags},
          {"failures", failures},
          {"warnings", result.warnings}};
}

Table upload_table(const CloudUploadResult& result) {
  Table table{{"file", "reason"}, {}};
  for (const CloudUploadFailure& failure : result.failures) {
    table.rows.push_back({failure.file, failure.reason});
  }
  return table;
}

std::string format_upload(const CloudUploadResult& result) {
  std::string text =
      fmt::format("{} of {} images are there{}: {} new, {} there already",
                  result.images - result.failures.size(), result.images,
                  result.regions > 0 ? fmt::format(", with {} regions", result.regions) : "",
                  result.created, result.duplicates + result.resumed);
  if (result.resumed > 0) text += fmt::format(" ({} known from before)", result.resumed);
  text += "\n";
  const auto add = [&text](std::size_t count, const char* what) {
    if (count > 0) text += fmt::format("{} {}\n", count, what);
  };
  if (!result.created_tags.empty()) {
    std::string names;
    for (const std::string& tag : result.created_tags) names += (names.empty() ? "" : ", ") + tag;
    text += "new tags: " + names + "\n";
  }
  add(result.added_regions, "regions added to images that were there");
  add(result.left_out, "images left out: nothing tagged on them");
  add(result.clamped, "boxes cut to their image");
  add(result.crowds, "boxes around crowds left out");
  for (const CloudUploadFailure& failure : result.failures) {
    text += fmt::format("not there: {}: {}\n", shown(failure.file), shown(failure.reason));
  }
  return text;
}

}  // namespace

std::string format_report(const std::vector<CloudDomain>& domains, ReportForm form) {
  return format_list(
      domains, form, {"type", "name", "exportable", "id"},
      [](const CloudDomain& d) {
        return JsonValue{{"id", d.id},
                         {"name", d.name},
                         {"type", d.type},
                         {"exportable", d.exportable},
                         {"enabled", d.enabled}};
      },
      [](const CloudDomain& d) {
        return std::vector<std::string>{d.type, d.name, yes_or_no(d.exportable), d.id};
      });
}

std::string format_report(const std::vector<CloudProject>& projects, ReportForm form) {
  return format_list(
      projects, form, {"project", "id"},
      [](const CloudProject& p) {
        return JsonValue{{"id", p.id},
                         {"name", p.name},
                         {"description", p.description},
                         {"domain", p.domain_id},
                         {"classification_type", p.classification_type},
                         {"created", p.created}};
      },
      [](const CloudProject& p) {
        return std::vector<std::string>{p.name, p.id};
      });
}

std::string format_report(const std::vector<CloudTag>& tags, ReportForm form) {
  return format_list(
      tags, form, {"tag", "images", "id"},
      [](const CloudTag& t) {
        return JsonValue{{"id", t.id}, {"name", t.name}, {"type", t.type}, {"images", t.images}};
      },
      [](const CloudTag& t) {
        return std::vector<std::string>{t.name, std::to_string(t.images), t.id};
      });
}

std::string format_report(const std::vector<CloudIteration>& iterations, ReportForm form) {
  return format_list(iterations, form, {"iteration", "status", "published as", "exportable", "id"},
                     iteration_json, [](const CloudIteration& i) {
                       return std::vector<std::string>{i.name, i.status,
                                                       !i.published_name.empty() ? i.published_name
                                                       : i.is_default            ? "(default)"
                                                                                 : "-",
                                                       yes_or_no(i.exportable), i.id};
                     });
}

std::string format_report(const CloudUploadResult& result, ReportForm form) {
  if (auto text = format_unless_text(
          form, Alignment::Words, [&] { return upload_json(result); },
          [&] { return upload_table(result); })) {
    return *text;
  }
  return format_upload(result);
}

std::string format_report(const CloudTrainResult& result, ReportForm form) {
  if (form != ReportForm::Json) return format_report(std::vector{result.iteration}, form);
  return to_text({{"iteration", iteration_json(result.iteration)},
                  {"unchanged", result.unchanged},
                  {"warnings", result.warnings}});
}

std::string format_report(const CloudPerformance& performance, ReportForm form) {
  const auto make_json = [&] {
    JsonValue tags = JsonValue::array();
    for (const CloudTagPerformance& tag : performance.tags) tags.push_back(performance_json(tag));
    JsonValue total = performance_json(performance.total);
    total.erase("tag");
    return JsonValue{{"iteration", iteration_json(performance.iteration)},
                     {"threshold", performance.threshold},
                     {"overlap", performance.overlap},
                     {"total", total},
                     {"tags", tags}};
  };
  const auto make_table = [&] {
    Table table{{"tag", "precision", "recall", "AP"}, {}};
    for (const CloudTagPerformance& tag : performance.tags) {
      table.rows.push_back(performance_row(tag.tag, tag));
    }
    table.rows.push_back(performance_row("all", performance.total));
    return table;
  };
  if (auto text = format_unless_text(form, Alignment::Numbers, make_json, make_table)) return *text;
  return format_text(make_table(), Alignment::Numbers) +
         fmt::format("\n{}: the service's own figures, probability > {:g}, overlap > {:g}\n",
                     performance.iteration.name, performance.threshold, performance.overlap);
}

std::string format_report(const CloudExportResult& result, ReportForm form) {
  const std::string flavor = result.flavor.empty() ? "" : " " + result.flavor;
  const auto make_json = [&] {
    return JsonValue{{"iteration", iteration_json(result.iteration)},
                     {"platform", result.platform},
                     {"flavor", result.flavor},
                     {"output", result.output},
                     {"bytes", result.bytes},
                     {"entries", result.entries},
                     {"was_queued", result.was_queued}};
  };
  const auto make_table = [&] {
    Table table{{"entry"}, {}};
    for (const std::string& entry : result.entries) table.rows.push_back({entry});
    return table;
  };
  if (auto text = format_unless_text(form, Alignment::Words, make_json, make_table)) return *text;
  return fmt::format("{} as {}{}: {}  -> {}\n", result.iteration.name, result.platform, flavor,
                     format_bytes(result.bytes), result.output);
}

}  // namespace visionpress
