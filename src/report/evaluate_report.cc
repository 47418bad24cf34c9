#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "report/report_form.h"
#include "report/score_values.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

std::string format_difference(const std::optional<Difference>& difference) {
  if (!difference) return "-";
  return format_points(difference->points, difference->low, difference->high);
}

/// "0.9731 [0.9502, 0.9876]"; without an interval "0.9731".
std::string format_agreement(const ModelScore& model) {
  if (!model.agreement) return "-";
  std::string text = format_number(model.agreement, kShareDigits);
  if (!model.agreement_low || !model.agreement_high) return text;
  return text + fmt::format(" [{}, {}]", format_number(model.agreement_low, kShareDigits),
                            format_number(model.agreement_high, kShareDigits));
}

/// File names, with as much of the folder as tells them apart.
std::vector<std::string> name_columns(const std::vector<ModelScore>& models) {
  std::vector<std::string> names;
  names.reserve(models.size());
  for (const ModelScore& model : models) names.push_back(base_name(model.file));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto same = std::count_if(models.begin(), models.end(), [&](const ModelScore& other) {
      return base_name(other.file) == base_name(models[i].file);
    });
    if (same > 1) names[i] = models[i].file;
  }
  return names;
}

/// One row per figure, one column per model.
class EvaluateTable {
 public:
  explicit EvaluateTable(const EvaluateResult& result) : result_(result) {
    table_.header = name_columns(result.models);
    table_.header.insert(table_.header.begin(), "");
  }

  template <typename Cell>
  void add_row(std::string name, const Cell& cell) {
    std::vector<std::string> row = {std::move(name)};
    for (const ModelScore& model : result_.models) row.push_back(cell(model));
    table_.rows.push_back(std::move(row));
  }

  [[nodiscard]] Table take() { return std::move(table_); }

 private:
  const EvaluateResult& result_;
  Table table_ = {};
};

void add_tag_rows(EvaluateTable& table, const EvaluateResult& result) {
  if (result.models.empty()) return;
  const std::size_t tag_count = result.models.front().tags.size();
  for (std::size_t i = 0; i < tag_count; ++i) {
    const std::string tag = result.models.front().tags[i].tag;
    table.add_row(tag + " precision", [i](const ModelScore& m) {
      return format_number(m.tags[i].precision, kShareDigits);
    });
    table.add_row(tag + " recall", [i](const ModelScore& m) {
      return format_number(m.tags[i].recall, kShareDigits);
    });
    if (result.options.metric != Metric::Standard) {
      table.add_row(tag + " found/seen/true", [i](const ModelScore& m) {
        return fmt::format("{}/{}/{}", m.tags[i].true_positives, m.tags[i].predicted,
                           m.tags[i].truth);
      });
    }
    if (result.task == Task::Detection) {
      table.add_row(tag + " AP",
                    [i](const ModelScore& m) { return format_number(m.tags[i].ap, kShareDigits); });
    }
  }
}

/// Whether a network was timed.
bool has_times(const EvaluateResult& result) {
  return std::ranges::any_of(result.models,
                             [](const ModelScore& model) { return model.run_time.has_value(); });
}

/// Whether columns are made of others.
bool has_exports(const EvaluateResult& result) {
  return std::ranges::any_of(result.models,
                             [](const ModelScore& model) { return model.export_drop.has_value(); });
}

/// "±3 %": half the interquartile range as a share of the median.
std::string format_spread(const std::optional<RunTime>& time) {
  if (!time) return "-";
  const double half = (time->high_ms - time->low_ms) / 2.0;
  return fmt::format("±{:.0f} %", half / time->median_ms * 100.0);
}

