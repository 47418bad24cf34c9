#include "eval/score_columns.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "eval/bootstrap.h"
#include "eval/classification.h"
#include "eval/threshold_metrics.h"

namespace visionpress {
namespace {

/// Whether its figure is 0 in the table's digits, so that no file can fall below it.
bool finds_nothing(const ModelScore& model) {
  constexpr double kShownAsZero = 0.00005;
  return main_score(model).value_or(1.0) < kShownAsZero;
}

void score_column(const Dataset& dataset, const EvaluateOptions& options, const ScoreRun& run,
                  std::optional<float> ap_limit, Column& column) {
  if (dataset.is_unlabelled) return;
  if (column.predictions.task == Task::Classification) {
    column.score.tags = score_classes(dataset, column.predictions.classes);
    column.score.top1 = score_top1(column.predictions.classes);
    return;
  }
  std::vector<Detections>& detections = column.predictions.detections;
  column.score.tags = score_at_threshold(
      dataset, detections,
      {.metric = run.metric, .probability = options.probability, .iou = options.iou});
  // Detections may be kept for precision that are too weak for AP; leave them out here.
  for (Detections& of_image : detections) {
    if (!ap_limit) break;
    std::erase_if(of_image, [&](const Detection& d) { return !(d.score > *ap_limit); });
  }
  column.matches = match_for_ap(dataset, detections, options.max_detections, run.threads);
  const std::vector<ApScore> of_tags = score_each_ap(column.matches, dataset.images.size());
  for (std::size_t i = 0; i < column.score.tags.size() && i < of_tags.size(); ++i) {
    column.score.tags[i].ap = of_tags[i].ap;
    column.score.tags[i].ap50 = of_tags[i].ap50;
  }
  const ApScore mean = find_mean_ap(of_tags);
  column.score.ap = mean.ap;
  column.score.ap50 = mean.ap50;
}

void fill_agreement(const ResampledScore& resampled, const EvaluateOptions& options,
                    ModelScore& score) {
  constexpr double kPoints = 100.0;
  score.agreement = resampled.whole;
  const auto of_draws = bootstrap_interval(resampled);
  if (of_draws && of_draws->low) {
    score.agreement_low = *of_draws->low / kPoints;
    score.agreement_high = *of_draws->high / kPoints;
  }
  if (options.min_agreement)
    score.within_min_agreement = keeps_min_agreement(score, *options.min_agreement);
}

/// All columns are scored on one draw after the other: the first column's scores serve the
/// differences of all others.
struct ResampledColumns {
  std::vector<ResampledScore> scores = {};     ///< one per column
  std::vector<ResampledScore> agreement = {};  ///< one per column
};

ResampledColumns resample_columns(const std::vector<Column>& columns, std::size_t images,
                                  const BootstrapOptions& options) {
  std::vector<ScoreDraws> scores;
  for (const Column& column : columns) {
    const bool is_scored = column.score.ap || column.score.top1;  // not without labels
    scores.emplace_back([&column, is_scored](const Draws& draws) {
      return is_scored ? draw_main_score(column, draws) : DrawScores{};
    });
  }
  for (const Column& column : columns) {
    scores.emplace_back(
        [&column](const Draws& draws) { return draw_agreement(column.agreement, draws); });
  }
  std::vector<ResampledScore> all = resample(images, options, scores);
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(columns.size());
  return {{all.begin(), middle}, {middle, all.end()}};
}

void fill_differences(std::size_t images, const EvaluateOptions& options, const CompareOptions& run,
                      std::vector<Column>& columns) {
  if (columns.size() < 2) return;
  const ResampledColumns resampled = resample_columns(
      columns, images,
      {.rounds = options.bootstrap_rounds, .seed = options.seed, .threads = run.threads});
  for (std::size_t index = 1; index < columns.size(); ++index) {
    Column& column = columns[index];
    const auto difference_to = [&](std::size_t baseline) {
      return bootstrap_difference(resampled.scores[index], resampled.scores[baseline]);
    };
    fill_agreement(resampled.agreement[index], options, column.score);
    const bool detection = column.predictions.task == Task::Detection;
    (detection ? column.score.ap_drop : column.score.top1_drop) = difference_to(0);
    if (!run.exported.empty() && run.exported[index] != index) {
      column.score.export_drop = difference_to(run.exported[index]);
    }
    if (options.max_drop) {
      column.score.within_max_drop =
          keeps_max_drop(columns.front().score, column.score, *options.max_drop);
    }
  }
}

void warn_of_broken(const Column& column, std::size_t images, EvaluateResult& result) {
  if (column.broken_images == 0) return;
  result.warnings.push_back(fmt::format("{}: its output holds NaN or infinity for {} of {} images",
                                        column.score.file, column.broken_images, images));
}

/// Predictions for only some of the images look like those of a poor model.
void warn_of_silence(const Column& column, EvaluateResult& result) {
  if (column.score.format != "predictions" || column.predictions.task != Task::Detection) return;
  const auto silent = static_cast<std::size_t>(
      std::ranges::count_if(column.predictions.detections, &Detections::empty));
  if (silent * 2 <= result.images) return;
  result.warnings.push_back(fmt::format(
      "{}: no prediction for {} of {} images, which count as missed (--max-images takes fewer)",
      column.score.file, silent, result.images));
}

/// A baseline at 0 is probably run wrongly, and the drops against it would look perfect.
void warn_of_baseline(EvaluateResult& result) {
  if (result.models.size() < 2 || !finds_nothing(result.models.front())) return;
  const ModelScore& first = result.models.front();
  const char* const check = first.format == "predictions"
                                ? "its image and category ids"
                                : "its preprocessing and labels (--find-preprocessing, --labels)";
  result.warnings.push_back(fmt::format("{}: the first file finds nothing: {} {:.4f}; check {}",
                                        first.file, first.ap ? "mAP" : "top-1", *main_score(first),
                                        check));
}

/// Red and blue exchanged costs a classifier points that look like those of its compression.
void warn_of_colors(const std::vector<Column>& columns, EvaluateResult& result) {
  const Column* guessed = nullptr;
  for (const Column& column : columns) {
    if (column.color && column.color_is_guess) guessed = &column;
  }
  if (guessed == nullptr) return;
  const auto other = std::ranges::find_if(columns, [&](const Column& column) {
    return column.color && *column.color != *guessed->color;
  });
  if (other == columns.end()) return;
  result.warnings.push_back(
      fmt::format("{} does not say its order of colours and is given another than {}: part of the "
                  "difference may be that (--color sets it for all)",
                  guessed->score.file, other->score.file));
}

/// A limit that nothing was measured against is not met.
void warn_of_no_drop(EvaluateResult& result) {
  for (std::size_t i = 1; i < result.models.size(); ++i) {
    const ModelScore& model = result.models[i];
    if (result.options.max_drop && !model.ap_drop && !model.top1_drop) {
      result.warnings.push_back(
          fmt::format("{}: no drop can be measured, so --max-drop {:g} counts as missed",
                      model.file, *result.options.max_drop));
    }
  }
}

void warn_of_no_agreement(EvaluateResult& result) {
  if (!result.options.min_agreement) return;
  const bool detects = result.task == Task::Detection;
  for (std::size_t i = 1; i < result.models.size(); ++i) {
    const ModelScore& model = result.models[i];
    if (model.agreement) continue;
    result.warnings.push_back(fmt::format(
        "{}: {}, so there is nothing to agree with and --min-agreement {:g} counts as "
        "missed",
        model.file,
        detects ? fmt::format("the first file has no box above probability {:g}", kAgreementTruth)
                : std::string("no image is answered by it and the first file"),
        *result.options.min_agreement));
  }
}

}  // namespace

bool keeps_max_drop(const ModelScore& first, const ModelScore& model, double points) {
  constexpr double kRounding = 1e-9;  // points; a drop of exactly the limit passes
  return !finds_nothing(first) && model.drop() && model.drop()->points <= points + kRounding;
}

bool keeps_min_agreement(const ModelScore& model, double share) {
  constexpr double kRounding = 1e-11;  // an agreement of exactly the limit passes
  return model.agreement && *model.agreement >= share - kRounding;
}

ScoredColumns score_columns(ComparableColumns comparable, const Dataset& dataset,
                            const EvaluateOptions& options, const ScoreRun& run) {
  const std::optional<float> ap_limit = comparable.ap_limit();
  std::vector<Column> columns = std::move(comparable).take();
  if (columns.empty()) return {std::move(columns), ap_limit};
  // Columns in parallel; of one column alone, its tags.
  // Agreement comes before detections that only it counts are left out.
  parallel_for(columns.size() - 1, run.threads, [&](std::size_t i) {
    columns[i + 1].agreement = match_answers(columns.front().predictions,
                                             columns[i + 1].predictions, dataset, run.threads);
  });
  parallel_for(columns.size(), run.threads,
               [&](std::size_t i) { score_column(dataset, options, run, ap_limit, columns[i]); });
  return {std::move(columns), ap_limit};
}

EvaluateResult compare_columns(ScoredColumns scored, const Dataset& dataset,
                               const EvaluateOptions& options, const CompareOptions& run) {
  EvaluateResult result;
  result.options = options;
  if (const auto ap_limit = scored.ap_limit()) result.options.ap_probability = *ap_limit;
  std::vector<Column> columns = std::move(scored).take();
  fill_differences(dataset.images.size(), options, run, columns);
  result.task = columns.front().predictions.task;
  result.images = dataset.images.size();
  result.images_of = result.images + run.bad_images + dataset.not_taken;
  result.boxes = dataset.box_count();
  result.clamped_boxes = dataset.clamped_boxes;
  result.exceeding_boxes = dataset.exceeding_boxes;
  result.bad_images = run.bad_images;
  result.data = options.data;
  const Column* clipping = find_clipping(columns);
  if (clipping != nullptr) result.clipped_like = clipping->score.file;
  result.threads = run.threads;
  result.warnings = run.warnings;
  for (const Column& column : columns) {
    warn_of_broken(column, result.images + run.bad_images, result);
  }
  warn_of_colors(columns, result);
  for (const Column& column : columns) warn_of_silence(column, result);
  for (Column& column : columns) result.models.push_back(std::move(column.score));
  warn_of_baseline(result);
  warn_of_no_drop(result);
  warn_of_no_agreement(result);
  return result;
}

}  // namespace visionpress
