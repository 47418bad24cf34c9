#include "api/evaluation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <mutex>

#include "api/open_input.h"
#include "api/read_output.h"
#include "api/run_time.h"
#include "base/ascii.h"
#include "base/parallel.h"
#include "eval/bootstrap.h"
#include "eval/classification.h"
#include "eval/image.h"
#include "eval/image_frame.h"
#include "eval/threshold_metrics.h"
#include "formats/format_table.h"

namespace visionpress {
namespace {

/// The limit of the service and of `serve`: they do not return weaker boxes.
constexpr float kServiceLeast = 0.01F;
constexpr const char* kBadHint = " (--skip-bad scores the others)";
constexpr float kApProbability = 0.005F;  // of detections that AP uses, if networks are run

Result<void> check_share(const char* name, double value) {
  if (value >= 0.0 && value <= 1.0) return {};
  return fail(ErrorKind::InvalidArgument, "{} is {:g}, expected 0 to 1", name, value);
}

/// Drops boxes that lie outside their picture, since they give no crop.
void drop_empty_crops(Dataset& dataset, Diagnostics& diagnostics) {
  std::size_t count = 0;
  for (DatasetImage& image : dataset.images) {
    count += std::erase_if(image.truths, [&](const TruthBox& box) {
      return !(box.width > 0.0 && box.height > 0.0 && box.x < image.width && box.y < image.height &&
               box.x + box.width > 0.0 && box.y + box.height > 0.0);
    });
  }
  if (count == 0) return;
  diagnostics.warn(
      fmt::format("{} boxes have nothing of their image in them and give no crop", count));
}

/// Whether a source cuts its boxes: no box passes its frame, and some end exactly at it, where a
/// network's own boxes end only by chance.
bool end_at_frame(const Dataset& dataset, const std::vector<Detections>& detections) {
  constexpr double kRounding = 1e-3;  // pixels: of shares that a service has sent as decimals
  bool touches = false;
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const DatasetImage& image = dataset.images[i];
    if (image.width == 0 || image.height == 0) continue;
    for (const Detection& d : detections[i]) {
      for (const double beyond :
           {-d.x, -d.y, d.x + d.width - image.width, d.y + d.height - image.height}) {
        if (beyond > kRounding) return false;
        touches = touches || beyond >= -kRounding;
      }
    }
  }
  return touches;
}

double find_weakest(const std::vector<Detections>& detections) {
  double weakest = 1.0;
  for (const Detections& of_image : detections) {
    for (const Detection& d : of_image) weakest = std::min(weakest, d.score);
  }
  return weakest;
}

/// The figure from which drops are computed.
std::optional<double> main_score(const ModelScore& model) {
  return model.ap ? model.ap : model.top1;
}

/// Whether its figure is 0 in the table's digits, so that no file can fall below it.
bool finds_nothing(const ModelScore& model) {
  constexpr double kShownAsZero = 0.00005;
  return main_score(model).value_or(1.0) < kShownAsZero;
}

/// The column whose cut at the frame the other columns follow; null where there is only one column,
/// or none cuts.
const Column* find_clipping(const std::vector<Column>& columns) {
  const auto found = std::ranges::find_if(columns, &Column::ends_at_frame);
  return found == columns.end() || columns.size() < 2 ? nullptr : &*found;
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
  return {};
}

float least_probability(const EvaluateOptions& options) {
  return std::min(options.ap_probability.value_or(kApProbability), options.probability);
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
                                          .skip_bad = options_.skip_bad},
                                         diagnostics_);
  if (!dataset) {
    Error error = std::move(dataset).error();
    if (has_image_name(error.file)) error.message += kBadHint;
    return tl::unexpected<Error>(std::move(error));
  }
  dataset_ = *std::move(dataset);
  if (options_.crops && dataset_.kind == DatasetKind::Folder) {
    return fail_in(options_.data, ErrorKind::Usage,
                   "a folder of tags has no boxes; leave out --crops");
  }
  if (options_.crops) drop_empty_crops(dataset_, diagnostics_);
  return {};
}

void Evaluation::adopt(std::vector<std::string> labels, PackageHint hint, std::string source) {
  labels_ = std::move(labels);
  hint_ = std::move(hint);
  labels_file_ = std::move(source);
}

