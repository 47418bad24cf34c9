#include "command_line.h"
#include "visionpress/predict.h"

namespace visionpress {

Exit run_predict(const Arguments& arguments) {
  CommandLine line("predict", "Says what a model sees in images.",
                   "  visionpress predict model.mlmodel photo.jpg\n"
                   "  visionpress predict model.tflite *.jpg --draw seen\n"
                   "  visionpress predict model.tflite photo.jpg --json --probability 0.2");
  std::string model;
  std::vector<std::string> images;
  PredictOptions options;
  OutputOptions output;
  CLI::App& app = line.app();
  app.add_option("FILE", model, kModelHelp)->required();
  app.add_option("IMAGE", images, "JPEG, PNG, BMP or WebP files")->required();
  app.add_option("--draw", options.draw,
                 "Write copies of the images with the boxes drawn in to this folder")
      ->type_name("DIR");
  app.add_option("--labels", options.labels,
                 "Label file, a tag a line; default: in the model, else labels.txt or "
                 "NAME_labels.txt beside it")
      ->type_name("FILE");
  app.add_option("--probability", options.probability, "Print detections above it")
      ->capture_default_str();
  app.add_option("--top", options.top, "Classes printed of a classifier")
      ->capture_default_str()
      ->check(check_count);
  app.add_flag("--force", options.overwrite, "Overwrite existing files");
  add_threads(app, options.threads);
  add_form_options(app, output);
  app.add_option("--nms-iou", options.nms_iou,
                 "The weaker of two boxes of a tag that overlap more is dropped")
      ->capture_default_str()
      ->group(kMore);
  app.add_option("--max-detections", options.max_detections, "Boxes kept an image")
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
  if (const auto exit = line.parse(arguments)) return *exit;

  const auto result = predict(model, images, options);
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  return print_result(format_report(*result, output.form));
}

}  // namespace visionpress