/// What is measured against labels.
void add_score_rows(EvaluateTable& table, const EvaluateResult& result) {
  add_tag_rows(table, result);
  if (result.task == Task::Detection) {
    table.add_row("mAP", [](const ModelScore& m) { return format_number(m.ap, kShareDigits); });
    table.add_row("AP50", [](const ModelScore& m) { return format_number(m.ap50, kShareDigits); });
    if (result.models.size() > 1) {
      table.add_row("mAP drop, points",
                    [](const ModelScore& m) { return format_difference(m.ap_drop); });
    }
    if (has_exports(result)) {
      table.add_row("mAP drop, its export",
                    [](const ModelScore& m) { return format_difference(m.export_drop); });
    }
  } else {
    table.add_row("top-1", [](const ModelScore& m) { return format_number(m.top1, kShareDigits); });
    if (result.models.size() > 1) {
      table.add_row("top-1 drop, points",
                    [](const ModelScore& m) { return format_difference(m.top1_drop); });
    }
    if (has_exports(result)) {
      table.add_row("top-1 drop, its export",
                    [](const ModelScore& m) { return format_difference(m.export_drop); });
    }
  }
}

Table make_table(const EvaluateResult& result) {
  EvaluateTable table(result);
  table.add_row("size", [](const ModelScore& m) {
    return m.format == "predictions" ? std::string("-") : format_bytes(m.bytes);
  });
  if (!result.options.unlabelled) add_score_rows(table, result);
  if (result.models.size() > 1) table.add_row("agreement", format_agreement);
  table.add_row("ms/image", [](const ModelScore& m) {
    return m.run_time ? format_number(m.run_time->median_ms, 2) : std::string("-");
  });
  if (has_times(result)) {
    table.add_row("ms/image, spread",
                  [](const ModelScore& m) { return format_spread(m.run_time); });
  }
  if (result.options.unlabelled) {
    table.add_row("images/s",
                  [](const ModelScore& m) { return format_number(m.images_per_second, 1); });
  }
  return table.take();
}

/// "word: value": one line where all models agree, else one line per value with its models.
std::string format_common(const char* word, const EvaluateResult& result,
                          std::string ModelScore::*member) {
  const std::vector<std::string> names = name_columns(result.models);
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;  // value -> names
  for (std::size_t i = 0; i < result.models.size(); ++i) {
    const std::string& value = result.models[i].*member;
    if (value.empty()) continue;
    auto found =
        std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == value; });
    if (found == groups.end()) found = groups.insert(groups.end(), {value, {}});
    found->second.push_back(names[i]);
  }
  if (groups.size() == 1) return fmt::format("{}: {}\n", word, groups.front().first);
  std::string text;
  for (const auto& [value, of] : groups) {
    text += fmt::format("{}: {} ({})\n", word, value, fmt::join(of, ", "));
  }
  return text;
}

