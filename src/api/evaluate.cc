#include "visionpress/evaluate.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/ascii.h"
#include "base/error.h"
#include "base/output_file.h"
#include "infer/evaluation.h"

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

Result<void> check(const std::vector<std::string>& files, const EvaluateOptions& options) {
  if (files.empty()) return fail(ErrorKind::Usage, "no file to evaluate");
  if (options.data.empty()) return fail(ErrorKind::Usage, "no data set to evaluate on");
  VP_RETURN_IF_ERROR(check_numbers(options));
  // A drop has at most 100 points, so that NaN and infinity could never be missed.
  if (options.max_drop && !(*options.max_drop >= 0.0 && *options.max_drop <= 100.0)) {
    return fail(ErrorKind::InvalidArgument, "--max-drop is {:g} points, expected 0 to 100",
                *options.max_drop);
  }
  if (options.max_drop && files.size() < 2) {
    return fail(ErrorKind::Usage, "--max-drop is measured from the first file; give another one");
  }
  return options.save_predictions.empty() ? Result<void>() : check_save(files, options);
}

}  // namespace

Result<EvaluateResult> evaluate(const std::vector<std::string>& files,
                                const EvaluateOptions& options, const Progress& progress) {
  VP_RETURN_IF_ERROR(check(files, options));
  Evaluation evaluation(options, progress);
  const bool only_predictions = std::all_of(files.begin(), files.end(), is_predictions);
  // Opens every file first, so that a bad one is reported before the good ones have run.
  std::vector<OpenedModel> models;
  for (const std::string& file : files) {
    if (is_predictions(file)) continue;
    VP_ASSIGN_OR_RETURN(OpenedModel model, evaluation.open(file));
    models.push_back(std::move(model));
  }
  VP_RETURN_IF_ERROR(
      evaluation.load_data(only_predictions ? ImageNeed::Optional : ImageNeed::Required));
  std::vector<Column> columns;
  auto next_model = models.begin();
  for (const std::string& file : files) {
    auto column = is_predictions(file)
                      ? evaluation.read_predictions(file, PredictionSource::Elsewhere)
                      : evaluation.run_model(std::move(*next_model++));
    if (!column) return in_file(column.error(), file);
    columns.push_back(std::move(*column));
    VP_RETURN_IF_ERROR(check_same_task(files.front(), columns.front(), file, columns.back()));
  }
  VP_ASSIGN_OR_RETURN(ComparableColumns comparable, evaluation.make_comparable(std::move(columns)));
  if (!options.save_predictions.empty()) {
    VP_RETURN_IF_ERROR(save_predictions(comparable.columns().front().predictions,
                                        evaluation.dataset(), options.save_predictions,
                                        options.overwrite ? Overwrite::Allow : Overwrite::Refuse));
  }
  return evaluation.compare(evaluation.score(std::move(comparable), options.metric), {});
}

}  // namespace visionpress
