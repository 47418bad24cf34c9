#include "visionpress/find_preprocessing.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "eval/bootstrap.h"
#include "eval/classification.h"
#include "infer/evaluation.h"

namespace visionpress {
namespace {

constexpr std::size_t kImages = 64;

double score_of(const Column& column) {
  return column.score.ap.value_or(column.score.top1.value_or(0.0));
}

double score_of(const Column& column, std::span<const std::uint32_t> weights) {
  const std::optional<double> score = column.predictions.task == Task::Detection
                                          ? score_mean_ap(column.matches, weights).ap
                                          : score_top1(column.predictions.classes, weights);
  return score.value_or(0.0);
}

PreprocessTrial make_trial(const TriedWay& tried, const Column& best, std::size_t images,
                           const EvaluateOptions& options) {
  const Column& column = tried.column;
  PreprocessTrial trial;
  trial.name = name_of(tried.way);
  trial.options = format_options(tried.way);
  trial.score = column.predictions.task == Task::Detection ? column.score.ap : column.score.top1;
  trial.drop_points = (score_of(best) - score_of(column)) * 100.0;
  trial.is_best = trial.drop_points <= 0.0;
  const auto drop =
      bootstrap_difference(images, {options.bootstrap_rounds, options.seed},
                           [&](std::span<const std::uint32_t> weights) -> std::optional<double> {
                             return score_of(best, weights) - score_of(column, weights);
                           });
  if (!drop || trial.is_best) return trial;
  trial.drop_low = drop->low;
  trial.drop_high = drop->high;
  // If the interval reaches 0, these images do not show a difference between the two.
  trial.is_best = trial.drop_low && *trial.drop_low <= 0.0;
  return trial;
}

/// Scores the ways with one metric and puts the best first.
Result<void> rank(Evaluation& evaluation, Metric metric, std::vector<TriedWay>& ways) {
  std::vector<Column> columns;
  columns.reserve(ways.size());
  for (TriedWay& way : ways) columns.push_back(std::move(way.column));
  VP_ASSIGN_OR_RETURN(ComparableColumns comparable, evaluation.make_comparable(std::move(columns)));
  columns = evaluation.score(std::move(comparable), metric).take();
  for (std::size_t i = 0; i < ways.size(); ++i) ways[i].column = std::move(columns[i]);
  std::ranges::stable_sort(ways, [](const TriedWay& a, const TriedWay& b) {
    return score_of(a.column) > score_of(b.column);
  });
  return {};
}

}  // namespace

Result<FindPreprocessingResult> find_preprocessing(const std::string& file,
                                                   const EvaluateOptions& asked,
                                                   const Progress& progress) {
  if (asked.data.empty()) return fail(ErrorKind::Usage, "no data set to try on");
  if (asked.unlabelled) return fail(ErrorKind::Usage, "ways are ranked by labels; give some");
  if (is_predictions(file)) {
    return fail_in(file, ErrorKind::Usage, "predictions have no preprocessing; give a model");
  }
  VP_RETURN_IF_ERROR(check_numbers(asked));
  EvaluateOptions options = asked;
  options.max_images = 0;  // thinned out below, whatever the kind of data set
  options.preprocess.mean.clear();
  options.preprocess.std.clear();
  options.preprocess.color.reset();
  Evaluation evaluation(options, progress);
  VP_RETURN_IF_ERROR(evaluation.load_data(ImageNeed::Required));
  FindPreprocessingResult result;
  result.file = file;
  result.data = asked.data;
  result.images_of = evaluation.dataset().images.size();
  evaluation.thin_out(asked.max_images == 0 ? kImages : asked.max_images);
  auto tried = evaluation.run_ways(file);
  if (!tried) return in_file(tried.error(), file);
  std::vector<TriedWay>& ways = tried->ways;
  VP_RETURN_IF_ERROR(rank(evaluation, options.metric, ways));
  result.images = evaluation.dataset().images.size();
  result.task = ways.front().column.predictions.task;
  result.trials.resize(ways.size());
  parallel_for(ways.size(), options.threads > 0 ? options.threads : default_thread_count(),
               [&](std::size_t i) {
                 result.trials[i] =
                     make_trial(ways[i], ways.front().column, result.images, options);
               });
  result.preprocessing = tried->chosen;
  for (const std::string& warning : evaluation.warnings()) {
    if (warning.find(kRangeGuess) == std::string::npos) result.warnings.push_back(warning);
  }
  return result;
}

}  // namespace visionpress
