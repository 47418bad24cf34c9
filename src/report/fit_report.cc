#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "report/report_form.h"
#include "report/score_values.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

std::string format_drop(const std::optional<Difference>& drop) {
  return drop ? format_points(drop->points, drop->low, drop->high) : "-";
}

std::string format_forms(const FitCandidate& candidate) {
  std::string text;
  for (const auto& [form, count] : candidate.forms)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, form);
  return text;
}

std::string describe_limits(const FitLimits& limits) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (limits.max_size) add("size at most " + format_bytes(*limits.max_size));
  if (limits.max_download) add("download at most " + format_bytes(*limits.max_download));
  if (limits.max_drop) add(fmt::format("drop at most {:g} points", *limits.max_drop));
  if (limits.min_agreement) add(fmt::format("agreement at least {:g}", *limits.min_agreement));
  return text;
}

/// The files that were tried, from the largest.
Table make_table(const FitResult& result) {
  const bool is_detector = result.report.task == Task::Detection;
  Table table{{"size", "download", is_detector ? "mAP" : "top-1", "drop, points", "agreement",
               "outputs, dB", "limits", "weights"},
              {}};
  if (!result.candidates.empty()) {
    for (const TagScore& tag : result.candidates.front().score.tags) {
      if (is_detector) table.header.push_back(tag.tag + " AP");
    }
  }
  std::vector<const FitCandidate*> sorted;
  for (const FitCandidate& candidate : result.candidates) sorted.push_back(&candidate);
  std::ranges::stable_sort(sorted, std::ranges::greater(), &FitCandidate::bytes);
  for (const FitCandidate* candidate : sorted) {
    const ModelScore& score = candidate->score;
    std::string met = candidate->meets_limits ? "met" : "missed";
    if (candidate == &result.candidates[result.best] && result.meets_limits) met = "met, kept";
    std::vector<std::string> row = {format_bytes(candidate->bytes),
                                    format_bytes(candidate->download_bytes),
                                    format_number(is_detector ? score.ap : score.top1, 4),
                                    format_drop(score.drop()),
                                    format_number(score.agreement, 4),
                                    format_change(candidate->measured_change),
                                    met,
                                    format_forms(*candidate)};
    for (std::size_t i = 0; is_detector && i + 8 < table.header.size(); ++i) {
      row.push_back(i < score.tags.size() ? format_number(score.tags[i].ap, 4) : "-");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

/// One line to quote.
std::string make_quote(const FitResult& result) {
  const FitCandidate& best = result.candidates[result.best];
  const ModelScore& score = result.report.models[1];
  std::string text =
      fmt::format("{:.1f} times smaller: {} -> {} ({} to download)",
                  static_cast<double>(result.bytes_before) / static_cast<double>(best.bytes),
                  format_bytes(result.bytes_before), format_bytes(best.bytes),
                  format_bytes(best.download_bytes));
  if (const auto& drop = score.drop()) {
    text += fmt::format(", {} drop {} points", score.ap_drop ? "AP" : "top-1", format_drop(drop));
  }
  if (score.agreement) text += fmt::format(", agreement {:.3f}", *score.agreement);
  return text + fmt::format(" on {} images that {}", result.report_images,
                            result.overlap_judges ? "did not choose it"
                                                  : "neither chose nor calibrated it");
}

JsonValue score_json(const ModelScore& score) {
  return {{"ap", number_json(score.ap)},
          {"ap50", number_json(score.ap50)},
          {"top1", number_json(score.top1)},
          {"drop", difference_json(score.drop())},
          {"agreement", number_json(score.agreement)},
          {"tags", tags_json(score)}};
}

JsonValue limits_json(const FitLimits& limits) {
  const auto count = [](const std::optional<std::uint64_t>& value) {
    return value ? JsonValue(*value) : JsonValue(nullptr);
  };
  return {{"max_size", count(limits.max_size)},
          {"max_download", count(limits.max_download)},
          {"max_drop", number_json(limits.max_drop)},
          {"min_agreement", number_json(limits.min_agreement)}};
}

JsonValue make_json(const FitResult& result) {
  JsonValue candidates = JsonValue::array();
  for (const FitCandidate& candidate : result.candidates) {
    JsonValue forms = JsonValue::object();
    for (const auto& [form, count] : candidate.forms) forms[form] = count;
    candidates.push_back({{"bytes", candidate.bytes},
                          {"download_bytes", candidate.download_bytes},
                          {"predicted_change", change_json(candidate.predicted_change)},
                          {"measured_change", change_json(candidate.measured_change)},
                          {"meets_limits", candidate.meets_limits},
                          {"forms", forms},
                          {"score", score_json(candidate.score)}});
  }
  JsonValue report = JsonValue::array();
  for (const ModelScore& model : result.report.models) {
    JsonValue row = {{"file", model.file}, {"bytes", model.bytes}};
    row.update(score_json(model));
    report.push_back(std::move(row));
  }
  return {{"input", result.input},
          {"output", result.output.empty() ? JsonValue(nullptr) : JsonValue(result.output)},
          {"format", result.format},
          {"limits", limits_json(result.limits)},
          {"meets_limits", result.meets_limits},
          {"bytes_before", result.bytes_before},
          {"download_before", result.download_before},
          {"calibration_pictures", result.calibration_pictures},
          {"search_images", result.search_images},
          {"report_images", result.report_images},
          {"overlap", result.overlap},
          {"seed", result.seed},
          {"candidates", candidates},
          {"best", result.best},
          {"report", report},
          {"quote", make_quote(result)},
          {"warnings", result.warnings}};
}

}  // namespace

std::string format_report(const FitResult& result, ReportForm form) {
  if (auto text = format_unless_text(
          form, Alignment::Words, [&] { return make_json(result); },
          [&] { return make_table(result); })) {
    return *text;
  }
  std::string text =
      fmt::format("{}: {}, {} to download; {}\n", shown(base_name(result.input)),
                  format_bytes(result.bytes_before), format_bytes(result.download_before),
                  describe_limits(result.limits));
  text += fmt::format("{} file{} tried, measured on {} images (seed {}) and calibrated on {} {}\n",
                      result.candidates.size(), result.candidates.size() == 1 ? "" : "s",
                      result.search_images, result.seed, result.calibration_pictures,
                      result.overlap_judges ? "pictures, some of them the same" : "others");
  text += format_text(make_table(result), Alignment::Words);
  text += fmt::format("\nOn the other {} images, which chose nothing:\n", result.report_images);
  text += format_report(result.report, ReportForm::Text);
  if (result.meets_limits) {
    text += fmt::format("\n-> {}\n{}\n", shown(result.output), make_quote(result));
  } else {
    text += fmt::format("\nNo file meets the limits, so none was written. The nearest: {}\n",
                        make_quote(result));
  }
  return text;
}

}  // namespace visionpress
