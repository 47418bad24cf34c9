#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

std::string format_snr(const std::optional<double>& snr_db) {
  if (!snr_db) return "-";
  return std::isinf(*snr_db) ? "exact" : format_number(snr_db, 1);
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// A layer that a converter fused of several is named by all of them: "a/Relu;a/BiasAdd;a/Conv2D".
std::string first_name(const std::string& layer) { return layer.substr(0, layer.find(';')); }

/// The quality lost to the codes, for a one-sentence summary.
struct Judgement {
  std::size_t changed = 0;
  std::size_t calibrated = 0;               ///< of them, those whose codes pictures chose
  std::vector<const WeightRow*> weak = {};  ///< the worst first
  bool one_scale = false;                   ///< one scale per channel would improve some of them
};

Judgement judge(const std::vector<WeightRow>& rows) {
  Judgement judgement;
  for (const WeightRow& row : rows) {
    if (!row.kept_because.empty()) continue;
    ++judgement.changed;
    judgement.calibrated += row.is_calibrated ? 1 : 0;
    if (row.weak_because.empty()) continue;
    judgement.weak.push_back(&row);
    judgement.one_scale =
        judgement.one_scale || (row.to == "linear-8-tensor" && row.shape.size() > 1);
  }
  std::ranges::stable_sort(judgement.weak, [](const WeightRow* a, const WeightRow* b) {
    return a->snr_db.value_or(0.0) < b->snr_db.value_or(0.0);
  });
  return judgement;
}

std::string describe(const Judgement& judgement) {
  constexpr std::size_t kShown = 5;
  if (judgement.changed == 0) return "no weight was changed";
  if (judgement.weak.empty() && judgement.calibrated > 0) {
    return fmt::format(
        "the pictures chose the codes of {} of {} changed weights, which the SNR of the values "
        "does not judge; evaluate the file",
        judgement.calibrated, judgement.changed);
  }
  if (judgement.weak.empty()) {
    return fmt::format("every changed weight keeps an SNR of {:.0f} dB or more", kWeakSnrDb);
  }
  std::string names;
  for (std::size_t i = 0; i < std::min(kShown, judgement.weak.size()); ++i) {
    const WeightRow& row = *judgement.weak[i];
    names +=
        fmt::format("{}{} ({})", i == 0 ? "" : ", ", shown(first_name(row.name)), row.weak_because);
  }
  if (judgement.weak.size() > kShown) {
    names += fmt::format(" and {} more", judgement.weak.size() - kShown);
  }
  return fmt::format(
      "{} of {} changed weights lost much (limit: an SNR of {:.0f} dB): {}; "
      "evaluate the file{}",
      judgement.weak.size(), judgement.changed, kWeakSnrDb, names,
      judgement.one_scale ? ", or take linear-8, which has a scale for each channel"
                          : ", or leave them with --keep");
}

std::string format_judgement(const std::vector<WeightRow>& rows) {
  return rows.empty() ? "" : fmt::format("  judgement: {}\n", describe(judge(rows)));
}

JsonValue judgement_json(const std::vector<WeightRow>& rows) {
  const Judgement judgement = judge(rows);
  JsonValue weak = JsonValue::array();
  for (const WeightRow* row : judgement.weak) weak.push_back(row->name);
  return {{"good", judgement.weak.empty()},
          {"snr_limit_db", kWeakSnrDb},
          {"channel_snr_limit_db", kWeakChannelSnrDb},
          {"lost_limit", kWeakLostShare},
          {"weak", weak},
          {"text", describe(judgement)}};
}

/// One line on the weights that have 8 bits where fewer were asked for; empty where none has.
/// hint: how to change that.
std::string format_wider(const std::vector<WeightRow>& rows, const char* hint) {
  std::map<std::string, std::size_t> reasons;
  for (const WeightRow& row : rows) {
    if (!row.wider_because.empty()) ++reasons[row.wider_because];
  }
  std::string text;
  for (const auto& [reason, count] : reasons) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", reason, count);
  }
  return text.empty() ? "" : fmt::format("  at 8 bits{}: {}\n", hint, text);
}

