#include "infer/evaluation.h"

#include <filesystem>
#include <numeric>

#include "base/ascii.h"
#include "base/parallel.h"
#include "eval/classification.h"
#include "eval/crop_boxes.h"
#include "eval/image.h"
#include "formats/format_table.h"
#include "infer/open_input.h"
#include "infer/run_dataset.h"
#include "infer/run_time.h"
#include "package/hash_path.h"
#include "package/sha1.h"

namespace visionpress {
namespace {

Result<void> check_share(const char* name, double value) {
  if (value >= 0.0 && value <= 1.0) return {};
  return fail(ErrorKind::InvalidArgument, "{} is {:g}, expected 0 to 1", name, value);
}

std::string hash_labels(const std::vector<std::string>& labels) {
  const std::string text = fmt::format("{}", fmt::join(labels, "\n"));
  return hash_sha1(std::as_bytes(std::span(text)));
}

/// 0, 1, ... count - 1
std::vector<int> list_indices(std::size_t count) {
  std::vector<int> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

}  // namespace

Result<void> check_numbers(const EvaluateOptions& options) {
  VP_RETURN_IF_ERROR(check_share("probability", options.probability));
  VP_RETURN_IF_ERROR(check_share("iou", options.iou));
  VP_RETURN_IF_ERROR(check_share("ap-probability", options.ap_probability.value_or(0.0F)));
  VP_RETURN_IF_ERROR(check_share("nms-iou", options.nms_iou));
  VP_RETURN_IF_ERROR(check_share("min-box", options.min_box));
  if (options.threads < 0) {
    return fail(ErrorKind::InvalidArgument, "threads is {}, expected 0 or more", options.threads);
  }
  // A drop has at most 100 points, so that NaN and infinity could never be missed.
  if (options.max_drop && !(*options.max_drop >= 0.0 && *options.max_drop <= 100.0)) {
    return fail(ErrorKind::InvalidArgument, "--max-drop is {:g} points, expected 0 to 100",
                *options.max_drop);
  }
  if (options.min_agreement) {
    VP_RETURN_IF_ERROR(check_share("--min-agreement", *options.min_agreement));
  }
  if (options.unlabelled && options.max_drop) {
    return fail_in(options.data, ErrorKind::Usage,
                   "--max-drop needs labels, and there are none; --min-agreement does not");
  }
  return {};
}

bool is_predictions(const std::string& file) {
  return ascii_lower(std::filesystem::path(file).extension().native()) == ".json";
}

Evaluation::Evaluation(const EvaluateOptions& options, const Progress& progress)
    : options_(options),
      progress_(progress),
      threads_(options.threads > 0 ? options.threads : default_thread_count()) {}

Result<void> Evaluation::load_data(ImageNeed need) {
  need_ = need;
  if (need == ImageNeed::Required && options_.skip_missing) need = ImageNeed::SkipMissing;
  Result<Dataset> dataset = load_dataset({.data = options_.data,
                                          .images = options_.images,
                                          .min_box = options_.min_box,
                                          .max_images = options_.max_images,
                                          .image_need = need,
                                          .skip_bad = options_.skip_bad,
                                          .unlabelled = options_.unlabelled},
                                         diagnostics_);
  if (!dataset) {
    Error error = std::move(dataset).error();
    if (has_image_name(error.file)) error.message += kBadHint;
    return tl::unexpected<Error>(std::move(error));
  }
  dataset_ = *std::move(dataset);
  if (options_.crops && dataset_.is_unlabelled) {
    return fail_in(options_.data, ErrorKind::Usage,
                   "crops are cut at the boxes of labels, and no labels are used");
  }
  if (options_.crops && !dataset_.has_boxes) {
    return fail_in(options_.data, ErrorKind::Usage,
                   "a folder of tags has no boxes; leave out --crops");
  }
  if (options_.crops) drop_empty_crops(dataset_, diagnostics_);
  return {};
}

Result<void> Evaluation::take_shard(const Shard& shard) {
  if (auto good = check_shard(shard, dataset_.images.size()); !good) {
    return in_file(good.error(), options_.data);
  }
  shard_ = shard;
  whole_ = std::move(dataset_);
  dataset_ = pick_shard(whole_, shard);
  load_warnings_ = diagnostics_.warnings();
  return {};
}

Result<PartialEvaluation> Evaluation::make_partial(std::vector<PartialColumn> columns) const {
  PartialEvaluation partial;
  partial.shard = *shard_;
  partial.options = options_;
  VP_ASSIGN_OR_RETURN(partial.identity, identify_data(whole_, options_));
  for (PartialColumn& part : columns) {
    VP_ASSIGN_OR_RETURN(part.sha1, hash_path(part.column.score.file));
  }
  partial.image_count = whole_.images.size();
  partial.dataset = dataset_;
  partial.bad = bad_;
  partial.warnings = load_warnings_;
  partial.columns = std::move(columns);
  return partial;
}

void Evaluation::adopt(std::vector<std::string> labels, PackageHint hint, std::string source) {
  labels_ = std::move(labels);
  hint_ = std::move(hint);
  labels_file_ = std::move(source);
}

void Evaluation::keep_only(const std::vector<std::size_t>& images) {
  std::vector<DatasetImage> kept;
  kept.reserve(images.size());
  for (const std::size_t image : images) kept.push_back(std::move(dataset_.images[image]));
  dataset_.images = std::move(kept);
}

Result<Column> Evaluation::read_predictions(const std::string& file, PredictionSource source) {
  if (dataset_.is_unlabelled && dataset_.tags.empty()) {
    return fail(ErrorKind::Usage,
                "predictions on unlabelled pictures name the classes of a model; give one first");
  }
  // Of a shard too, predictions are judged by all images.
  VP_ASSIGN_OR_RETURN(Column column,
                      read_column(file, shard_ ? whole_ : dataset_, source, diagnostics_));
  if (shard_) column.predictions = pick_shard(column.predictions, *shard_);
  if (choose_ap_limit(options_, need_)) drop_weak(least_probability(options_), column.predictions);
  return column;
}

Result<OpenedModel> Evaluation::open(const std::string& file) const {
  return open_input(file, read_options(options_.preprocess));
}

Result<Evaluation::Fitted> Evaluation::fit_model(OpenedModel model) {
  Fitted fitted;
  ModelRunner& runner = fitted.runner;
  const std::string file = model.files.path();
  VP_ASSIGN_OR_RETURN(runner,
                      ModelRunner::create(std::move(model), {.labels = options_.labels,
                                                             .arithmetic = options_.arithmetic,
                                                             .preprocess = options_.preprocess,
                                                             .crops = options_.crops,
                                                             .threads = threads_,
                                                             .package = hint_}));
  // A crop is a small part of its picture, whose pixels it needs.
  runner.preprocess.fast_decode = options_.fast_decode && !options_.crops;
  for (const std::string& warning : runner.model.warnings) {
    diagnostics_.warn(fmt::format("{}: {}", file, warning));
  }
  share_labels(runner, file);
  VP_RETURN_IF_ERROR(check_fits(runner));
  VP_ASSIGN_OR_RETURN(fitted.tags, map_classes(runner));
  return fitted;
}

Result<DatasetRun> Evaluation::run_over_data(const Fitted& fitted, const std::string& what) {
  VP_ASSIGN_OR_RETURN(DatasetRun run,
                      run_dataset(fitted.runner, fitted.tags, dataset_, options_,
                                  {.threads = threads_,
                                   .progress = progress_,
                                   .what = what,
                                   .on_part = on_part_,
                                   .collects_bad = options_.skip_bad && !bad_is_settled_}));
  bad_.merge(run.bad);
  return run;
}

Result<Column> Evaluation::run_model(OpenedModel model, Timing timing) {
  const std::string file = model.files.path();
  VP_ASSIGN_OR_RETURN(const Fitted fitted, fit_model(std::move(model)));
  const ModelRunner& runner = fitted.runner;
  Column column;
  column.score.file = file;
  column.score.bytes = runner.model.size_bytes();
  column.score.format = name_of(runner.model.graph().format);
  column.score.arithmetic = runner.executor->arithmetic_name();
  column.score.preprocessing = describe(runner.preprocess);
  column.color = runner.preprocess.color;
  column.color_is_guess = runner.preprocess.color_is_guess;
  column.labels_sha1 = hash_labels(runner.labels);
  VP_ASSIGN_OR_RETURN(DatasetRun run, run_over_data(fitted, file));
  column.predictions = std::move(run.predictions);
  number_classes(runner, column.predictions.classes);
  column.broken_images = run.broken_count;
  if (shard_) return column;
  column.score.images_per_second = run.images_per_second;
  if (timing == Timing::Measure && run.first_input.size() == runner.preprocess.value_count()) {
    if (progress_) progress_(0, 0, "timing " + file);
    VP_ASSIGN_OR_RETURN(column.score.run_time,
                        measure_run(*runner.executor, run.first_input, threads_));
  }
  return column;
}

Result<TriedWays> Evaluation::run_ways(const std::string& file) {
  VP_ASSIGN_OR_RETURN(OpenedModel model, open(file));
  VP_ASSIGN_OR_RETURN(Fitted fitted, fit_model(std::move(model)));
  const Preprocess chosen = fitted.runner.preprocess;
  TriedWays tried;
  tried.chosen = describe(chosen);
  for (PixelWay& way : list_pixel_ways(chosen)) {
    fitted.runner.preprocess = with_way(chosen, way);
    Column column;
    column.score.file = name_of(way);
    VP_ASSIGN_OR_RETURN(DatasetRun run, run_over_data(fitted, column.score.file));
    if (run.broken_count > 0) {
      diagnostics_.warn(fmt::format("{}: its output holds NaN or infinity for {} of {} images",
                                    column.score.file, run.broken_count, dataset_.images.size()));
    }
    column.predictions = std::move(run.predictions);
    tried.ways.push_back({std::move(column), std::move(way)});
  }
  return tried;
}

/// A compressed copy often lies in another folder than its label file. It then gets the labels of
/// the first file that has labels for as many classes.
void Evaluation::share_labels(ModelRunner& runner, const std::string& file) {
  if (runner.labels.empty() && runner.task != ModelTask::Raw &&
      labels_.size() == runner.class_count) {
    runner.labels = labels_;
    if (labels_file_.empty()) return;
    diagnostics_.warn(
        fmt::format("{}: no labels of its own, those of {} are used", file, labels_file_));
  } else if (labels_.empty()) {
    labels_ = runner.labels;
    labels_file_ = file;
  }
}

/// The tag of each class. Unlabelled pictures get the classes of the first model as their tags.
Result<std::vector<int>> Evaluation::map_classes(const ModelRunner& runner) {
  if (!dataset_.is_unlabelled) return map_labels(runner.labels, dataset_, diagnostics_);
  const bool is_first = dataset_.tags.empty();
  if (is_first) {
    std::vector<std::string> names = runner.labels;
    for (std::size_t i = names.size(); i < runner.class_count; ++i) {
      names.push_back(fmt::format("class {}", i));
    }
    const bool has_boxes = runner.task == ModelTask::Detection;
    adopt_classes(whole_, names, has_boxes);
    adopt_classes(dataset_, std::move(names), has_boxes);
  }
  if (runner.labels == dataset_.tags || is_first) return list_indices(runner.class_count);
  if (dataset_.has_boxes != (runner.task == ModelTask::Detection)) {
    return fail(ErrorKind::Usage,
                "it and the first file do different things: one finds boxes, "
                "the other names classes");
  }
  Diagnostics unused;  // tags are only those that the first model has
  if (!runner.labels.empty()) {
    if (auto tags = map_labels(runner.labels, dataset_, unused)) return tags;
  }
  if (runner.class_count == dataset_.tags.size()) return list_indices(runner.class_count);
  return fail(ErrorKind::Usage,
              "its {} classes are not the {} of the first file, so there is nothing to agree on",
              runner.class_count, dataset_.tags.size());
}

/// Classes are numbered as the first model numbers them, where the labels of another stand in
/// another order.
void Evaluation::number_classes(const ModelRunner& runner, std::vector<ClassSample>& samples) {
  if (class_names_.empty()) class_names_ = runner.labels;
  if (runner.labels.empty() || runner.labels == class_names_) return;
  Dataset first;
  first.tags = class_names_;
  Diagnostics unused;
  const auto numbers = map_labels(runner.labels, first, unused);
  for (ClassSample& sample : samples) {
    if (sample.class_index < 0) continue;
    const int number = numbers ? (*numbers)[static_cast<std::size_t>(sample.class_index)] : -1;
    // A class that the first model lacks gets a number beyond those of its classes.
    sample.class_index =
        number >= 0 ? number : static_cast<int>(class_names_.size()) + sample.class_index;
  }
}

Result<void> Evaluation::check_fits(const ModelRunner& runner) const {
  if (runner.task == ModelTask::Raw) {
    return fail(ErrorKind::Unsupported,
                "its outputs are {}, so there is nothing to score; `predict` runs it",
                runner.raw_because);
  }
  if (dataset_.is_unlabelled) return {};
  if (runner.labels.empty()) {
    return fail(ErrorKind::Usage,
                "no labels for its {} classes: none in the model, no labels.txt or "
                "NAME_labels.txt beside it; give --labels FILE",
                runner.class_count);
  }
  const bool folder = !dataset_.has_boxes;
  if (runner.task == ModelTask::Detection && (folder || options_.crops)) {
    return fail(ErrorKind::Usage,
                "a detector needs boxes: COCO or VoTT annotations, without --crops");
  }
  if (runner.task == ModelTask::Classification && !folder && !options_.crops) {
    return fail(
        ErrorKind::Usage,
        "a classifier needs a folder for each tag; `evaluate --crops` scores the boxes of a "
        "detection data set");
  }
  if (runner.task == ModelTask::Classification && !options_.save_predictions.empty()) {
    return fail(ErrorKind::Usage,
                "save-predictions writes boxes, and this is a classifier; predict --json gives its "
                "answers");
  }
  return {};
}

Result<ComparableColumns> Evaluation::make_comparable(std::vector<Column> columns) {
  VP_RETURN_IF_ERROR(leave_out(bad_, dataset_, columns, diagnostics_));
  bad_count_ += bad_.size();
  bad_.clear();
  return visionpress::make_comparable(std::move(columns), dataset_, options_, need_);
}

Result<void> Evaluation::leave_out_undecodable() {
  const BadImages bad = find_bad_images(dataset_, threads_, progress_);
  bad_is_settled_ = true;
  bad_count_ = bad.size();
  std::vector<Column> none;
  return leave_out(bad, dataset_, none, diagnostics_);
}

ScoredColumns Evaluation::score(ComparableColumns comparable, Metric metric) const {
  return score_columns(std::move(comparable), dataset_, options_,
                       {.metric = metric, .threads = threads_});
}

EvaluateResult Evaluation::compare(ScoredColumns scored,
                                   std::span<const std::size_t> exported) const {
  return compare_columns(std::move(scored), dataset_, options_,
                         {.threads = threads_,
                          .bad_images = bad_count_,
                          .warnings = diagnostics_.warnings(),
                          .exported = exported});
}

}  // namespace visionpress
