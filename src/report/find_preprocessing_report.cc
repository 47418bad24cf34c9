#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

const char* name_score(const FindPreprocessingResult& result) {
  return result.task == Task::Detection ? "mAP" : "top-1";
}

enum class Columns : std::uint8_t { Figures, WithOptions };

Table make_table(const FindPreprocessingResult& result, Columns columns) {
  Table table{{"pixels", name_score(result), "drop, points"}, {}};
  if (columns == Columns::WithOptions) table.header.emplace_back("options");
  for (const PreprocessTrial& trial : result.trials) {
    table.rows.push_back({trial.name, format_number(trial.score, kShareDigits),
                          format_points(trial.drop_points, trial.drop_low, trial.drop_high)});
    if (columns == Columns::WithOptions) table.rows.back().push_back(trial.options);
  }
  return table;
}

JsonValue make_json(const FindPreprocessingResult& result) {
  JsonValue trials = JsonValue::array();
  for (const PreprocessTrial& trial : result.trials) {
    JsonValue json = {{"name", trial.name}, {"options", trial.options}};
    json["score"] = trial.score ? JsonValue(*trial.score) : JsonValue();
    json["drop"] = {{"points", trial.drop_points}};
    if (trial.drop_low) json["drop"]["low"] = *trial.drop_low;
    if (trial.drop_high) json["drop"]["high"] = *trial.drop_high;
    json["is_best"] = trial.is_best;
    trials.push_back(json);
  }
  return {{"file", result.file},
          {"data", result.data},
          {"metric", name_score(result)},
          {"images", result.images},
          {"images_of", result.images_of},
          {"preprocessing", result.preprocessing},
          {"trials", trials},
          {"warnings", result.warnings}};
}

/// The best and what these images do not tell from it; where that is much, how much it is.
std::string format_best(const FindPreprocessingResult& result) {
  constexpr std::size_t kShown = 3;
  std::string text;
  std::size_t equals = 0;
  for (std::size_t i = 0; i < result.trials.size(); ++i) {
    const PreprocessTrial& trial = result.trials[i];
    if (!trial.is_best || (i > 0 && equals++ >= kShown)) continue;
    text +=
        fmt::format("{} {}\n", i == 0 ? "fits best:" : "as good on these images:", trial.options);
  }
  if (equals > kShown) {
    text += fmt::format(
        "as good on these images: {} more; more images (--max-images) tell more "
        "ways apart\n",
        equals - kShown);
  }
  return text;
}

}  // namespace

std::string format_report(const FindPreprocessingResult& result, ReportForm form) {
  if (auto text = format_unless_text(
          form, Alignment::Words, [&] { return make_json(result); },
          [&] { return make_table(result, Columns::WithOptions); })) {
    return *text;
  }
  std::string text = format_text(make_table(result, Columns::Figures), Alignment::Numbers);
  text += format_best(result);
  const bool has_interval = std::ranges::any_of(
      result.trials, [](const PreprocessTrial& trial) { return trial.drop_low.has_value(); });
  return text + fmt::format(
                    "{} on {} of {} images of {}; drop: points below the best{}\n"
                    "without options: {}\n",
                    name_score(result), result.images, result.images_of, shown(result.data),
                    has_interval ? " [95 % interval]" : "", result.preprocessing);
}

}  // namespace visionpress