std::string format_line(const CompressResult& result) {
  std::string line =
      fmt::format("{}: {} -> {} ({:.1f}%)  {}, {} of {} tensors", shown(base_name(result.input)),
                  format_bytes(result.bytes_before), format_bytes(result.bytes_after),
                  share(result.bytes_after, result.bytes_before), result.scheme,
                  result.changed_count(), result.weights.size());
  const WeightRow* worst = result.worst();
  if (worst != nullptr && !worst->is_calibrated) {
    line += std::isinf(*worst->snr_db)
                ? "  every value exact"
                : fmt::format("  worst layer SNR {:.1f} dB ({})", *worst->snr_db,
                              shown(first_name(worst->layer)));
  }
  line += fmt::format("  -> {}\n", shown(result.output));
  if (result.download_bytes) {
    line += fmt::format("  download: {} (gzip -9)\n", format_bytes(*result.download_bytes));
  }
  if (const CalibrationSummary& done = result.calibration; done.layers > 0) {
    line += fmt::format(
        "  calibrated on {} picture{}{}: {} kernels; the results of {} lost most, SNR {:.1f} dB\n",
        done.pictures, done.pictures == 1 ? "" : "s",
        done.views > 1 ? fmt::format(", {} views of each", done.views) : "", done.layers,
        shown(first_name(done.worst_layer)), done.worst_snr_db);
  }
  return line + format_wider(result.weights, " (--no-default-keep changes that)");
}

Table make_table(const std::vector<WeightRow>& weights) {
  Table table{
      {"weight", "shape", "from", "to", "bytes", "now", "SNR dB", "max steps", "kept because"}, {}};
  for (const WeightRow& row : weights) {
    table.rows.push_back({row.name, format_shape(row.shape), row.from, row.to,
                          std::to_string(row.bytes_before), std::to_string(row.bytes_after),
                          format_snr(row.snr_db), format_number(row.max_steps, 3),
                          row.kept_because.empty() ? "" : row.kept_because});
  }
  return table;
}

/// JSON has no infinity, so the SNR of an exact weight is "exact".
JsonValue snr_json(const std::optional<double>& snr_db) {
  return snr_db && std::isinf(*snr_db) ? JsonValue("exact") : number_json(snr_db);
}

JsonValue weights_json(const std::vector<WeightRow>& rows) {
  JsonValue weights = JsonValue::array();
  for (const WeightRow& row : rows) {
    weights.push_back({{"name", row.name},
                       {"layer", row.layer},
                       {"shape", row.shape},
                       {"from", row.from},
                       {"to", row.to},
                       {"bytes_before", row.bytes_before},
                       {"bytes_after", row.bytes_after},
                       {"snr_db", snr_json(row.snr_db)},
                       {"max_steps", number_json(row.max_steps)},
                       {"channel_snr_db", snr_json(row.channel_snr_db)},
                       {"lost_share", number_json(row.lost_share)},
                       {"wider_because", row.wider_because.empty() ? JsonValue(nullptr)
                                                                   : JsonValue(row.wider_because)},
                       {"calibrated", row.is_calibrated},
                       {"weak_because", row.weak_because.empty() ? JsonValue(nullptr)
                                                                 : JsonValue(row.weak_because)},
                       {"kept_because", row.kept_because.empty() ? JsonValue(nullptr)
                                                                 : JsonValue(row.kept_because)}});
  }
  return weights;
}

JsonValue calibration_json(const CalibrationSummary& done) {
  if (done.pictures == 0) return nullptr;
  return {{"pictures", done.pictures},
          {"views", done.views},
          {"layers", done.layers},
          {"worst_snr_db", done.layers > 0 ? JsonValue(done.worst_snr_db) : JsonValue(nullptr)},
          {"worst_layer", done.layers > 0 ? JsonValue(done.worst_layer) : JsonValue(nullptr)}};
}

