#include "visionpress/experiment.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/parallel.h"
#include "cloud/ask_about_data.h"
#include "eval/column_key.h"
#include "eval/column_plan.h"
#include "eval/column_store.h"
#include "infer/describe_export.h"
#include "infer/evaluation.h"
#include "infer/open_input.h"
#include "press/press_file.h"
#include "press/scheme_choice.h"
#include "visionpress/report.h"
#include "visionpress/version.h"

namespace visionpress {
namespace {

using Json = nlohmann::ordered_json;

Result<void> check(const ExperimentOptions& options) {
  if (options.exports.empty()) return fail(ErrorKind::Usage, "no export to look at");
  if (options.evaluate.data.empty()) return fail(ErrorKind::Usage, "no data set to evaluate on");
  if (options.results.empty()) return fail(ErrorKind::Usage, "no folder for the results");
  if (options.online && !options.online_predictions.empty()) {
    return fail(ErrorKind::Usage,
                "the online column is asked of a service and read from {}: one of them",
                options.online_predictions);
  }
  if (options.evaluate.crops || options.evaluate.max_drop || options.evaluate.min_agreement ||
      options.evaluate.unlabelled || !options.evaluate.save_predictions.empty()) {
    return fail(ErrorKind::Usage,
                "an experiment scores whole, labelled images, has no baseline to fall short of, "
                "and keeps every column's predictions: crops, unlabelled, max_drop, min_agreement "
                "and save_predictions are evaluate's");
  }
  VP_RETURN_IF_ERROR(check_numbers(options.evaluate));
  return check_schemes(options.schemes);
}

class Experiment {
 public:
  Experiment(const ExperimentOptions& options, const Progress& progress)
      : options_(options), progress_(progress), evaluation_(options.evaluate, progress) {}

  [[nodiscard]] Result<ExperimentResult> run() {
    // Opens every export first, so that a bad one is reported before the good ones have run.
    for (const std::string& path : options_.exports) VP_RETURN_IF_ERROR(add_export(path));
    std::ranges::copy(list_unused(options_.schemes, list_families(exports_)),
                      std::back_inserter(warnings_));
    name_families(exports_);
    VP_RETURN_IF_ERROR(evaluation_.load_data(ImageNeed::Required));
    // Reused columns decode no image, so the images to leave out are found before any column.
    if (options_.evaluate.skip_bad) VP_RETURN_IF_ERROR(evaluation_.leave_out_undecodable());
    VP_ASSIGN_OR_RETURN(store_, ColumnStore::open(options_.results, version()));
    VP_ASSIGN_OR_RETURN(data_, describe_data(evaluation_.dataset(), options_.evaluate.data));
    plan();
    std::vector<Column> columns;
    for (PlannedColumn& planned : planned_) {
      VP_ASSIGN_OR_RETURN(Column column, make_column(planned));
      columns.push_back(std::move(column));
      VP_RETURN_IF_ERROR(check_same_task(planned_.front().column.source, columns.front(),
                                         planned.column.source, columns.back()));
    }
    return collect(columns);
  }

 private:
  [[nodiscard]] Result<void> add_export(const std::string& path) {
    VP_ASSIGN_OR_RETURN(const OpenedModel model, evaluation_.open(path));
    VP_ASSIGN_OR_RETURN(ExportFacts found, describe_export(model, path, options_.evaluate.labels));
    if (model.is_folder) {
      warnings_.push_back(path + ": a SavedModel is no one file, so no scheme is tried on it");
    } else {
      UsefulSchemes useful = list_useful(options_.schemes, model, default_thread_count());
      found.schemes = std::move(useful.names);
      add_warnings(path, useful.left_out);
    }
    add_warnings(path, model.warnings);
    exports_.push_back(std::move(found));
    return {};
  }

  void add_warnings(const std::string& source, const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) {
      warnings_.push_back(fmt::format("{}: {}", source, warning));
    }
  }

  void plan() {
    std::optional<std::string> online;
    if (options_.online) online = options_.online->access.endpoint;
    if (!options_.online_predictions.empty()) online = options_.online_predictions;
    planned_ = plan_columns(exports_, online);
    for (PlannedColumn& planned : planned_) {
      ExperimentColumn& column = planned.column;
      if (!column.scheme.empty()) column.source = store_.model_path(column.source);
      column.predictions = store_.predictions_path(planned.name);
    }
  }

  [[nodiscard]] Result<Column> make_column(PlannedColumn& planned) {
    VP_ASSIGN_OR_RETURN(const Json key, make_column_key(planned, options_, version(), data_));
    const std::string made = planned.column.scheme.empty() ? "" : planned.column.source;
    VP_ASSIGN_OR_RETURN(std::optional<Column> kept, load(planned, key, made));
    if (kept && planned.source == nullptr && options_.online) ask_again(planned, kept);
    if (kept) {
      planned.column.was_kept = true;
      return with_source(planned, std::move(*kept));
    }
    auto column = planned.source != nullptr ? run_export(planned) : ask_online(planned);
    if (!column) return in_file(column.error(), planned.column.source);
    VP_ASSIGN_OR_RETURN(ComparableColumns alone, evaluation_.make_comparable({*column}));
    const std::vector<Column> scored = evaluation_.score(std::move(alone), Metric::Standard).take();
    VP_RETURN_IF_ERROR(
        store_.save(planned.name, key, made, *column, scored.front().score, evaluation_.dataset()));
    return with_source(planned, std::move(*column));
  }

