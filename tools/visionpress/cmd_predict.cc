#include "command_line.h"
#include "progress.h"
#include "visionpress/predict.h"

namespace visionpress {
namespace {

constexpr const char* kRaw = "raw outputs";

/// Text is printed image by image; the other forms are one document, so they show progress.
class PredictionPrinter {
 public:
  explicit PredictionPrinter(const OutputOptions& output) : output_(output) {
    meter_.emplace(output.quiet || output.form == ReportForm::Text);
  }

  void show(const PredictResult& result, std::size_t image) {
    if (output_.form != ReportForm::Text) {
      meter_->update(image + 1, result.images.size(), result.model);
      return;
    }
    const Exit exit = print_result(format_image_text(result, image));
    if (printed_ == Exit::Done) printed_ = exit;
  }

  /// Prints the rest; images that could not be read come last.
  Exit finish(const PredictResult& result) {
    meter_.reset();
    print_warnings(result.warnings, output_);
    const Exit exit =
        print_result(output_.form == ReportForm::Text ? format_last_text(result)
                                                      : format_report(result, output_.form));
    if (printed_ == Exit::Done) printed_ = exit;
    Exit bad = Exit::Done;
    for (const ImagePrediction& image : result.images) {
      if (image.error) bad = report_error(*image.error);
    }
    return printed_ == Exit::Done ? bad : printed_;
  }

 private:
  const OutputOptions& output_;
  std::optional<ProgressMeter> meter_ = std::nullopt;
  Exit printed_ = Exit::Done;
};

}  // namespace

Exit run_predict(const Arguments& arguments) {
  CommandLine line("predict", "Says what a model sees in images.",
                   "  visionpress predict model.mlmodel photo.jpg\n"
                   "  visionpress predict model.tflite photos --draw seen\n"
                   "  visionpress predict model.tflite photo.jpg --json --probability 0.2");
  std::string model;
  std::vector<std::string> images;
  PredictOptions options;
  OutputOptions output;
  CLI::App& app = line.app();
  app.add_option("FILE", model, kModelHelp)->required();
  app.add_option("IMAGE", images, "JPEG, PNG, BMP or WebP files, or folders of them")->required();
  app.add_option("--draw", options.draw,
                 "Write copies of the images with the boxes drawn in to this folder")
      ->type_name("DIR");
  app.add_option("--labels", options.labels,
                 "Label file, one tag per line; default: in the model, else labels.txt or "
                 "NAME_labels.txt beside it")
      ->type_name("FILE");
  app.add_option("--probability", options.probability, "Print detections above this probability")
      ->capture_default_str();
  app.add_option("--top", options.top, "Classes printed of a classifier; 0: none")
      ->capture_default_str()
      ->check(check_count);
  app.add_flag("--force", options.overwrite, "Overwrite existing files");
  add_threads(app, options.threads);
  add_form_options(app, output);
  app.add_option("--nms-iou", options.nms_iou,
                 "Of two boxes of one tag that overlap more than this, drop the weaker")
      ->capture_default_str()
      ->group(kMore);
  app.add_option("--max-detections", options.max_detections, "Most boxes kept per image; 0: all")
      ->capture_default_str()
      ->check(check_count)
      ->group(kMore);
  app.add_option("--save-raw", options.save_raw,
                 "Write the network's raw outputs of the one image as .npy")
      ->type_name("FILE")
      ->group(kMore);
  app.add_option("--save-input", options.save_input,
                 "Write the preprocessed tensor of the one image as .npy")
      ->type_name("FILE")
      ->group(kMore);
  add_run_options(line, options.arithmetic, options.preprocess);
  line.refuse_without({"--draw", "--save-raw", "--save-input"}, {"--force"});
  if (const auto exit = line.parse(arguments)) return *exit;

  PredictionPrinter printer(output);
  const auto result =
      predict(model, images, options,
              [&](const PredictResult& so_far, std::size_t image) { printer.show(so_far, image); });
  if (!result) return report_error(result.error());
  const bool is_raw = result->task == "raw";
  if (is_raw || result->task == "detection") {
    line.warn_without_effect({"--top"}, is_raw ? kRaw : "a detector", output.quiet);
  }
  if (is_raw || result->task == "classification") {
    line.warn_without_effect({"--probability", "--nms-iou", "--max-detections"},
                             is_raw ? kRaw : "a classifier", output.quiet);
  }
  return printer.finish(*result);
}

}  // namespace visionpress
