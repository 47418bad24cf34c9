#include "visionpress/evaluate.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/ascii.h"
#include "base/error.h"
#include "base/output_file.h"
#include "base/parallel.h"
#include "infer/evaluation.h"
#include "visionpress/version.h"

namespace visionpress {
namespace {

/// save_predictions takes exactly one model and must not overwrite an input.
Result<void> check_save(const std::vector<std::string>& files, const EvaluateOptions& options) {
  if (files.size() != 1) {
    return fail(ErrorKind::Usage, "predictions can be saved of one model, not of {} files",
                files.size());
  }
  const std::array<std::string, 3> inputs = {files.front(), options.data, options.labels};
  VP_RETURN_IF_ERROR(check_not_read(options.save_predictions, inputs));
  std::error_code ignored;
  const std::filesystem::path target = options.save_predictions;
  if (!std::filesystem::exists(target, ignored)) return {};
  // Pictures of the data set and label files found next to a model are inputs too, so only .json is
  // accepted.
  if (ascii_lower(target.extension().native()) != ".json") {
    return fail_in(options.save_predictions, ErrorKind::Usage,
                   "predictions are saved as JSON, and this file is not a .json file");
  }
  if (!options.overwrite) {
    VP_RETURN_IF_ERROR(
        OutputFile::create(options.save_predictions, Overwrite::Refuse));  // before the work
  }
  return {};
}

/// Without labels there is only the first file to compare with.
Result<void> check_unlabelled(const std::vector<std::string>& files,
                              const EvaluateOptions& options) {
  if (files.size() < 2) {
    return fail_in(options.data, ErrorKind::Usage,
                   "pictures without labels, on which files are compared with the first; give "
                   "another file");
  }
  return {};
}

Result<void> check(const std::vector<std::string>& files, const EvaluateOptions& options) {
  if (files.empty()) return fail(ErrorKind::Usage, "no file to evaluate");
  if (options.data.empty()) return fail(ErrorKind::Usage, "no data set to evaluate on");
  VP_RETURN_IF_ERROR(check_numbers(options));
  if (options.unlabelled) VP_RETURN_IF_ERROR(check_unlabelled(files, options));
  if (options.max_drop && files.size() < 2) {
    return fail(ErrorKind::Usage, "--max-drop is measured from the first file; give another one");
  }
  if (options.min_agreement && files.size() < 2) {
    return fail(ErrorKind::Usage, "--min-agreement is with the first file; give another one");
  }
  return options.save_predictions.empty() ? Result<void>() : check_save(files, options);
}

/// Opens the files and loads the data.
Result<std::vector<OpenedModel>> prepare(const std::vector<std::string>& files,
                                         Evaluation& evaluation) {
  // Opens every file first, so that a bad one is reported before the good ones have run.
  std::vector<OpenedModel> models;
  for (const std::string& file : files) {
    if (is_predictions(file)) continue;
    VP_ASSIGN_OR_RETURN(OpenedModel model, evaluation.open(file));
    models.push_back(std::move(model));
  }
  const bool only_predictions = models.empty();
  VP_RETURN_IF_ERROR(
      evaluation.load_data(only_predictions ? ImageNeed::Optional : ImageNeed::Required));
  return models;
}

/// One column per file, not yet comparable, with its warnings.
Result<std::vector<PartialColumn>> make_columns(const std::vector<std::string>& files,
                                                std::vector<OpenedModel> models,
                                                Evaluation& evaluation) {
  std::vector<PartialColumn> columns;
  auto next_model = models.begin();
  for (const std::string& file : files) {
    const auto known = static_cast<std::ptrdiff_t>(evaluation.warnings().size());
    auto column = is_predictions(file)
                      ? evaluation.read_predictions(file, PredictionSource::Elsewhere)
                      : evaluation.run_model(std::move(*next_model++));
    if (!column) return in_file(column.error(), file);
    PartialColumn& part = columns.emplace_back();
    part.column = std::move(*column);
    part.warnings.assign(evaluation.warnings().begin() + known, evaluation.warnings().end());
    VP_RETURN_IF_ERROR(
        check_same_task(files.front(), columns.front().column, file, columns.back().column));
  }
  return columns;
}

EvaluateOptions with_labels_or_not(const EvaluateOptions& asked) {
  EvaluateOptions options = asked;
  options.unlabelled = asked.unlabelled || holds_pictures_alone(asked.data);
  return options;
}

/// The file must be new or may be overwritten, and may not be an input.
Result<void> check_partial(const std::vector<std::string>& files, const EvaluateOptions& options,
                           const ShardOptions& shard) {
  std::vector<std::string> inputs = files;
  inputs.push_back(options.data);
  inputs.push_back(options.labels);
  VP_RETURN_IF_ERROR(check_not_read(shard.save, inputs));
  if (shard.overwrite) return {};
  VP_RETURN_IF_ERROR(OutputFile::create(shard.save, Overwrite::Refuse));  // before the work
  return {};
}

}  // namespace

Result<EvaluateResult> evaluate(const std::vector<std::string>& files, const EvaluateOptions& asked,
                                const Progress& progress) {
  const EvaluateOptions options = with_labels_or_not(asked);
  VP_RETURN_IF_ERROR(check(files, options));
  Evaluation evaluation(options, progress);
  VP_ASSIGN_OR_RETURN(std::vector<OpenedModel> models, prepare(files, evaluation));
  VP_ASSIGN_OR_RETURN(std::vector<PartialColumn> made,
                      make_columns(files, std::move(models), evaluation));
  std::vector<Column> columns;
  columns.reserve(made.size());
  for (PartialColumn& part : made) columns.push_back(std::move(part.column));
  VP_ASSIGN_OR_RETURN(ComparableColumns comparable, evaluation.make_comparable(std::move(columns)));
  if (!options.save_predictions.empty()) {
    Predictions saved = comparable.columns().front().predictions;
    drop_weak(least_saved(options), saved);
    VP_RETURN_IF_ERROR(save_predictions(saved, evaluation.dataset(), options.save_predictions,
                                        options.overwrite ? Overwrite::Allow : Overwrite::Refuse));
  }
  return evaluation.compare(evaluation.score(std::move(comparable), options.metric), {});
}

Result<PartialResult> evaluate_shard(const std::vector<std::string>& files,
                                     const EvaluateOptions& asked, const ShardOptions& shard,
                                     const Progress& progress) {
  const EvaluateOptions options = with_labels_or_not(asked);
  VP_RETURN_IF_ERROR(check(files, options));
  VP_RETURN_IF_ERROR(check_partial(files, options, shard));
  Evaluation evaluation(options, progress);
  VP_ASSIGN_OR_RETURN(std::vector<OpenedModel> models, prepare(files, evaluation));
  VP_RETURN_IF_ERROR(evaluation.take_shard(shard.shard));
  VP_ASSIGN_OR_RETURN(std::vector<PartialColumn> columns,
                      make_columns(files, std::move(models), evaluation));
  VP_ASSIGN_OR_RETURN(PartialEvaluation partial, evaluation.make_partial(std::move(columns)));
  partial.program = version();
  VP_RETURN_IF_ERROR(
      save_partial(partial, shard.save, shard.overwrite ? Overwrite::Allow : Overwrite::Refuse));
  return PartialResult{.file = shard.save,
                       .shard = shard.shard,
                       .images = partial.dataset.images.size(),
                       .images_of = partial.image_count,
                       .files = files.size(),
                       .warnings = evaluation.warnings()};
}

Result<EvaluateResult> merge_evaluations(const std::vector<std::string>& partials, int threads) {
  return merge_partials(partials, version(), threads > 0 ? threads : default_thread_count());
}

}  // namespace visionpress