  /// The stored column of this key, or nothing.
  [[nodiscard]] Result<std::optional<Column>> load(const PlannedColumn& planned, const Json& key,
                                                   const std::string& made) {
    VP_ASSIGN_OR_RETURN(std::optional<ModelScore> facts, store_.find(planned.name, key, made));
    if (!facts) return std::nullopt;
    VP_ASSIGN_OR_RETURN(Column column, evaluation_.read_predictions(planned.column.predictions,
                                                                    PredictionSource::Ours));
    column.score = std::move(*facts);
    return column;
  }

  /// The service always cuts its boxes at the frame, even if its answers do not show it; an export
  /// never does. Stored classes are tags, so that agreement is counted over tags in a first run
  /// too.
  [[nodiscard]] Column with_source(const PlannedColumn& planned, Column column) const {
    if (planned.source != nullptr) column.ends_at_frame = false;
    if (planned.source == nullptr && options_.online) column.ends_at_frame = true;
    for (ClassSample& sample : column.predictions.classes) sample.class_index = -1;
    return column;
  }

  [[nodiscard]] Result<Column> run_export(const PlannedColumn& planned) {
    const ExportFacts& source = *planned.source;
    if (!planned.column.scheme.empty()) {
      VP_ASSIGN_OR_RETURN(const OpenedModel model, open_input(source.path));
      PressOptions press;
      VP_ASSIGN_OR_RETURN(press.form, choose_form(planned.column.scheme));
      press.threads = evaluation_.threads();
      VP_RETURN_IF_ERROR(press_file(model, press, planned.column.source, Overwrite::Allow));
    }
    evaluation_.adopt(source.labels, source.hint, "");
    VP_ASSIGN_OR_RETURN(OpenedModel model, evaluation_.open(planned.column.source));
    return evaluation_.run_model(std::move(model));
  }

  /// Empties `kept` if the service answers otherwise than before.
  void ask_again(const PlannedColumn& planned, std::optional<Column>& kept) {
    const auto same = answers_as_before(
        *options_.online, evaluation_.dataset(), options_.evaluate, kept->predictions,
        store_.predictions_path(planned.name + "-again"), progress_);
    if (same && *same) return;
    warnings_.push_back(fmt::format(
        "{}: {}", planned.column.source,
        same ? "it answers otherwise than before, so all is asked again"
             : fmt::format("kept as it was answered before: {}", same.error().message)));
    if (same) kept.reset();
  }

  [[nodiscard]] Result<Column> ask_online(const PlannedColumn& planned) {
    if (!options_.online) {
      return evaluation_.read_predictions(options_.online_predictions, PredictionSource::Elsewhere);
    }
    VP_ASSIGN_OR_RETURN(
        const PredictResult answers,
        ask_about_data(*options_.online, evaluation_.dataset(), options_.evaluate,
                       options_.evaluate.max_images, planned.column.predictions, progress_));
    add_warnings(planned.column.source, answers.warnings);
    VP_ASSIGN_OR_RETURN(Column column, evaluation_.read_predictions(planned.column.predictions,
                                                                    PredictionSource::Ours));
    column.score.arithmetic = "the service's";
    column.score.preprocessing = "the service's";
    return column;
  }

  /// The figures of one metric, with titles instead of file names.
  [[nodiscard]] Result<EvaluateResult> score(std::vector<Column> columns, Metric metric) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      columns[i].score.file = planned_[i].column.title;
    }
    VP_ASSIGN_OR_RETURN(ComparableColumns comparable,
                        evaluation_.make_comparable(std::move(columns)));
    std::vector<std::size_t> exported;
    for (const PlannedColumn& planned : planned_) exported.push_back(planned.exported);
    EvaluateResult result =
        evaluation_.compare(evaluation_.score(std::move(comparable), metric), exported);
    result.options.metric = metric;
    return result;
  }

  [[nodiscard]] Result<ExperimentResult> collect(const std::vector<Column>& columns) {
    ExperimentResult result;
    result.results = options_.results;
    VP_ASSIGN_OR_RETURN(result.standard, score(columns, Metric::Standard));
    const Metric asked = options_.evaluate.metric;
    if (asked != Metric::Standard && result.standard.task == Task::Detection) {
      VP_ASSIGN_OR_RETURN(result.legacy, score(columns, asked));
    }
    for (const PlannedColumn& planned : planned_) result.columns.push_back(planned.column);
    result.warnings = warnings_;
    std::ranges::copy(result.standard.warnings, std::back_inserter(result.warnings));
    VP_RETURN_IF_ERROR(store_.write("table.txt", format_report(result, ReportForm::Text)));
    VP_RETURN_IF_ERROR(store_.write("table.md", format_report(result, ReportForm::Markdown)));
    VP_RETURN_IF_ERROR(store_.write("table.json", format_report(result, ReportForm::Json)));
    return result;
  }

  const ExperimentOptions& options_;
  const Progress& progress_;
  Evaluation evaluation_;
  ColumnStore store_ = {};
  std::vector<ExportFacts> exports_ = {};
  std::vector<PlannedColumn> planned_ = {};
  Json data_ = {};
  std::vector<std::string> warnings_ = {};
};

}  // namespace

Result<ExperimentResult> experiment(const ExperimentOptions& options, const Progress& progress) {
  VP_RETURN_IF_ERROR(check(options));
  return Experiment(options, progress).run();
}

}  // namespace visionpress