Result<Column> Evaluation::read_predictions(const std::string& file, PredictionSource source) {
  Column column;
  VP_ASSIGN_OR_RETURN(column.predictions, load_predictions(file, dataset_, diagnostics_, source));
  const bool has_boxes = column.predictions.task == Task::Detection;
  if (has_boxes == (dataset_.kind == DatasetKind::Folder)) {
    return fail(ErrorKind::Usage, "its predictions {}, and the data set is {}",
                has_boxes ? "are boxes" : "have no \"bbox\"",
                has_boxes ? "a folder for each tag" : "one of boxes");
  }
  std::error_code ignored;
  column.score.file = file;
  column.score.bytes = std::filesystem::file_size(file, ignored);
  column.score.format = "predictions";
  column.ends_at_frame = end_at_frame(dataset_, column.predictions.detections);
  if (counts_all()) return column;
  for (Detections& detections : column.predictions.detections) drop_weak(detections);
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
  for (const std::string& warning : runner.model.warnings) {
    diagnostics_.warn(fmt::format("{}: {}", file, warning));
  }
  share_labels(runner, file);
  VP_RETURN_IF_ERROR(check_fits(runner));
  VP_ASSIGN_OR_RETURN(fitted.tags, map_labels(runner.labels, dataset_, diagnostics_));
  return fitted;
}

Result<Column> Evaluation::run_model(OpenedModel model) {
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
  VP_RETURN_IF_ERROR(runner.task == ModelTask::Detection ? detect(runner, fitted.tags, column)
                                                         : classify(runner, fitted.tags, column));
  column.score.images_per_second = images_per_second_;
  if (first_input_.size() == runner.preprocess.value_count()) {
    if (progress_) progress_(0, 0, "timing " + file);
    VP_ASSIGN_OR_RETURN(column.score.run_time,
                        measure_run(*runner.executor, first_input_, threads_));
  }
  return column;
}

