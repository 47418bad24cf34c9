#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "report/report_form.h"
#include "report/score_values.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

const FormChange* find_form(const WeightChange& weight, const std::string& name) {
  const auto found = std::ranges::find(weight.forms, name, &FormChange::form);
  return found == weight.forms.end() ? nullptr : &*found;
}

/// Every form that some weight has, in the order of the request.
std::vector<std::string> list_forms(const SensitivityResult& result) {
  std::vector<std::string> names;
  for (const WeightChange& weight : result.weights) {
    for (const FormChange& form : weight.forms) {
      if (std::ranges::find(names, form.form) == names.end()) names.push_back(form.form);
    }
  }
  return names;
}

Table make_wide_table(const SensitivityResult& result) {
  const std::vector<std::string> forms = list_forms(result);
  Table table{{"weight", "shape", "bytes"}, {}};
  for (const std::string& form : forms) table.header.push_back(form);
  for (const WeightChange& weight : result.weights) {
    std::vector<std::string> row = {weight.name, format_shape(weight.shape),
                                    std::to_string(weight.bytes_before)};
    for (const std::string& form : forms) {
      const FormChange* change = find_form(weight, form);
      row.push_back(change == nullptr ? "-" : format_change(change->change));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

/// One row per weight and form.
Table make_long_table(const SensitivityResult& result) {
  Table table{{"weight", "layer", "shape", "form", "bytes", "download_bytes", "change", "snr_db"},
              {}};
  for (const WeightChange& weight : result.weights) {
    for (const FormChange& form : weight.forms) {
      table.rows.push_back({weight.name, weight.layer, format_shape(weight.shape), form.form,
                            std::to_string(form.bytes), std::to_string(form.download_bytes),
                            fmt::format("{:.6g}", form.change), format_change(form.change)});
    }
  }
  return table;
}

/// One bar per weight, for the form with the fewest bits: the longer, the more is lost.
std::string format_bars(const SensitivityResult& result) {
  const std::vector<std::string> forms = list_forms(result);
  if (forms.empty()) return {};
  const std::string& form = forms.back();
  constexpr double kBest = 50.0;  // dB; a bar of no length
  constexpr double kPerMark = 1.5;
  std::size_t width = 0;
  for (const WeightChange& weight : result.weights) width = std::max(width, weight.name.size());
  width = std::min<std::size_t>(width, 40);
  std::string text = fmt::format("\nWhat {} costs in each weight alone (longer is worse):\n", form);
  for (const WeightChange& weight : result.weights) {
    const FormChange* change = find_form(weight, form);
    if (change == nullptr) continue;
    const double snr = change->change > 0.0 ? -10.0 * std::log10(change->change) : kBest;
    const auto marks = static_cast<std::size_t>(std::clamp((kBest - snr) / kPerMark, 0.0, 45.0));
    text += fmt::format("  {:<{}}  {:<45} {}\n", shown(weight.name.substr(0, width)), width,
                        std::string(marks, '#'), format_change(change->change));
  }
  return text;
}

JsonValue make_json(const SensitivityResult& result) {
  JsonValue weights = JsonValue::array();
  for (const WeightChange& weight : result.weights) {
    JsonValue forms = JsonValue::array();
    for (const FormChange& form : weight.forms) {
      forms.push_back({{"form", form.form},
                       {"bytes", form.bytes},
                       {"download_bytes", form.download_bytes},
                       {"change", change_json(form.change)}});
    }
    weights.push_back({{"name", weight.name},
                       {"layer", weight.layer},
                       {"shape", weight.shape},
                       {"bytes_before", weight.bytes_before},
                       {"forms", forms}});
  }
  return {{"input", result.input},
          {"format", result.format},
          {"bytes", result.bytes},
          {"sha1", result.sha1},
          {"pictures", result.pictures},
          {"views", result.views},
          {"compared", result.compared},
          {"seed", result.seed},
          {"shard", {{"index", result.shard.index}, {"count", result.shard.count}}},
          {"weights", weights},
          {"warnings", result.warnings}};
}

}  // namespace

std::string format_report(const SensitivityResult& result, ReportForm form) {
  if (auto text = format_unless_text(
          form, Alignment::Words, [&] { return make_json(result); },
          [&] { return make_long_table(result); })) {
    return *text;
  }
  std::string text = fmt::format(
      "{}: {}, {} weights on {} picture{}{}; SNR in dB of the outputs when one weight alone takes "
      "the form\n",
      shown(base_name(result.input)), format_bytes(result.bytes), result.weights.size(),
      result.pictures, result.pictures == 1 ? "" : "s",
      result.views > 1 ? fmt::format(", {} views of each", result.views) : "");
  text += format_text(make_wide_table(result), Alignment::Words);
  return text + format_bars(result);
}

}  // namespace visionpress
