#include <algorithm>
#include <charconv>
#include <system_error>

#include "command_line.h"
#include "progress.h"
#include "visionpress/evaluate.h"
#include "visionpress/find_preprocessing.h"
#include "visionpress/picture.h"

namespace visionpress {
namespace {

/// What is done with the files.
struct Mode {
  bool finds_preprocessing = false;
  bool merges = false;
  ShardOptions shard = {};
  PictureOptions picture = {};
};

/// --data is not required where there is nothing but parts to merge.
void add_main_options(CommandLine& line, std::vector<std::string>& files, const Mode& mode,
                      EvaluateOptions& options) {
  CLI::App& app = line.app();
  app.add_option(
         "FILE", files,
         "Model files (.mlmodel, .onnx, .tflite, .pb) or export packages, or predictions in their "
         "place (.json, COCO results); with --merge what --save-partial wrote")
      ->required();
  app.add_option("-d,--data", options.data,
                 "Labelled images: COCO, YOLO, Pascal VOC, VoTT and others, or a folder with one "
                 "folder for each tag; "
                 "or a folder of pictures, on which files are compared with the first")
      ->required(!mode.merges)
      ->type_name("PATH");
  app.add_flag(
      "--unlabelled", options.unlabelled,
      "Use the pictures of the data alone, of a folder with all folders in it, and measure "
      "agreement with the first file");
  app.add_option("--images", options.images, "Folder of the images; default: beside the data")
      ->type_name("DIR");
  app.add_option("--labels", options.labels,
                 "Label file, one tag per line; default: in the model, else labels.txt or "
                 "NAME_labels.txt beside it")
      ->type_name("FILE");
  app.add_option_function<double>(
         "--max-drop", [&options](double points) { options.max_drop = points; },
         "Exit 1 when a file is more than this many points of mAP (classifiers: top-1) below the "
         "first")
      ->type_name("POINTS");
  app.add_option_function<double>(
         "--min-agreement", [&options](double share) { options.min_agreement = share; },
         "Exit 1 when a file agrees less than this with the first, 0..1: AP50 with its boxes as "
         "truth (classifiers: share of the same classes)")
      ->type_name("SHARE");
  app.add_option("--save-predictions", options.save_predictions,
                 "Write the detections of the one model as COCO results JSON")
      ->type_name("FILE");
  app.add_flag("--force", options.overwrite,
               "Overwrite an existing --save-predictions or --save-partial file");
  app.add_flag("--skip-missing", options.skip_missing, "Leave out images that are not there");
  app.add_flag("--skip-bad", options.skip_bad, "Leave out images that cannot be decoded");
  add_threads(app, options.threads);
  app.add_flag("--clip-boxes", options.clip_boxes,
               "Clip predicted boxes to their image, as the service does; default: only where one "
               "column's boxes are clipped already")
      ->group(kMore);
  app.add_flag("--crops", options.crops,
               "Classifiers: score the boxes of a detection data set as crops")
      ->group(kMore);
}

/// Shards of an evaluation (docs/many-machines.md).
void add_shard_options(CommandLine& line, Mode& mode) {
  CLI::App& app = line.app();
  add_shard(app, mode.shard.shard,
            "Run over one of N even parts of the images, to be merged: 3/16 is the third of 16");
  app.add_option("--save-partial", mode.shard.save, "File for the shard's predictions")
      ->type_name("FILE")
      ->group(kMore);
  app.add_flag("--merge", mode.merges,
               "Put the files of all shards together; the figures are those of one run")
      ->group(kMore);
  line.refuse_others_beside("--merge", {"--threads", "--quiet", "--json", "--csv", "--markdown"});
  line.refuse_beside("--shard", {"--save-predictions", "--find-preprocessing"});
  line.refuse_without({"--shard"}, {"--save-partial"});
  line.refuse_without({"--save-partial"}, {"--shard"});
  line.refuse_without({"--save-predictions", "--save-partial", "--picture"}, {"--force"});
}

Exit run_find_preprocessing(const std::vector<std::string>& files, const EvaluateOptions& options,
                            const OutputOptions& output) {
  if (files.size() != 1) {
    return report_error({ErrorKind::Usage, "--find-preprocessing tries one model, not " +
                                               std::to_string(files.size()) + " files"});
  }
  const auto result = [&] {
    ProgressMeter meter(output.quiet);
    return find_preprocessing(files.front(), options, show_on(meter));
  }();
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  return print_result(format_report(*result, output.form));
}

/// Whether all files are within the limits that were asked for.
Exit judge(const EvaluateResult& result) {
  for (const ModelScore& model : result.models) {
    if (!model.within_max_drop || !model.within_min_agreement) return Exit::FallsShort;
  }
  return Exit::Done;
}

Exit run_shard(const std::vector<std::string>& files, const EvaluateOptions& options,
               const ShardOptions& shard, const OutputOptions& output) {
  const auto result = [&] {
    ProgressMeter meter(output.quiet);
    return evaluate_shard(files, options, shard, show_on(meter));
  }();
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  return print_result(format_report(*result, output.form));
}

Exit run_merge(const std::vector<std::string>& partials, const EvaluateOptions& options,
               const OutputOptions& output) {
  const auto result = merge_evaluations(partials, options.threads);
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  const Exit printed = print_result(format_report(*result, output.form));
  return printed == Exit::Done ? judge(*result) : printed;
}

/// Some options turn out useless only once the files are read.
void warn_of_idle_options(const CommandLine& line, const EvaluateResult& result, bool quiet) {
  const bool only_predictions = std::ranges::all_of(
      result.models, [](const ModelScore& model) { return model.format == "predictions"; });
  if (only_predictions) {
    line.warn_without_effect({"--labels", "--arithmetic", "--resize", "--filter", "--color",
                              "--input-size", "--set", "--mean", "--std", "--fast-decode"},
                             "predictions", quiet);
  }
  if (result.options.unlabelled) {
    line.warn_without_effect(
        {"--metric", "--probability", "--iou", "--ap-probability", "--min-box"},
        "unlabelled pictures", quiet);
  }
  if (result.task == Task::Classification) {
    line.warn_without_effect({"--probability", "--iou", "--ap-probability", "--nms-iou",
                              "--max-detections", "--clip-boxes"},
                             "a classifier", quiet);
  }
}

}  // namespace

Exit run_evaluate(const Arguments& arguments) {
  CommandLine line(
      "evaluate", "Scores model files on labelled images: one column per file.",
      "  visionpress evaluate model.mlmodel model.linear-8.mlmodel --data annotations.json\n"
      "  visionpress evaluate model.tflite small.tflite --data coco.json --images photos "
      "--max-drop 0.5\n"
      "  visionpress evaluate model.tflite phone.json --data vott.json --json\n"
      "  visionpress evaluate model.mlmodel small.mlmodel --data holiday-pictures --min-agreement "
      "0.95\n"
      "  visionpress evaluate a.tflite b.tflite --data coco.json --shard 3/16 --save-partial "
      "parts/3.json\n"
      "  visionpress evaluate --merge parts/*.json\n"
      "  visionpress evaluate fruit.mlmodel --data folder-with-a-folder-a-tag");
  std::vector<std::string> files;
  EvaluateOptions options;
  OutputOptions output;
  Mode mode;
  mode.merges = std::ranges::find(arguments, "--merge") != arguments.end();
  add_main_options(line, files, mode, options);
  line.app().add_flag("--find-preprocessing", mode.finds_preprocessing,
                      "Try the usual scalings of pixels and colour orders on some images "
                      "(--max-images; 64), and print the options that fit");
  add_form_options(line.app(), output);
  add_metric_options(line, options,
                     "How precision and recall count; legacy as the original project did");
  add_run_options(line, options.arithmetic, options.preprocess);
  line.app()
      .add_flag("--fast-decode", options.fast_decode,
                "Decode JPEGs that are at least twice as large as the model's input at a half, a "
                "quarter or an eighth of their size: faster, and the figures may change")
      ->group(kMore);
  line.refuse_beside("--fast-decode", {"--crops"});
  add_shard_options(line, mode);
  add_picture_options(line.app(), mode.picture);
  line.refuse_beside("--shard", {"--picture"});
  line.refuse_without({"--picture"}, {"--picture-points"});
  // It tries every preprocessing itself, scores by AP or top-1 alone and writes no file.
  line.refuse_beside(
      "--find-preprocessing",
      {"--save-predictions", "--picture", "--force", "--max-drop", "--min-agreement",
       "--unlabelled", "--mean", "--std", "--color", "--metric", "--probability", "--iou"});
  if (const auto exit = line.parse(arguments)) return *exit;
  mode.picture.overwrite = options.overwrite;
  if (!mode.picture.path.empty()) {
    if (const auto checked = check_picture(mode.picture); !checked) {
      return report_error(checked.error());
    }
  }
  if (mode.finds_preprocessing) return run_find_preprocessing(files, options, output);
  if (!mode.shard.save.empty()) {
    mode.shard.overwrite = options.overwrite;
    return run_shard(files, options, mode.shard, output);
  }
  if (mode.merges) return run_merge(files, options, output);

  const auto result = [&] {
    ProgressMeter meter(output.quiet);
    return evaluate(files, options, show_on(meter));
  }();
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  warn_of_idle_options(line, *result, output.quiet);
  if (!mode.picture.path.empty()) {
    if (const auto saved = save_picture(*result, mode.picture); !saved) {
      return report_error(saved.error());
    }
  }
  const Exit printed = print_result(format_report(*result, output.form));
  return printed == Exit::Done ? judge(*result) : printed;
}

}  // namespace visionpress
