#include "visionpress/find_preprocessing.h"

#include <algorithm>

#include "base/error.h"
#include "eval/bootstrap.h"
#include "infer/evaluation.h"

namespace visionpress {
namespace {

constexpr std::size_t kImages = 64;

double score_of(const Column& column) {
  return column.score.ap.value_or(column.score.top1.value_or(0.0));
}

/// A draw without truth, or a way that answers nothing, scores 0.
DrawScores draw_score(const Column& column, const Draws& draws) {
  DrawScores scores = draw_main_score(column, draws);
  for (std::optional<double>& score : scores) score = score.value_or(0.0);
  return scores;
}

/// of_best, of_tried: resampled over the same draws.
PreprocessTrial make_trial(const TriedWay& tried, const Column& best, const ResampledScore& of_best,
                           const ResampledScore& of_tried) {
  const Column& column = tried.column;
  PreprocessTrial trial;
  trial.name = name_of(tried.way);
  trial.options = format_options(tried.way);
  trial.score = column.predictions.task == Task::Detection ? column.score.ap : column.score.top1;
  trial.drop_points = (score_of(best) - score_of(column)) * 100.0;
  trial.is_best = trial.drop_points <= 0.0;
  const auto drop = bootstrap_difference(of_tried, of_best);
  if (!drop || trial.is_best) return trial;
  trial.drop_low = drop->low;
  trial.drop_high = drop->high;
  // If the interval reaches 0, these images do not show a difference between the two.
  trial.is_best = trial.drop_low && *trial.drop_low <= 0.0;
  return trial;
}

/// ways: the best first.
std::vector<PreprocessTrial> make_trials(const std::vector<TriedWay>& ways, std::size_t images,
                                         const BootstrapOptions& bootstrap) {
  std::vector<ScoreDraws> scores;
  scores.reserve(ways.size());
  for (const TriedWay& way : ways) {
    scores.emplace_back([&way](const Draws& draws) { return draw_score(way.column, draws); });
  }
  const std::vector<ResampledScore> resampled = resample(images, bootstrap, scores);
  std::vector<PreprocessTrial> trials;
  trials.reserve(ways.size());
  for (std::size_t i = 0; i < ways.size(); ++i) {
    trials.push_back(make_trial(ways[i], ways.front().column, resampled.front(), resampled[i]));
  }
  return trials;
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
  result.trials = make_trials(
      ways, result.images,
      {.rounds = options.bootstrap_rounds, .seed = options.seed, .threads = evaluation.threads()});
  result.preprocessing = tried->chosen;
  for (const std::string& warning : evaluation.warnings()) {
    if (warning.find(kRangeGuess) == std::string::npos) result.warnings.push_back(warning);
  }
  return result;
}

}  // namespace visionpress
