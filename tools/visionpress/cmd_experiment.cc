#include <cstdio>

#include "command_line.h"
#include "interruption.h"
#include "progress.h"
#include "visionpress/experiment.h"

namespace visionpress {
namespace {

/// Source of the online column, as the options give it.
struct Online {
  std::string from = {};  ///< a file of predictions, or an endpoint
  bool cloud = false;
  OnlineService service = {};
};

void add_main_options(CommandLine& line, ExperimentOptions& options, Online& online) {
  CLI::App& app = line.app();
  app.add_option("EXPORT", options.exports,
                 "Exports of one iteration: model files, .zip packages or folders of them")
      ->required();
  app.add_option("-d,--data", options.evaluate.data,
                 "Labelled images: COCO, YOLO, Pascal VOC, VoTT and others, or a folder with one "
                 "folder for each tag")
      ->required()
      ->type_name("PATH");
  app.add_option("-o,--results", options.results,
                 "Folder for the results; what an earlier run finished is reused")
      ->required()
      ->type_name("DIR");
  app.add_option("-w,--weights", options.schemes,
                 "Only this scheme, or FORMAT:SCHEME (coreml:, tensorflow:, tflite:). Repeatable; "
                 "default: fp16, linear-8, linear-8-tensor")
      ->type_name("SCHEME")
      ->expected(1)
      ->take_all();
  app.add_flag("--cloud", online.cloud,
               "Ask Custom Vision too (VISIONPRESS_CV_ENDPOINT, VISIONPRESS_CV_PREDICTION_KEY)");
  app.add_option("--online", online.from,
                 "The online column: COCO results JSON, or the endpoint that is asked")
      ->type_name("FILE|URL");
  app.add_option("-p,--project", online.service.project, "Online: the project's name or id")
      ->type_name("NAME");
  app.add_option("--published", online.service.published_name,
                 "Online: the iteration's published name")
      ->type_name("NAME");
  app.add_option("-i,--iteration", online.service.iteration,
                 "Online, API 2: the iteration's id; default: the default iteration")
      ->type_name("ID")
      ->group(kMore);
  app.add_option("--images", options.evaluate.images,
                 "Folder of the images; default: beside the data")
      ->type_name("DIR");
  app.add_option("--labels", options.evaluate.labels,
                 "Label file, one tag per line; default: in the export, or beside it")
      ->type_name("FILE");
  app.add_flag("--skip-missing", options.evaluate.skip_missing,
               "Leave out images that are not there");
  app.add_flag("--skip-bad", options.evaluate.skip_bad, "Leave out images that cannot be decoded");
  add_threads(app, options.evaluate.threads);
}

/// Fills options' online part. errors: Usage.
Result<void> choose_online(const Online& online, ExperimentOptions& options) {
  const bool is_url = online.from.starts_with("http://") || online.from.starts_with("https://");
  if (!online.from.empty() && !is_url) options.online_predictions = online.from;
  if (!online.cloud && !is_url) return {};
  OnlineService service = online.service;
  service.access.endpoint = is_url ? online.from : from_environment("VISIONPRESS_CV_ENDPOINT");
  service.access.keys_optional = is_url;
  service.access.prediction_key = from_environment("VISIONPRESS_CV_PREDICTION_KEY");
  service.access.training_key = from_environment("VISIONPRESS_CV_TRAINING_KEY");
  const char* missing = service.access.endpoint.empty() ? "an endpoint: VISIONPRESS_CV_ENDPOINT"
                        : service.project.empty()       ? "--project"
                                                        : nullptr;
  if (missing != nullptr) {
    return tl::unexpected<Error>(Error{
        ErrorKind::Usage, std::string("the online column needs ") + missing, {}, std::nullopt});
  }
  options.online = service;
  return {};
}

}  // namespace

Exit run_experiment(const Arguments& arguments) {
  CommandLine line(
      "experiment",
      "Scores exports and every compressed form of them, and the online service, side by side.",
      "  visionpress experiment model.mlmodel model.pb model.tflite --data coco.json -o results\n"
      "  visionpress experiment *.zip --data vott.json -o results -w fp16 -w coreml:linear-8\n"
      "  visionpress experiment *.zip --data vott.json -o results --cloud -p pets "
      "--published v1\n"
      "  visionpress experiment *.zip --data vott.json -o results --online "
      "http://127.0.0.1:8000 -p any --metric legacy");
  ExperimentOptions options;
  Online online;
  OutputOptions output;
  add_main_options(line, options, online);
  add_form_options(line.app(), output);
  add_metric_options(line, options.evaluate, "Another metric to show beside the standard one");
  add_run_options(line, options.evaluate.arithmetic, options.evaluate.preprocess);
  line.refuse_without({"--cloud", "--online"}, {"--project", "--published", "--iteration"});
  if (const auto exit = line.parse(arguments)) return *exit;
  if (auto chosen = choose_online(online, options); !chosen) return report_error(chosen.error());
  if (options.online && !output.quiet) options.online->access.on_wait = say_wait;

  const auto result = [&] {
    const InterruptionNote note("every finished column is kept in " + options.results +
                                "; the same command goes on from there");
    ProgressMeter meter(output.quiet);
    return experiment(options, show_on(meter));
  }();
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  for (const ExperimentColumn& column : result->columns) {
    if (column.was_kept && !output.quiet) {
      std::fprintf(stderr, "kept from %s: %s\n", result->results.c_str(), column.title.c_str());
    }
  }
  return print_result(format_report(*result, output.form));
}

}  // namespace visionpress
