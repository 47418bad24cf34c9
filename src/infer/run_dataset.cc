#include "infer/run_dataset.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>

#include "base/error.h"
#include "eval/classification.h"
#include "eval/comparable_columns.h"
#include "eval/crop_boxes.h"
#include "eval/image_frame.h"
#include "infer/read_output.h"
#include "infer/run_images.h"

namespace visionpress {
namespace {

class DatasetRunner {
 public:
  DatasetRunner(const ModelRunner& runner, const std::vector<int>& tags, const Dataset& dataset,
                const EvaluateOptions& options, const RunDatasetOptions& run)
      : runner_(runner),
        tags_(tags),
        dataset_(dataset),
        options_(options),
        run_(run),
        broken_(dataset.images.size()) {}

  Result<DatasetRun> run() {
    VP_RETURN_IF_ERROR(runner_.task == ModelTask::Detection ? detect() : classify());
    // NaN is neither a box nor a class, so a model with such outputs would seem to find nothing.
    result_.broken_count = static_cast<std::size_t>(std::ranges::count(broken_, 1));
    return std::move(result_);
  }

 private:
  [[nodiscard]] std::vector<std::string> list_paths() const {
    std::vector<std::string> paths;
    for (const DatasetImage& image : dataset_.images) paths.push_back(image.path);
    return paths;
  }

  /// Keeps the input of the first image, for timing the network.
  void note_input(const SeenPart& part) {
    if (part.part != 0) return;
    const std::scoped_lock lock(mutex_);
    if (part.image >= first_image_) return;
    first_image_ = part.image;
    result_.first_input.assign(part.input.begin(), part.input.end());
  }

  [[nodiscard]] Result<void> run_all(const PartsOf& parts_of, const OnPart& on_part) {
    first_image_ = dataset_.images.size();
    std::function<void(std::size_t, const Error&)> on_bad;
    if (run_.collects_bad) {
      on_bad = [this](std::size_t image, const Error& error) { result_.bad.emplace(image, error); };
    }
    const auto begin = std::chrono::steady_clock::now();
    VP_RETURN_IF_ERROR(
        run_images(runner_, list_paths(), parts_of,
                   [&](const SeenPart& part) -> Result<void> {
                     note_input(part);
                     if (count_not_finite(runner_, *part.outputs) > 0) broken_[part.image] = 1;
                     if (run_.on_part) VP_RETURN_IF_ERROR(run_.on_part(part));
                     return on_part(part);
                   },
                   {.threads = run_.threads,
                    .progress = run_.progress,
                    .what = run_.what,
                    .on_bad = std::move(on_bad),
                    .bad_hint = options_.skip_bad || dataset_.images.size() < 2 ? "" : kBadHint}));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    const std::size_t decoded = dataset_.images.size() - result_.bad.size();
    result_.images_per_second = static_cast<double>(decoded) / elapsed.count();
    return {};
  }

  [[nodiscard]] Result<void> detect() {
    result_.predictions.task = Task::Detection;
    result_.predictions.detections.resize(dataset_.images.size());
    const DetectOptions decode{.probability = least_probability(options_),
                               .nms_iou = options_.nms_iou,
                               .max_detections = options_.max_detections};
    return run_all({}, [&](const SeenPart& part) -> Result<void> {
      // The truth is in pixels of the annotation's frame, which is the whole picture, turned or
      // not.
      Detections& kept = result_.predictions.detections[part.image];
      kept = find_boxes(runner_.head, *part.outputs, part.placement,
                        frame_of(dataset_.images[part.image]), decode);
      for (Detection& box : kept) box.tag = tags_[static_cast<std::size_t>(box.tag)];
      std::erase_if(kept, [](const Detection& box) { return box.tag < 0; });
      return {};
    });
  }

  [[nodiscard]] Result<void> classify() {
    result_.predictions.task = Task::Classification;
    std::vector<std::vector<ClassSample>> samples(dataset_.images.size());
    PartsOf parts_of;
    if (options_.crops) {
      parts_of = [this](std::size_t index, const Image& pixels) {
        return cut_boxes(dataset_.images[index], pixels);
      };
    }
    VP_RETURN_IF_ERROR(run_all(parts_of, [&](const SeenPart& part) -> Result<void> {
      const DatasetImage& image = dataset_.images[part.image];
      const std::span<const float> values = (*part.outputs)[runner_.class_output].values;
      const int best = find_top1(values);
      ClassSample sample;
      sample.image = static_cast<std::uint32_t>(part.image);
      sample.truth = options_.crops ? image.truths[part.part].tag : image.class_tag;
      sample.class_index = best;
      sample.predicted = best < 0 ? -1 : tags_[static_cast<std::size_t>(best)];
      sample.score = best < 0 ? 0.0 : values[static_cast<std::size_t>(best)];
      samples[part.image].push_back(sample);
      return {};
    }));
    std::vector<ClassSample>& classes = result_.predictions.classes;
    for (const auto& of_image : samples) {
      classes.insert(classes.end(), of_image.begin(), of_image.end());
    }
    return {};
  }

  const ModelRunner& runner_;
  const std::vector<int>& tags_;
  const Dataset& dataset_;
  const EvaluateOptions& options_;
  const RunDatasetOptions& run_;
  std::vector<std::uint8_t> broken_;  ///< per image: 1 if an output holds NaN or infinity
  std::mutex mutex_ = {};             ///< of first_image_ and of first_input
  std::size_t first_image_ = 0;
  DatasetRun result_ = {};
};

}  // namespace

Result<DatasetRun> run_dataset(const ModelRunner& runner, const std::vector<int>& tags,
                               const Dataset& dataset, const EvaluateOptions& options,
                               const RunDatasetOptions& run) {
  return DatasetRunner(runner, tags, dataset, options, run).run();
}

}  // namespace visionpress