Result<TriedWays> Evaluation::run_ways(const std::string& file) {
  VP_ASSIGN_OR_RETURN(OpenedModel model, open(file));
  VP_ASSIGN_OR_RETURN(Fitted fitted, fit_model(std::move(model)));
  ModelRunner& runner = fitted.runner;
  const Preprocess chosen = runner.preprocess;
  TriedWays tried;
  tried.chosen = describe(chosen);
  for (PixelWay& way : list_pixel_ways(chosen)) {
    runner.preprocess = with_way(chosen, way);
    Column column;
    column.score.file = name_of(way);
    VP_RETURN_IF_ERROR(runner.task == ModelTask::Detection ? detect(runner, fitted.tags, column)
                                                           : classify(runner, fitted.tags, column));
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

Result<void> Evaluation::check_fits(const ModelRunner& runner) const {
  if (runner.task == ModelTask::Raw) {
    return fail(ErrorKind::Unsupported,
                "its outputs are {}, so there is nothing to score; `predict` runs it",
                runner.raw_because);
  }
  if (runner.labels.empty()) {
    return fail(ErrorKind::Usage,
                "no labels for its {} classes: none in the model, no labels.txt or "
                "NAME_labels.txt beside it; give --labels FILE",
                runner.class_count);
  }
  const bool folder = dataset_.kind == DatasetKind::Folder;
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

std::vector<std::string> Evaluation::list_paths() const {
  std::vector<std::string> paths;
  for (const DatasetImage& image : dataset_.images) paths.push_back(image.path);
  return paths;
}

Result<void> Evaluation::run_all(const ModelRunner& runner, const PartsOf& parts_of,
                                 const OnPart& on_part, const std::string& what) {
  first_input_.clear();
  std::size_t bad_count = 0;
  std::function<void(std::size_t, const Error&)> on_bad;
  if (options_.skip_bad && !bad_is_settled_) {
    on_bad = [&](std::size_t image, const Error& error) {
      ++bad_count;
      bad_.emplace(image, error);
    };
  }
  std::mutex mutex;
  std::size_t first_image = dataset_.images.size();
  const auto begin = std::chrono::steady_clock::now();
  VP_RETURN_IF_ERROR(
      run_images(runner, list_paths(), parts_of,
                 [&](const SeenPart& part) -> Result<void> {
                   if (part.part == 0) {
                     const std::scoped_lock lock(mutex);
                     if (part.image < first_image) {
                       first_image = part.image;
                       first_input_.assign(part.input.begin(), part.input.end());
                     }
                   }
                   return on_part(part);
                 },
                 {.threads = threads_,
                  .progress = progress_,
                  .what = what,
                  .on_bad = std::move(on_bad),
                  .bad_hint = options_.skip_bad || dataset_.images.size() < 2 ? "" : kBadHint}));
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  images_per_second_ = static_cast<double>(dataset_.images.size() - bad_count) / elapsed.count();
  return {};
}

Result<void> Evaluation::detect(const ModelRunner& runner, const std::vector<int>& tags,
                                Column& column) {
  column.predictions.task = Task::Detection;
  column.predictions.detections.resize(dataset_.images.size());
  const DetectOptions decode{.probability = least_probability(options_),
                             .nms_iou = options_.nms_iou,
                             .max_detections = options_.max_detections};
  std::vector<std::uint8_t> broken(dataset_.images.size());
  VP_RETURN_IF_ERROR(run_all(
      runner, {},
      [&](const SeenPart& part) -> Result<void> {
        if (count_not_finite(runner, *part.outputs) > 0) broken[part.image] = 1;
        // The truth is in pixels of the annotation's frame, which is the whole picture, turned or
        // not.
        Detections& kept = column.predictions.detections[part.image];
        kept = find_boxes(runner.head, *part.outputs, part.placement,
                          frame_of(dataset_.images[part.image]), decode);
        for (Detection& box : kept) box.tag = tags[static_cast<std::size_t>(box.tag)];
        std::erase_if(kept, [](const Detection& box) { return box.tag < 0; });
        return {};
      },
      column.score.file));
  warn_of_broken(broken, column.score.file);
  return {};
}

/// NaN is neither a box nor a class, so a model with such outputs would seem to find nothing.
void Evaluation::warn_of_broken(const std::vector<std::uint8_t>& broken, const std::string& file) {
  const auto count = std::ranges::count(broken, 1);
  if (count == 0) return;
  diagnostics_.warn(fmt::format("{}: its output holds NaN or infinity for {} of {} images", file,
                                count, broken.size()));
}

/// The true boxes of an image, scaled from the annotation's frame to the picture's own pixels.
std::vector<ImageView> Evaluation::cut_boxes(std::size_t index, const Image& pixels) const {
  const DatasetImage& image = dataset_.images[index];
  std::vector<ImageView> parts;
  const ImageSize frame = upright_size(image);
  for (const TruthBox& in_frame : image.truths) {
    const TruthBox box = turn_upright(image, in_frame);
    const double across = static_cast<double>(pixels.width) / frame.width;
    const double down = static_cast<double>(pixels.height) / frame.height;
    const int x = std::clamp(static_cast<int>(std::floor(box.x * across)), 0, pixels.width - 1);
    const int y = std::clamp(static_cast<int>(std::floor(box.y * down)), 0, pixels.height - 1);
    const int right =
        std::clamp(static_cast<int>(std::ceil((box.x + box.width) * across)), x + 1, pixels.width);
    const int bottom =
        std::clamp(static_cast<int>(std::ceil((box.y + box.height) * down)), y + 1, pixels.height);
    parts.push_back(view_part(view_image(pixels), x, y, right - x, bottom - y));
  }
  return parts;
}

Result<void> Evaluation::classify(const ModelRunner& runner, const std::vector<int>& tags,
                                  Column& column) {
  column.predictions.task = Task::Classification;
  std::vector<std::vector<ClassSample>> samples(dataset_.images.size());
  PartsOf parts_of;
  if (options_.crops) {
    parts_of = [this](std::size_t index, const Image& pixels) { return cut_boxes(index, pixels); };
  }
  std::vector<std::uint8_t> broken(dataset_.images.size());
  VP_RETURN_IF_ERROR(run_all(
      runner, parts_of,
      [&](const SeenPart& part) -> Result<void> {
        const DatasetImage& image = dataset_.images[part.image];
        if (count_not_finite(runner, *part.outputs) > 0) broken[part.image] = 1;
        const std::span<const float> values = (*part.outputs)[runner.class_output].values;
        const int best = find_top1(values);
        ClassSample sample;
        sample.image = static_cast<std::uint32_t>(part.image);
        sample.truth = options_.crops ? image.truths[part.part].tag : image.class_tag;
        sample.predicted = best < 0 ? -1 : tags[static_cast<std::size_t>(best)];
        sample.score = best < 0 ? 0.0 : values[static_cast<std::size_t>(best)];
        samples[part.image].push_back(sample);
        return {};
      },
      column.score.file));
  warn_of_broken(broken, column.score.file);
  for (const auto& of_image : samples) {
    column.predictions.classes.insert(column.predictions.classes.end(), of_image.begin(),
                                      of_image.end());
  }
  return {};
}

Result<ComparableColumns> Evaluation::make_comparable(std::vector<Column> columns) {
  VP_RETURN_IF_ERROR(leave_out_bad(columns));
  align(columns);
  return ComparableColumns(std::move(columns));
}

Result<void> Evaluation::leave_out_bad(std::vector<Column>& columns) {
  if (bad_.empty()) return {};
  std::vector<std::size_t> kept;  // old indices
  std::vector<std::uint32_t> moved(dataset_.images.size());
  for (std::size_t i = 0; i < dataset_.images.size(); ++i) {
    moved[i] = static_cast<std::uint32_t>(kept.size());
    if (!bad_.contains(i)) kept.push_back(i);
  }
  const Error& first = bad_.begin()->second;
  if (kept.empty()) return tl::unexpected<Error>(first);
  diagnostics_.warn(fmt::format("{} of {} images cannot be decoded and are left out, the first: {}",
                                bad_.size(), dataset_.images.size(), first.to_string()));
  for (Column& column : columns) {
    std::vector<Detections>& detections = column.predictions.detections;
    for (std::size_t i = 0; i < kept.size() && kept[i] < detections.size(); ++i) {
      if (i != kept[i]) detections[i] = std::move(detections[kept[i]]);
    }
    if (!detections.empty()) detections.resize(kept.size());
    std::vector<ClassSample>& classes = column.predictions.classes;
    std::erase_if(classes, [this](const ClassSample& s) { return bad_.contains(s.image); });
    for (ClassSample& sample : classes) sample.image = moved[sample.image];
  }
  for (const auto& [index, error] : bad_) note_left_out(dataset_, dataset_.images[index]);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (i != kept[i]) dataset_.images[i] = std::move(dataset_.images[kept[i]]);
  }
  dataset_.images.resize(kept.size());
  bad_count_ = bad_.size();
  bad_.clear();
  return {};
}

Result<void> Evaluation::leave_out_undecodable() {
  const std::vector<DatasetImage>& images = dataset_.images;
  std::mutex mutex;
  std::size_t done = 0;
  parallel_for(images.size(), threads_, [&](std::size_t i) {
    const Result<Image> image = load_image(images[i].path);
    const std::scoped_lock lock(mutex);
    if (!image) bad_.emplace(i, image.error());
    if (progress_) progress_(++done, images.size(), "looking for images that cannot be decoded");
  });
  bad_is_settled_ = true;
  std::vector<Column> none;
  return leave_out_bad(none);
}

void Evaluation::align(std::vector<Column>& columns) {
  const Column* clipping = find_clipping(columns);
  if (clipping != nullptr && !options_.ap_probability &&
      find_weakest(clipping->predictions.detections) > kServiceLeast) {
    service_least_ = kServiceLeast;
  }
  if (!options_.clip_boxes && clipping == nullptr) return;
  for (Column& column : columns) {
    std::vector<Detections>& detections = column.predictions.detections;
    if (column.predictions.task != Task::Detection || column.ends_at_frame) continue;
    for (std::size_t i = 0; i < detections.size(); ++i) {
      cut_to_frame(dataset_.images[i], detections[i]);
    }
  }
}

void Evaluation::drop_weak(Detections& detections) const {
  const double least = least_probability(options_);
  std::erase_if(detections, [least](const Detection& d) { return !(d.score > least); });
}

ScoredColumns Evaluation::score(ComparableColumns comparable, Metric metric) const {
  for (Column& column : comparable.columns_) score_column(column, metric);
  return ScoredColumns(std::move(comparable.columns_));
}

void Evaluation::score_column(Column& column, Metric metric) const {
  if (column.predictions.task == Task::Classification) {
    column.score.tags = score_classes(dataset_, column.predictions.classes);
    column.score.top1 = score_top1(column.predictions.classes);
    return;
  }
  std::vector<Detections>& detections = column.predictions.detections;
  column.score.tags = score_at_threshold(
      dataset_, detections,
      {.metric = metric, .probability = options_.probability, .iou = options_.iou});
  // Detections may be kept for precision that are too weak for AP; leave them out here.
  const float least = ap_least();
  for (Detections& of_image : detections) {
    if (counts_all()) break;
    std::erase_if(of_image, [least](const Detection& d) { return !(d.score > least); });
  }
  column.matches = match_for_ap(dataset_, detections, options_.max_detections);
  for (std::size_t i = 0; i < column.score.tags.size() && i < column.matches.size(); ++i) {
    const ApScore ap = score_ap(column.matches[i]);
    column.score.tags[i].ap = ap.ap;
    column.score.tags[i].ap50 = ap.ap50;
  }
  const ApScore mean = score_mean_ap(column.matches);
  column.score.ap = mean.ap;
  column.score.ap50 = mean.ap50;
}

/// Whether every detection counts for AP, however weak.
bool Evaluation::counts_all() const {
  return need_ == ImageNeed::Optional && !options_.ap_probability && !service_least_;
}

float Evaluation::ap_least() const {
  return service_least_.value_or(options_.ap_probability.value_or(kApProbability));
}

std::optional<Difference> Evaluation::measure_difference(const Column& column,
                                                         const Column& baseline) const {
  const bool detection = column.predictions.task == Task::Detection;
  const auto score_of = [detection](const Column& c, std::span<const std::uint32_t> weights) {
    return detection ? score_mean_ap(c.matches, weights).ap
                     : score_top1(c.predictions.classes, weights);
  };
  return bootstrap_difference(dataset_.images.size(), {options_.bootstrap_rounds, options_.seed},
                              [&](std::span<const std::uint32_t> weights) -> std::optional<double> {
                                const std::optional<double> ours = score_of(column, weights);
                                const std::optional<double> theirs = score_of(baseline, weights);
                                if (!ours || !theirs) return std::nullopt;
                                return *theirs - *ours;
                              });
}

EvaluateResult Evaluation::compare(ScoredColumns scored,
                                   std::span<const std::size_t> exported) const {
  fill_differences(scored.columns_, exported);
  return collect(scored.columns_);
}

/// Columns are independent, so they are resampled in parallel.
void Evaluation::fill_differences(std::vector<Column>& columns,
                                  std::span<const std::size_t> exported) const {
  parallel_for(columns.size() - 1, threads_, [&](std::size_t i) {
    const std::size_t index = i + 1;
    Column& column = columns[index];
    const auto difference = measure_difference(column, columns.front());
    const bool detection = column.predictions.task == Task::Detection;
    (detection ? column.score.ap_drop : column.score.top1_drop) = difference;
    if (!exported.empty() && exported[index] != index) {
      const std::size_t baseline = exported[index];
      column.score.export_drop =
          baseline == 0 ? difference : measure_difference(column, columns[baseline]);
    }
    constexpr double kRounding = 1e-9;  // points; a drop of exactly the limit passes
    if (options_.max_drop) {
      column.score.within_max_drop = !finds_nothing(columns.front().score) && difference &&
                                     difference->points <= *options_.max_drop + kRounding;
    }
  });
}

/// Predictions for only some of the images look like those of a poor model.
void Evaluation::warn_of_silence(const Column& column, EvaluateResult& result) const {
  if (column.score.format != "predictions" || column.predictions.task != Task::Detection) return;
  const auto silent = static_cast<std::size_t>(
      std::ranges::count_if(column.predictions.detections, &Detections::empty));
  if (silent * 2 <= dataset_.images.size()) return;
  result.warnings.push_back(fmt::format(
      "{}: no prediction for {} of {} images, which count as missed (--max-images takes fewer)",
      column.score.file, silent, dataset_.images.size()));
}

/// A baseline at 0 is probably run wrongly, and the drops against it would look perfect.
void Evaluation::warn_of_baseline(EvaluateResult& result) const {
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
void Evaluation::warn_of_colors(const std::vector<Column>& columns, EvaluateResult& result) const {
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

EvaluateResult Evaluation::collect(std::vector<Column>& columns) const {
  EvaluateResult result;
  result.task = columns.front().predictions.task;
  result.images = dataset_.images.size();
  result.images_of = result.images + bad_count_ + dataset_.not_taken;
  result.boxes = dataset_.box_count();
  result.clamped_boxes = dataset_.clamped_boxes;
  result.exceeding_boxes = dataset_.exceeding_boxes;
  result.bad_images = bad_count_;
  result.data = options_.data;
  result.options = options_;
  if (!counts_all()) result.options.ap_probability = ap_least();
  const Column* clipping = find_clipping(columns);
  if (clipping != nullptr) result.clipped_like = clipping->score.file;
  result.threads = threads_;
  result.warnings = diagnostics_.warnings();
  warn_of_colors(columns, result);
  for (const Column& column : columns) warn_of_silence(column, result);
  for (Column& column : columns) result.models.push_back(std::move(column.score));
  warn_of_baseline(result);
  for (std::size_t i = 1; i < result.models.size(); ++i) {
    const ModelScore& model = result.models[i];
    if (options_.max_drop && !model.ap_drop && !model.top1_drop) {
      result.warnings.push_back(
          fmt::format("{}: no drop can be measured, so max-drop counts as missed", model.file));
    }
  }
  return result;
}

}  // namespace visionpress
