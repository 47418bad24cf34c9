#include "visionpress/predict.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <numeric>
#include <set>

#include "api/model_runner.h"
#include "api/npy_file.h"
#include "api/read_output.h"
#include "api/run_images.h"
#include "base/error.h"
#include "base/output_file.h"
#include "base/parallel.h"
#include "eval/draw.h"

namespace visionpress {
namespace {

/// Where an image's copy goes.
std::string name_copy(const std::string& image, const PredictOptions& options) {
  return std::filesystem::path(options.draw) /
         (std::filesystem::path(image).stem().string() + ".png");
}

Result<void> check_outputs(const std::string& model, const std::vector<std::string>& images,
                           const PredictOptions& options) {
  std::vector<std::string> inputs = {model, options.labels, images.front()};
  VP_RETURN_IF_ERROR(check_not_read(options.save_input, inputs));
  VP_RETURN_IF_ERROR(check_not_read(options.save_raw, inputs));
  if (!options.save_raw.empty() && options.save_raw == options.save_input) {
    return fail(ErrorKind::Usage, "{}: the input and the raw outputs would be one file",
                options.save_raw);
  }
  if (options.draw.empty()) return {};
  for (const std::string& image : images) {
    VP_RETURN_IF_ERROR(check_not_read(name_copy(image, options), {&image, 1}));
  }
  return {};
}

Result<void> make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return {};
  return in_file(fail(ErrorKind::Output, "cannot make the folder: {}", error.message()).value(),
                 path);
}

Result<void> check(const std::vector<std::string>& images, const PredictOptions& options) {
  if (images.empty()) return fail(ErrorKind::Usage, "no image to look at");
  for (const double share : {options.probability, options.nms_iou}) {
    if (!(share >= 0.0 && share <= 1.0)) {
      return fail(ErrorKind::InvalidArgument, "probability or nms-iou is {:g}, expected 0 to 1",
                  share);
    }
  }
  if (options.threads < 0) {
    return fail(ErrorKind::InvalidArgument, "threads is {}, expected 0 or more", options.threads);
  }
  if (images.size() > 1 && (!options.save_raw.empty() || !options.save_input.empty())) {
    return fail(ErrorKind::Usage, "raw tensors can be saved of one image, not of {}",
                images.size());
  }
  if (options.draw.empty()) return {};
  std::set<std::string> stems;
  for (const std::string& image : images) {
    if (!stems.insert(std::filesystem::path(image).stem().string()).second) {
      return fail(ErrorKind::Usage, "two images are named {}: their copies would be one file",
                  std::filesystem::path(image).stem().string());
    }
  }
  return {};
}

std::vector<RawOutput> summarize(const std::vector<OutputView>& outputs) {
  std::vector<RawOutput> raw;
  for (const OutputView& output : outputs) {
    RawOutput summary{output.name, output.shape, 0.0, 0.0, 0.0};
    if (!output.values.empty()) {
      const auto [least, most] = std::minmax_element(output.values.begin(), output.values.end());
      const double sum = std::accumulate(output.values.begin(), output.values.end(), 0.0);
      summary.minimum = *least;
      summary.maximum = *most;
      summary.mean = sum / static_cast<double>(output.values.size());
    }
    raw.push_back(std::move(summary));
  }
  return raw;
}

Result<void> save_tensors(const ModelRunner& runner, const SeenPart& part,
                          const PredictOptions& options) {
  const Overwrite overwrite = options.overwrite ? Overwrite::Allow : Overwrite::Refuse;
  if (!options.save_input.empty()) {
    VP_RETURN_IF_ERROR(
        write_npy(options.save_input, runner.executor->input_shape(), part.input, overwrite));
  }
  if (options.save_raw.empty()) return {};
  const std::filesystem::path path(options.save_raw);
  for (std::size_t i = 0; i < part.outputs->size(); ++i) {
    const OutputView& output = (*part.outputs)[i];
    const std::string numbered =
        fmt::format("{}.{}{}", path.stem().string(), i, path.extension().string());
    const std::string file =
        part.outputs->size() == 1 ? options.save_raw : (path.parent_path() / numbered).string();
    VP_RETURN_IF_ERROR(write_npy(file, output.shape, output.values, overwrite));
  }
  return {};
}

Result<void> draw_copy(const Image& image, ImagePrediction& prediction,
                       const PredictOptions& options) {
  prediction.drawn = name_copy(prediction.file, options);
  Image copy = image;
  draw_boxes(copy, prediction.predictions);
  return save_image(copy, prediction.drawn,
                    options.overwrite ? Overwrite::Allow : Overwrite::Refuse);
}

std::vector<Prediction> find_things(const ModelRunner& runner, const SeenPart& part,
                                    const PredictOptions& options) {
  if (options.top == 0 && runner.task == ModelTask::Classification) return {};
  return read_output(runner, *part.outputs,
                     {{part.pixels->width, part.pixels->height}, part.placement},
                     {.probability = options.probability,
                      .nms_iou = options.nms_iou,
                      .max_detections = options.max_detections,
                      .top = options.top});
}

PredictResult describe_run(const std::string& model, const ModelRunner& runner,
                           std::size_t image_count) {
  PredictResult result;
  result.model = model;
  result.arithmetic = runner.executor->arithmetic_name();
  result.preprocessing = describe(runner.preprocess);
  result.warnings = list_warnings(runner);
  result.images.resize(image_count);
  result.raw.resize(image_count);
  constexpr std::array<const char*, 3> kTasks = {"detection", "classification", "raw"};
  result.task = kTasks[static_cast<std::size_t>(runner.task)];
  return result;
}

/// Makes the folder of the drawn copies; only a detector has boxes to draw.
Result<void> prepare_drawing(const std::string& model, const ModelRunner& runner,
                             const PredictOptions& options) {
  if (options.draw.empty()) return {};
  if (runner.task != ModelTask::Detection) {
    return in_file(fail(ErrorKind::Usage, "no detector, so there are no boxes to draw").value(),
                   model);
  }
  return make_folder(options.draw);
}

}  // namespace

Result<PredictResult> predict(const std::string& model, const std::vector<std::string>& images,
                              const PredictOptions& options) {
  VP_RETURN_IF_ERROR(check(images, options));
  VP_RETURN_IF_ERROR(check_outputs(model, images, options));
  const int threads = options.threads > 0 ? options.threads : default_thread_count();
  VP_ASSIGN_OR_RETURN(const ModelRunner runner,
                      ModelRunner::create(model, {.labels = options.labels,
                                                  .arithmetic = options.arithmetic,
                                                  .preprocess = options.preprocess,
                                                  .crops = false,
                                                  .threads = threads}));
  VP_RETURN_IF_ERROR(prepare_drawing(model, runner, options));
  PredictResult result = describe_run(model, runner, images.size());
  const auto on_part = [&](const SeenPart& part) -> Result<void> {
    ImagePrediction& image = result.images[part.image];
    image.file = images[part.image];
    image.width = part.pixels->width;
    image.height = part.pixels->height;
    if (runner.task == ModelTask::Raw) {
      result.raw[part.image] = summarize(*part.outputs);
    } else {
      image.predictions = find_things(runner, part, options);
    }
    VP_RETURN_IF_ERROR(save_tensors(runner, part, options));
    return options.draw.empty() ? Result<void>() : draw_copy(*part.pixels, image, options);
  };
  VP_RETURN_IF_ERROR(
      run_images(runner, images, {}, on_part, {.threads = threads, .progress = {}, .what = model}));
  return result;
}

}  // namespace visionpress