/// "1 image", "2 images"
template <typename Count>
std::string format_count(Count count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// What the figures of the row ms/image are, and whether to believe them; empty where none was
/// measured.
std::string describe_run_times(const EvaluateResult& result) {
  if (!has_times(result)) return {};
  std::optional<double> most;  // cores of other programs, where they disturbed a run
  for (const ModelScore& model : result.models) {
    if (!model.run_time || !model.run_time->was_disturbed) continue;
    most = std::max(most.value_or(0.0), model.run_time->other_cores.value_or(0.0));
  }
  std::string text =
      fmt::format("ms/image: network alone, median; spread: half the interquartile range, {}\n",
                  format_count(result.threads, "thread"));
  if (most) {
    text += fmt::format(
        "ms/image is too high: the machine was busy, other programs kept {:.1f} cores\n", *most);
  }
  return text;
}

std::string format_counts(const EvaluateResult& result) {
  const bool takes_all = result.images + result.bad_images >= result.images_of;
  std::string text = shown(result.data) + ": ";
  if (!takes_all) text += fmt::format("{} of ", result.images);
  text += format_count(takes_all ? result.images : result.images_of, "image");
  if (result.boxes > 0) {
    text += fmt::format(", {} {}", result.boxes, result.boxes == 1 ? "box" : "boxes");
  }
  if (result.clamped_boxes > 0) {
    text += fmt::format(" ({} clamped to their frame)", result.clamped_boxes);
  }
  if (result.exceeding_boxes > 0) {
    text += fmt::format(" ({} {} image)", result.exceeding_boxes,
                        result.exceeding_boxes == 1 ? "reaches beyond its" : "reach beyond their");
  }
  if (result.bad_images > 0) {
    text += fmt::format(", {} left out that cannot be decoded",
                        format_count(result.bad_images, "image"));
  }
  if (result.options.unlabelled) text += ", no labels used";
  if (result.options.crops) text += ", boxes as crops";
  if (result.options.min_box > 0) {
    text += fmt::format(", boxes below {:g} of a side left out", result.options.min_box);
  }
  return text + "\n";
}

/// Whether the boxes were cut to the image, which raises the figures of networks that pass its
/// edge.
std::string format_clip(const EvaluateResult& result) {
  if (result.options.clip_boxes) return ", all boxes cut to their image (asked for)";
  if (result.clipped_like.empty()) return {};
  return fmt::format(", all boxes cut to their image as those of {} are",
                     shown(base_name(result.clipped_like)));
}

bool has_interval(const EvaluateResult& result) {
  return std::ranges::any_of(result.models, [](const ModelScore& model) {
    const auto& difference = model.drop();
    return difference && difference->low;
  });
}

std::string describe_agreement(const EvaluateResult& result) {
  if (result.models.size() < 2) return {};
  const EvaluateOptions& options = result.options;
  std::string text =
      result.task == Task::Detection
          ? "agreement: AP50 with the first column's boxes above 0.3 as truth"
          : fmt::format("agreement: share of {} with the first column's strongest class",
                        options.crops ? "boxes" : "images");
  const bool has_intervals = std::ranges::any_of(
      result.models, [](const ModelScore& model) { return model.agreement_low.has_value(); });
  if (options.unlabelled && has_intervals) {
    text += fmt::format(" [95 % interval, bootstrap over images, {} rounds, seed {}]",
                        options.bootstrap_rounds, options.seed);
  }
  return text + "\n";
}

/// Which files pass --max-drop.
std::string judge_drops(const EvaluateResult& result) {
  std::string text;
  if (!result.options.max_drop) return text;
  const double limit = *result.options.max_drop;
  for (const ModelScore& model : result.models) {
    const auto& drop = model.drop();
    if (model.within_max_drop && !drop) continue;  // the first, which all are measured from
    if (model.within_max_drop) {
      text += fmt::format("{}: passes, {:.2f} points {} the first, --max-drop {:g} allows it\n",
                          shown(base_name(model.file)), std::fabs(drop->points),
                          drop->points < 0.0 ? "above" : "below", limit);
      continue;
    }
    text += shown(base_name(model.file)) + ": ";
    // A warning says why none can be measured.
    text += drop && drop->points > limit
                ? fmt::format("misses --max-drop {:g}: {:.2f} points below the first\n", limit,
                              drop->points)
                : "not passed, since no drop from the first file can be measured\n";
  }
  return text;
}

/// Which files pass --min-agreement.
std::string judge_agreements(const EvaluateResult& result) {
  std::string text;
  if (!result.options.min_agreement) return text;
  for (std::size_t i = 1; i < result.models.size(); ++i) {
    const ModelScore& model = result.models[i];
    text += shown(base_name(model.file)) + ": ";
    text += !model.agreement ? std::string("not passed, since no agreement can be measured\n")
                             : fmt::format("{} --min-agreement {:g}: {:.4f}\n",
                                           model.within_min_agreement ? "passes" : "misses",
                                           *result.options.min_agreement, *model.agreement);
  }
  return text;
}

/// What precision, recall, AP and drops are.
std::string describe_scores(const EvaluateResult& result) {
  const EvaluateOptions& options = result.options;
  std::string text;
  if (result.task == Task::Detection) {
    text += fmt::format("precision, recall: {} metric, probability > {:g}, IoU >= {:g}\n",
                        name_of(options.metric), options.probability, options.iou);
    const std::string least = options.ap_probability
                                  ? fmt::format("probability > {:g}", *options.ap_probability)
                                  : std::string("every probability");
    text +=
        fmt::format("AP: COCO, IoU 0.50:0.05:0.95, {}, at most {} boxes an image, NMS IoU {:g}{}\n",
                    least, options.max_detections, options.nms_iou, format_clip(result));
  } else {
    text += "precision, recall: of the strongest class of each image\n";
  }
  if (has_interval(result)) {
    text += fmt::format(
        "drop: points lost against the first column [95 % interval, paired bootstrap over images, "
        "{} rounds, seed {}]\n",
        options.bootstrap_rounds, options.seed);
  } else if (result.models.size() > 1) {
    text += fmt::format(
        "drop: points lost against the first column; no interval, {}\n",
        options.bootstrap_rounds == 0 ? "as asked for" : "which takes 10 images or more");
  }
  if (has_exports(result)) {
    text += "its export: the same, against the column of the file it was compressed from\n";
  }
  if (options.metric != Metric::Standard) {
    text += fmt::format(
        "found/seen/true, as the original project counted: true boxes with a prediction of their "
        "tag in their image at IoU {} {:g}, all such predictions, true boxes; an image counts once "
        "for each of its tags\n",
        options.metric == Metric::Legacy ? "<" : ">=", options.iou);
  }
  return text;
}

std::string format_notes(const EvaluateResult& result) {
  std::string text = format_counts(result);
  if (!result.options.unlabelled) text += describe_scores(result);
  text += describe_agreement(result);
  text += format_common("preprocessing", result, &ModelScore::preprocessing);
  text += format_common("arithmetic", result, &ModelScore::arithmetic);
  text += describe_run_times(result);
  return text + judge_drops(result) + judge_agreements(result);
}

Table make_csv_table(const EvaluateResult& result) {
  Table table{{"file",           "bytes",         "ap",        "ap50",      "top1",
               "ms_per_image",   "ms_low",        "ms_high",   "tag",       "truth",
               "true_positives", "predicted",     "precision", "recall",    "tag_ap",
               "tag_ap50",       "drop_points",   "drop_low",  "drop_high", "agreement",
               "agreement_low",  "agreement_high"},
              {}};
  constexpr int kCsvDigits = 6;
  const auto number = [](const std::optional<double>& value) {
    return value ? format_number(value, kCsvDigits) : std::string();
  };
  const auto add_comparison = [&](const ModelScore& model, std::vector<std::string>& row) {
    const auto& points = model.drop();
    row.push_back(points ? number(points->points) : std::string());
    row.push_back(points ? number(points->low) : std::string());
    row.push_back(points ? number(points->high) : std::string());
    row.push_back(number(model.agreement));
    row.push_back(number(model.agreement_low));
    row.push_back(number(model.agreement_high));
  };
  const auto milliseconds = [&](const ModelScore& model, double RunTime::*end) {
    return model.run_time ? number((*model.run_time).*end) : std::string();
  };
  for (const ModelScore& m : result.models) {
    if (m.tags.empty()) {  // no labels were used
      table.rows.push_back({m.file, std::to_string(m.bytes), "", "", "",
                            milliseconds(m, &RunTime::median_ms), milliseconds(m, &RunTime::low_ms),
                            milliseconds(m, &RunTime::high_ms)});
      constexpr std::size_t kTagColumns = 8;
      table.rows.back().resize(table.rows.back().size() + kTagColumns);
      add_comparison(m, table.rows.back());
    }
    for (const TagScore& t : m.tags) {
      table.rows.push_back({m.file, std::to_string(m.bytes), number(m.ap), number(m.ap50),
                            number(m.top1), milliseconds(m, &RunTime::median_ms),
                            milliseconds(m, &RunTime::low_ms), milliseconds(m, &RunTime::high_ms),
                            t.tag, std::to_string(t.truth), std::to_string(t.true_positives),
                            std::to_string(t.predicted), number(t.precision), number(t.recall),
                            number(t.ap), number(t.ap50)});
      add_comparison(m, table.rows.back());
    }
  }
  return table;
}

JsonValue model_json(const ModelScore& model) {
  const auto time = [&](double RunTime::*end) -> JsonValue {
    if (!model.run_time) return nullptr;
    return (*model.run_time).*end;
  };
  return {{"file", model.file},
          {"bytes", model.bytes},
          {"format", model.format},
          {"arithmetic", model.arithmetic},
          {"preprocessing", model.preprocessing},
          {"ap", number_json(model.ap)},
          {"ap50", number_json(model.ap50)},
          {"top1", number_json(model.top1)},
          {"ms_per_image", time(&RunTime::median_ms)},
          {"ms_per_image_low", time(&RunTime::low_ms)},
          {"ms_per_image_high", time(&RunTime::high_ms)},
          {"ms_per_image_other_cores",
           number_json(model.run_time ? model.run_time->other_cores : std::nullopt)},
          {"ms_per_image_disturbed", model.run_time && model.run_time->was_disturbed},
          {"images_per_second", number_json(model.images_per_second)},
          {"ap_drop", difference_json(model.ap_drop)},
          {"top1_drop", difference_json(model.top1_drop)},
          {"export_drop", difference_json(model.export_drop)},
          {"agreement", number_json(model.agreement)},
          {"agreement_low", number_json(model.agreement_low)},
          {"agreement_high", number_json(model.agreement_high)},
          {"within_max_drop", model.within_max_drop},
          {"within_min_agreement", model.within_min_agreement},
          {"tags", tags_json(model)}};
}

JsonValue make_json(const EvaluateResult& result) {
  const EvaluateOptions& options = result.options;
  JsonValue models = JsonValue::array();
  for (const ModelScore& model : result.models) models.push_back(model_json(model));
  // Floats are widened through their shortest text, so that 0.4F reads 0.4.
  const auto shortest = [](float value) {
    const std::string text = fmt::format("{}", value);
    double widened = 0.0;
    std::from_chars(text.data(), text.data() + text.size(), widened);
    return widened;
  };
  return {{"task", result.task == Task::Detection ? "detection" : "classification"},
          {"data", result.data},
          {"images", result.images},
          {"images_of", result.images_of},
          {"boxes", result.boxes},
          {"clamped_boxes", result.clamped_boxes},
          {"exceeding_boxes", result.exceeding_boxes},
          {"bad_images", result.bad_images},
          {"unlabelled", result.options.unlabelled},
          {"metric",
           {{"name", name_of(options.metric)},
            {"probability", shortest(options.probability)},
            {"iou", shortest(options.iou)},
            {"ap_probability", options.ap_probability ? JsonValue(shortest(*options.ap_probability))
                                                      : JsonValue(nullptr)},
            {"nms_iou", shortest(options.nms_iou)},
            {"max_detections", options.max_detections},
            {"min_box", options.min_box},
            {"crops", options.crops},
            {"clip_boxes", options.clip_boxes || !result.clipped_like.empty()},
            {"clipped_like",
             result.clipped_like.empty() ? JsonValue(nullptr) : JsonValue(result.clipped_like)},
            {"bootstrap_rounds", options.bootstrap_rounds},
            {"seed", options.seed},
            {"max_drop", number_json(options.max_drop)},
            {"min_agreement", number_json(options.min_agreement)}}},
          {"threads", result.threads},
          {"models", models},
          {"warnings", result.warnings}};
}

}  // namespace

const char* name_of(Metric metric) {
  switch (metric) {
    case Metric::Standard:
      return "standard";
    case Metric::Legacy:
      return "legacy";
    case Metric::LegacyFlipped:
      return "legacy-flipped";
  }
  return "unknown";
}

std::string format_report(const EvaluateResult& result, ReportForm form) {
  switch (form) {
    case ReportForm::Json:
      return to_text(make_json(result));
    case ReportForm::Csv:
      return format_csv(make_csv_table(result));
    case ReportForm::Markdown: {
      std::string notes = format_notes(result);
      std::string text = format_markdown(make_table(result), Alignment::Numbers) + "\n";
      for (const char c : notes) text += c == '\n' ? std::string("  \n") : std::string(1, c);
      return text;
    }
    case ReportForm::Text:
      break;
  }
  return format_text(make_table(result), Alignment::Numbers) + "\n" + format_notes(result);
}

}  // namespace visionpress
