#include "visionpress/predict.h"

#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/output_file.h"
#include "base/parallel.h"
#include "eval/draw.h"
#include "eval/drawn_copies.h"
#include "eval/picture_files.h"
#include "infer/class_values.h"
#include "infer/model_runner.h"
#include "infer/npy_file.h"
#include "infer/output_path.h"
#include "infer/read_output.h"
#include "infer/run_images.h"

namespace visionpress {
namespace {

Result<void> check_outputs(const std::string& model, const std::vector<std::string>& images,
                           const PredictOptions& options) {
  std::vector<std::string> inputs = {model, options.labels, images.front()};
  VP_RETURN_IF_ERROR(check_array_output(options.save_input, inputs));
  VP_RETURN_IF_ERROR(check_array_output(options.save_raw, inputs));
  if (!options.save_raw.empty() && options.save_raw == options.save_input) {
    return fail(ErrorKind::Usage, "{}: the input and the raw outputs would be one file",
                options.save_raw);
  }
  if (options.draw.empty()) return {};
  VP_RETURN_IF_ERROR(check_not_stdout(options.draw));
  for (const std::string& image : images) {
    VP_RETURN_IF_ERROR(check_not_read(name_copy(image, options.draw), {&image, 1}));
  }
  return options.overwrite ? Result<void>() : check_copies_are_new(images, options.draw);
}

Result<void> make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return {};
  return fail_in(path, ErrorKind::Output, "cannot make the folder: {}", error.message());
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
  return options.draw.empty() ? Result<void>() : check_copies_differ(images);
}

Result<void> save_tensors(const ModelRunner& runner, const SeenPart& part,
                          const PredictOptions& options) {
  const Overwrite overwrite = options.overwrite ? Overwrite::Allow : Overwrite::Refuse;
  if (!options.save_input.empty()) {
    VP_RETURN_IF_ERROR(
        write_npy(options.save_input, runner.executor->input_shape(), part.input, overwrite));
  }
  if (options.save_raw.empty()) return {};
  return write_npy_files(options.save_raw, *part.outputs, overwrite);
}

Result<void> draw_copy(const Image& image, ImagePrediction& prediction,
                       const PredictOptions& options) {
  prediction.drawn = name_copy(prediction.file, options.draw);
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
                           const std::vector<std::string>& images) {
  PredictResult result;
  result.model = model;
  result.arithmetic = runner.executor->arithmetic_name();
  result.preprocessing = describe(runner.preprocess);
  result.warnings = list_warnings(runner);
  result.raw_because = runner.raw_because;
  for (const std::string& image : images) result.images.push_back({.file = image});
  constexpr std::array<const char*, 3> kTasks = {"detection", "classification", "raw"};
  result.task = kTasks[static_cast<std::size_t>(runner.task)];
  return result;
}

/// Makes the folder of the drawn copies; only a detector has boxes to draw.
Result<void> prepare_drawing(const std::string& model, const ModelRunner& runner,
                             const PredictOptions& options) {
  if (options.draw.empty()) return {};
  if (runner.task != ModelTask::Detection) {
    return fail_in(model, ErrorKind::Usage, "no detector, so there are no boxes to draw");
  }
  return make_folder(options.draw);
}

/// Collects the predictions of each image into the result.
class Seeing {
 public:
  Seeing(const ModelRunner& runner, const PredictOptions& options,
         const OnPrediction& on_prediction, PredictResult& result)
      : runner_(runner),
        options_(options),
        on_prediction_(on_prediction),
        result_(result),
        done_(result.images.size()),
        not_finite_(result.images.size()) {}

  /// Called for several images at the same time.
  Result<void> look_at(const SeenPart& part) {
    ImagePrediction& image = result_.images[part.image];
    image.width = part.pixels->width;
    image.height = part.pixels->height;
    for (const OutputView& output : *part.outputs) {
      not_finite_[part.image] += count_not_finite(output.values);
    }
    if (runner_.task == ModelTask::Classification) {
      class_values_.add((*part.outputs)[runner_.class_output].values);
    }
    if (runner_.task == ModelTask::Raw) {
      image.outputs = summarize_outputs(*part.outputs);
    } else {
      image.predictions = find_things(runner_, part, options_);
    }
    VP_RETURN_IF_ERROR(save_tensors(runner_, part, options_));
    return options_.draw.empty() ? Result<void>() : draw_copy(*part.pixels, image, options_);
  }

  /// This and the functions below are called from one thread at a time.
  void note_bad(std::size_t image, const Error& error) {
    result_.images[image].error = in_file(error, result_.images[image].file).value();
  }

  void finish(std::size_t image) {
    done_[image] = true;
    while (next_ < done_.size() && done_[next_]) {
      if (on_prediction_) on_prediction_(result_, next_);
      ++next_;
    }
  }

  void warn_of_values() {
    for (std::size_t i = 0; i < not_finite_.size(); ++i) {
      if (not_finite_[i] == 0) continue;
      result_.warnings.push_back(
          fmt::format("{}: {} of the network's output values are NaN or infinite",
                      result_.images[i].file, not_finite_[i]));
    }
    if (std::string odd = class_values_.describe_oddity(); !odd.empty()) {
      result_.warnings.push_back(std::move(odd));
    }
  }

 private:
  const ModelRunner& runner_;
  const PredictOptions& options_;
  const OnPrediction& on_prediction_;
  PredictResult& result_;
  std::vector<bool> done_;
  std::vector<std::size_t> not_finite_;  ///< per image: NaN or infinite values of all outputs
  std::size_t next_ = 0;
  ClassValues class_values_ = {};  ///< of all images
};

}  // namespace

Result<PredictResult> predict(const std::string& model, const std::vector<std::string>& given,
                              const PredictOptions& options, const OnPrediction& on_prediction) {
  VP_ASSIGN_OR_RETURN(const std::vector<std::string> images, expand_folders(given));
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
  PredictResult result = describe_run(model, runner, images);
  Seeing seeing(runner, options, on_prediction, result);
  VP_RETURN_IF_ERROR(run_images(
      runner, images, {}, [&](const SeenPart& part) { return seeing.look_at(part); },
      {.threads = threads,
       .progress = {},
       .what = model,
       .on_bad = [&](std::size_t image, const Error& error) { seeing.note_bad(image, error); },
       .on_done = [&](std::size_t image) { seeing.finish(image); }}));
  seeing.warn_of_values();
  return result;
}

}  // namespace visionpress