JsonValue make_json(const CompressResult& result) {
  const WeightRow* worst = result.worst();
  const bool has_snr = worst != nullptr && !std::isinf(*worst->snr_db);
  return {{"input", result.input},
          {"output", result.output},
          {"format", result.format},
          {"scheme", result.scheme},
          {"bytes_before", result.bytes_before},
          {"bytes_after", result.bytes_after},
          {"download_bytes",
           result.download_bytes ? JsonValue(*result.download_bytes) : JsonValue(nullptr)},
          {"changed", result.changed_count()},
          {"worst_snr_db", has_snr ? JsonValue(*worst->snr_db) : JsonValue(nullptr)},
          {"worst_layer", has_snr ? JsonValue(worst->layer) : JsonValue(nullptr)},
          {"calibration", calibration_json(result.calibration)},
          {"judgement", judgement_json(result.weights)},
          {"weights", weights_json(result.weights)},
          {"warnings", result.warnings}};
}

/// The result of comparing the file with its source; empty where no check was requested.
std::string format_check(const ConversionCheck& check) {
  if (!check.done) {
    return check.not_done_because.empty()
               ? std::string()
               : fmt::format("  not checked: {}\n", shown(check.not_done_because));
  }
  std::string text = "  run beside its source: outputs ";
  text += check.difference == 0.0 ? "equal"
                                  : fmt::format("within {:.1g} of their range", check.difference);
  if (check.scheme_difference)
    text += fmt::format(", the new weights change them by {:.2g}", *check.scheme_difference);
  return text + fmt::format("; {:.2f} s\n", check.seconds);
}

JsonValue check_json(const ConversionCheck& check) {
  const bool finite = check.scheme_difference && std::isfinite(*check.scheme_difference);
  return {{"done", check.done},
          {"not_done_because",
           check.not_done_because.empty() ? JsonValue(nullptr) : JsonValue(check.not_done_because)},
          {"difference", check.done ? JsonValue(check.difference) : JsonValue(nullptr)},
          {"scheme_difference", finite ? JsonValue(*check.scheme_difference) : JsonValue(nullptr)},
          {"seconds", check.seconds}};
}

std::string format_line(const ConvertResult& result) {
  return fmt::format("{}: {} -> {} ({:.1f}%)  {} to {}, {}, {} layers to {}  -> {}\n",
                     shown(base_name(result.input)), format_bytes(result.bytes_before),
                     format_bytes(result.bytes_after),
                     share(result.bytes_after, result.bytes_before), result.from, result.to,
                     result.scheme, result.layers_before, result.layers_after,
                     shown(result.output)) +
         format_wider(result.weights, "") + format_check(result.check);
}

JsonValue make_json(const ConvertResult& result) {
  return {{"input", result.input},
          {"output", result.output},
          {"from", result.from},
          {"to", result.to},
          {"scheme", result.scheme},
          {"bytes_before", result.bytes_before},
          {"bytes_after", result.bytes_after},
          {"layers_before", result.layers_before},
          {"layers_after", result.layers_after},
          {"check", check_json(result.check)},
          {"judgement", judgement_json(result.weights)},
          {"weights", weights_json(result.weights)},
          {"warnings", result.warnings}};
}

/// One line, and one row per weight: what CompressResult and ConvertResult have in common.
template <typename T>
std::string format_weights(const T& result, ReportForm form, Detail detail) {
  if (auto text = format_unless_text(
          form, Alignment::Words, [&] { return make_json(result); },
          [&] { return make_table(result.weights); })) {
    return *text;
  }
  std::string text = format_line(result) + format_judgement(result.weights);
  if (detail == Detail::Full) text += format_text(make_table(result.weights), Alignment::Words);
  return text;
}

}  // namespace

std::string format_report(const ConvertResult& result, ReportForm form, Detail detail) {
  return format_weights(result, form, detail);
}

std::string format_report(const CompressResult& result, ReportForm form, Detail detail) {
  return format_weights(result, form, detail);
}

}  // namespace visionpress
