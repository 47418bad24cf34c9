// `cloud` and its sub-commands, one function each: parse, call the library, print.

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include <unistd.h>

#include "command_line.h"
#include "interruption.h"
#include "progress.h"
#include "visionpress/cloud.h"

namespace visionpress {
namespace {

enum class Key : std::uint8_t { Training, Prediction };

/// Options shared by all sub-commands: endpoint, keys, output form.
class CloudCommand {
 public:
  CloudCommand(const std::string& name, const std::string& purpose, const std::string& examples,
               Key key = Key::Training)
      : line_("cloud " + name, purpose, examples), key_(key) {
    access_.endpoint = from_environment("VISIONPRESS_CV_ENDPOINT");
    access_.training_key = from_environment("VISIONPRESS_CV_TRAINING_KEY");
    access_.prediction_key = from_environment("VISIONPRESS_CV_PREDICTION_KEY");
  }

  [[nodiscard]] CLI::App& app() { return line_.app(); }
  [[nodiscard]] CommandLine& line() { return line_; }

  CLI::Option* add_project(std::string& project) {
    return app()
        .add_option("-p,--project", project, "Project: its name or id")
        ->required()
        ->type_name("NAME");
  }
  void add_iteration(std::string& iteration, const char* help) {
    app().add_option("-i,--iteration", iteration, help)->type_name("NAME");
  }

  [[nodiscard]] std::optional<Exit> parse(const Arguments& arguments) {
    app()
        .add_option("--endpoint", access_.endpoint,
                    "https://NAME.cognitiveservices.azure.com; default: VISIONPRESS_CV_ENDPOINT")
        ->type_name("URL");
    const char* const name =
        key_ == Key::Training ? "VISIONPRESS_CV_TRAINING_KEY" : "VISIONPRESS_CV_PREDICTION_KEY";
    app()
        .add_option("--key-fd", key_fd_,
                    std::string("Read the key's line from this descriptor; default: ") + name)
        ->type_name("N")
        ->check(CLI::Range(0, 1 << 20).description(""))
        ->group(kMore);
    app()
        .add_option("--retries", access_.retries, "Retries per request")
        ->capture_default_str()
        ->type_name("N")
        ->check(CLI::Range(0, 100).description(""))
        ->group(kMore);
    app()
        .add_option("--timeout", access_.timeout_seconds,
                    "Give up a connection after this many seconds without data")
        ->capture_default_str()
        ->type_name("S")
        ->check(CLI::Range(1, 3600).description(""))
        ->group(kMore);
    app()
        .add_option("--request-limit", access_.request_seconds,
                    "Seconds that one request may take in all, retries included")
        ->capture_default_str()
        ->type_name("S")
        ->check(CLI::Range(1, 86400).description(""))
        ->group(kMore);
    add_form_options(app(), output_);
    if (const auto exit = line_.parse(arguments)) return exit;
    if (!output_.quiet) access_.on_wait = say_wait;
    if (!key_fd_) return std::nullopt;
    return read_key();
  }

  [[nodiscard]] const CloudAccess& access() const { return access_; }

  /// The result in its form, or the error.
  template <typename T>
  Exit finish(const Result<T>& result) {
    if (!result) return report_error(result.error());
    if constexpr (requires { result->warnings; }) print_warnings(result->warnings, output_);
    return print_result(format_report(*result, output_.form));
  }

  /// Calls run(progress) with a meter on the terminal.
  template <typename Run>
  auto with_progress(const Run& run) {
    ProgressMeter meter(output_.quiet);
    return run(show_on(meter));
  }

 private:
  [[nodiscard]] std::optional<Exit> read_key() {
    std::string& key = key_ == Key::Training ? access_.training_key : access_.prediction_key;
    key.clear();
    constexpr std::size_t kLongest = 4096;
    char c = 0;
    ssize_t count = 0;
    while (key.size() < kLongest && (count = ::read(*key_fd_, &c, 1)) == 1 && c != '\n') key += c;
    if (count >= 0 && !key.empty()) return std::nullopt;
    std::fprintf(stderr, "visionpress: --key-fd %d: %s\n", *key_fd_,
                 count < 0 ? std::strerror(errno) : "nothing to read");
    return Exit::Usage;
  }

  CommandLine line_;
  Key key_;
  CloudAccess access_ = {};
  OutputOptions output_ = {};
  std::optional<int> key_fd_ = std::nullopt;
};

Exit run_domains(const Arguments& arguments) {
  CloudCommand command("domains", "Lists the base models that training can start from.",
                       "  visionpress cloud domains");
  if (const auto exit = command.parse(arguments)) return *exit;
  return command.finish(cloud_domains(command.access()));
}

Exit run_projects(const Arguments& arguments) {
  CloudCommand command("projects", "Lists the projects.", "  visionpress cloud projects --json");
  if (const auto exit = command.parse(arguments)) return *exit;
  return command.finish(cloud_projects(command.access()));
}

Exit run_create(const Arguments& arguments) {
  CloudCommand command("create", "Creates a project.",
                       "  visionpress cloud create pets\n"
                       "  visionpress cloud create fruit --classification --multilabel");
  CloudCreateOptions options;
  bool classification = false;
  command.app().add_option("NAME", options.name, "Name of the project")->required();
  command.app()
      .add_option("--domain", options.domain,
                  "Base model: its name or id; compact ones can be "
                  "exported")
      ->type_name("NAME")
      ->capture_default_str();
  command.app().add_flag("--classification", classification,
                         "A project that names whole images; default: one that finds boxes");
  command.app().add_flag("--multilabel", options.multilabel,
                         "With --classification: several tags per image");
  command.app()
      .add_option("--description", options.description, "For people")
      ->type_name("TEXT")
      ->group(kMore);
  command.line().refuse_without({"--classification"}, {"--multilabel"});
  if (const auto exit = command.parse(arguments)) return *exit;
  if (classification) options.type = "Classification";
  const auto project = cloud_create(command.access(), options);
  if (!project) return report_error(project.error());
  return command.finish(Result<std::vector<CloudProject>>({*project}));
}

Exit run_delete(const Arguments& arguments) {
  CloudCommand command("delete", "Deletes a project with all its images, or one iteration of it.",
                       "  visionpress cloud delete --project pets --iteration \"Iteration 1\" "
                       "--yes\n"
                       "  visionpress cloud delete --project pets --yes");
  std::string project;
  std::string iteration;
  bool sure = false;
  command.add_project(project);
  command.add_iteration(iteration, "Delete only this iteration: its name or id");
  command.app().add_flag("--yes", sure, "Confirm: this cannot be undone");
  if (const auto exit = command.parse(arguments)) return *exit;
  if (!sure) {
    std::fprintf(stderr,
                 "visionpress cloud delete: %s of \"%s\" would be gone for good; --yes does it\n",
                 iteration.empty() ? "all images and iterations"
                                   : ("iteration \"" + iteration + "\"").c_str(),
                 project.c_str());
    return Exit::Usage;
  }
  const auto deleted = cloud_delete(command.access(), project, iteration);
  if (!deleted) return report_error(deleted.error());
  return print_result("deleted: " + *deleted + "\n");
}

Exit run_tags(const Arguments& arguments) {
  CloudCommand command("tags", "Lists a project's tags.", "  visionpress cloud tags -p pets");
  std::string project;
  command.add_project(project);
  if (const auto exit = command.parse(arguments)) return *exit;
  return command.finish(cloud_tags(command.access(), project));
}

Exit run_upload(const Arguments& arguments) {
  CloudCommand command(
      "upload", "Sends the images of a data set, with their tags and boxes.",
      "  visionpress cloud upload -p pets --data annotations.json\n"
      "  visionpress cloud upload -p pets --data coco.json --tags cat,dog --min-box 0.1 "
      "--state upload");
  CloudUploadOptions options;
  command.add_project(options.project);
  CLI::App& app = command.app();
  app.add_option("-d,--data", options.data,
                 "Labelled images: COCO, YOLO, Pascal VOC, VoTT and others, or a folder with one "
                 "folder for each tag")
      ->required()
      ->type_name("PATH");
  app.add_option("--images", options.images, "Folder of the images; default: beside the data")
      ->type_name("DIR");
  app.add_option("--tags", options.tags, "Only these tags, and the images that have them")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->type_name("NAMES");
  app.add_option("--min-box", options.min_box,
                 "Leave out boxes below this share of the image's side")
      ->capture_default_str();
  app.add_option("--max-images", options.max_images,
                 "Take only this many images, of a folder of tags evenly spread; 0: all")
      ->capture_default_str()
      ->check(check_count);
  app.add_option("--state", options.state,
                 "Folder that remembers what is sent, so that a stopped upload goes on")
      ->type_name("DIR");
  if (const auto exit = command.parse(arguments)) return *exit;
  const InterruptionNote note(
      options.state.empty()
          ? "images that were sent are in the project; --state DIR remembers them for next time"
          : "what was sent is remembered in " + options.state +
                "; the same command sends the rest");
  const auto result = command.with_progress(
      [&](const Progress& progress) { return cloud_upload(command.access(), options, progress); });
  const Exit printed = command.finish(result);
  if (printed != Exit::Done || result->failures.empty()) return printed;
  return Exit::FallsShort;
}

Exit run_train(const Arguments& arguments) {
  CloudCommand command("train", "Trains a project, and waits until it is done.",
                       "  visionpress cloud train -p pets\n"
                       "  visionpress cloud train -p pets --advanced --budget 4");
  CloudTrainOptions options;
  bool no_wait = false;
  command.add_project(options.project);
  CLI::App& app = command.app();
  app.add_flag("--advanced", options.advanced, "The long training, which costs by the hour");
  app.add_option("--budget", options.budget_hours, "With --advanced: hours it may take")
      ->capture_default_str()
      ->type_name("HOURS");
  app.add_flag("--force", options.force, "Train although nothing changed since the last time");
  app.add_flag("--no-wait", no_wait, "Begin, and do not wait");
  app.add_option("--max-wait", options.max_wait_minutes,
                 "Minutes to wait for it; default: 1440, and the budget")
      ->type_name("MINUTES")
      ->check(CLI::Range(1, 100'000).description(""))
      ->group(kMore);
  command.line().refuse_without({"--advanced"}, {"--budget"});
  command.line().refuse_beside("--no-wait", {"--max-wait"});
  if (const auto exit = command.parse(arguments)) return *exit;
  options.wait = !no_wait;
  const InterruptionNote note(
      "if the training has begun, the service goes on with it; the same command waits for it");
  return command.finish(command.with_progress(
      [&](const Progress& progress) { return cloud_train(command.access(), options, progress); }));
}

Exit run_iterations(const Arguments& arguments) {
  CloudCommand command("iterations", "Lists a project's trainings, the oldest first.",
                       "  visionpress cloud iterations -p pets");
  std::string project;
  command.add_project(project);
  if (const auto exit = command.parse(arguments)) return *exit;
  return command.finish(cloud_iterations(command.access(), project));
}

Exit run_publish(const Arguments& arguments) {
  CloudCommand command("publish",
                       "Publishes an iteration, so that it can be asked for predictions.",
                       "  visionpress cloud publish -p pets --name production --resource "
                       "/subscriptions/.../accounts/NAME\n"
                       "  visionpress cloud publish -p pets -i \"Iteration 1\" --undo");
  CloudPublishOptions options;
  options.resource = from_environment("VISIONPRESS_CV_PREDICTION_RESOURCE");
  command.add_project(options.project);
  command.add_iteration(options.iteration, "Its name or id; default: the newest completed one");
  CLI::App& app = command.app();
  app.add_option("--name", options.name, "What predictions call it")->type_name("NAME");
  app.add_option("--resource", options.resource,
                 "Id of the prediction resource; default: VISIONPRESS_CV_PREDICTION_RESOURCE")
      ->type_name("ID");
  app.add_flag("--overwrite", options.overwrite, "Take the name from the iteration that has it");
  app.add_flag("--undo", options.unpublish, "Unpublish it");
  command.line().refuse_beside("--undo", {"--name", "--resource", "--overwrite"});
  if (const auto exit = command.parse(arguments)) return *exit;
  const auto iteration = cloud_publish(command.access(), options);
  if (!iteration) return report_error(iteration.error());
  return command.finish(Result<std::vector<CloudIteration>>({*iteration}));
}

Exit run_default(const Arguments& arguments) {
  CloudCommand command("default",
                       "Makes an iteration the one that API 2 predicts with where none is named.",
                       "  visionpress cloud default -p pets -i \"Iteration 2\"");
  std::string project;
  std::string iteration;
  command.add_project(project);
  command.add_iteration(iteration, "Its name or id; default: the newest completed one");
  if (const auto exit = command.parse(arguments)) return *exit;
  const auto made = cloud_default(command.access(), project, iteration);
  if (!made) return report_error(made.error());
  return command.finish(Result<std::vector<CloudIteration>>({*made}));
}

Exit run_performance(const Arguments& arguments) {
  CloudCommand command("performance",
                       "Shows the service's own figures of an iteration (`evaluate` makes ours).",
                       "  visionpress cloud performance -p pets --threshold 0.4");
  CloudPerformanceOptions options;
  command.add_project(options.project);
  command.add_iteration(options.iteration, "Its name or id; default: the newest completed one");
  command.app()
      .add_option("--threshold", options.threshold, "Count detections above this probability")
      ->capture_default_str();
  command.app()
      .add_option("--overlap", options.overlap, "Overlap that makes a match")
      ->capture_default_str();
  if (const auto exit = command.parse(arguments)) return *exit;
  return command.finish(cloud_performance(command.access(), options));
}

Exit run_export(const Arguments& arguments) {
  CloudCommand command("export", "Has an iteration exported, and downloads the package.",
                       "  visionpress cloud export -p pets --platform CoreML -o pets.zip\n"
                       "  visionpress cloud export -p pets --platform TensorFlow --flavor "
                       "TensorFlowLite");
  CloudExportOptions options;
  command.add_project(options.project);
  command.add_iteration(options.iteration,
                        "Its name or id; default: the newest completed, exportable one");
  CLI::App& app = command.app();
  app.add_option("--platform", options.platform,
                 "CoreML, TensorFlow, ONNX, DockerFile, OpenVino, VAIDK, or a newer one")
      ->required()
      ->type_name("NAME");
  app.add_option("--flavor", options.flavor,
                 "TensorFlowLite, CoreMLFloat16, Linux, ..., or a newer one")
      ->type_name("NAME");
  app.add_option("-o,--output", options.output,
                 "File to write; default: ITERATION.PLATFORM[.FLAVOR].zip")
      ->type_name("FILE");
  app.add_flag("--force", options.overwrite, "Overwrite an existing output file");
  app.add_option("--max-wait", options.max_wait_minutes, "Minutes to wait for the service")
      ->capture_default_str()
      ->type_name("MINUTES")
      ->check(CLI::Range(1, 100'000).description(""))
      ->group(kMore);
  if (const auto exit = command.parse(arguments)) return *exit;
  return command.finish(command.with_progress(
      [&](const Progress& progress) { return cloud_export(command.access(), options, progress); }));
}

Exit run_cloud_predict(const Arguments& arguments) {
  CloudCommand command("predict", "Asks the service what is in images.",
                       "  visionpress cloud predict -p ID --published production photo.jpg\n"
                       "  visionpress cloud predict -p ID --published production --data "
                       "annotations.json --save-predictions online.json\n"
                       "  visionpress evaluate online.json model.mlmodel --data annotations.json\n"
                       "  visionpress cloud predict -p ID -i ITERATION-ID photo.jpg",
                       Key::Prediction);
  CloudPredictOptions options;
  std::vector<std::string> images;
  bool classification = false;
  CLI::App& app = command.app();
  app.add_option("IMAGE", images, "Image files");
  command.add_project(options.project)
      ->description("Project: its id; a name is looked up with the training key");
  app.add_option("--published", options.published_name, "Name it is published by (API 3)")
      ->type_name("NAME");
  command.add_iteration(options.iteration,
                        "API 2: an iteration's id; neither this nor "
                        "--published: the default iteration");
  app.add_option("-d,--data", options.data, "A data set in place of image files")
      ->type_name("PATH");
  app.add_option("--images", options.images, "Folder of its images; default: beside the data")
      ->type_name("DIR");
  app.add_option("--max-images", options.max_images,
                 "Take only this many of it, of a folder of tags evenly spread; 0: all")
      ->capture_default_str()
      ->check(check_count);
  app.add_option("--save-predictions", options.save_predictions,
                 "Write all answers as COCO results JSON, which `evaluate` scores")
      ->type_name("FILE");
  app.add_flag("--force", options.overwrite, "Overwrite an existing --save-predictions file");
  app.add_option("--probability", options.probability, "List answers above this probability")
      ->capture_default_str();
  app.add_flag("--classification", classification,
               "A project that names whole images; default: one that finds boxes");
  app.add_flag("--store", options.store, "Let the service keep the images, to train with them");
  command.line().refuse_without({"--data"}, {"--images", "--max-images"});
  command.line().refuse_without({"--save-predictions"}, {"--force"});
  command.line().refuse_beside("--published", {"--iteration"});
  if (const auto exit = command.parse(arguments)) return *exit;
  if (classification) options.task = Task::Classification;
  std::optional<InterruptionNote> note;
  if (!options.save_predictions.empty())
    note.emplace("the answers so far are kept; the same command asks for the rest");
  return command.finish(command.with_progress([&](const Progress& progress) {
    return cloud_predict(command.access(), images, options, progress);
  }));
}

constexpr std::array<Command, 13> kSubCommands = {{
    {"domains", "the base models that training can start from", run_domains},
    {"projects", "the projects there are", run_projects},
    {"create", "make a project", run_create},
    {"upload", "send labelled images", run_upload},
    {"tags", "a project's tags", run_tags},
    {"train", "train, and wait", run_train},
    {"iterations", "a project's trainings", run_iterations},
    {"performance", "the service's own figures of an iteration", run_performance},
    {"publish", "make an iteration available for predictions", run_publish},
    {"default", "the iteration that API 2 uses", run_default},
    {"predict", "what the service sees in images", run_cloud_predict},
    {"export", "fetch a model", run_export},
    {"delete", "delete a project or an iteration", run_delete},
}};

}  // namespace

Exit run_cloud(const Arguments& arguments) {
  const std::string help =
      "The Custom Vision service: from labelled images to an exported model.\n"
      "Usage: visionpress cloud COMMAND [OPTIONS]\n\nCommands:\n" +
      list_commands(kSubCommands) +
      "\ncloud COMMAND -h: its options. Keys come from the environment (docs/cloud.md):\n"
      "VISIONPRESS_CV_ENDPOINT, VISIONPRESS_CV_TRAINING_KEY, VISIONPRESS_CV_PREDICTION_KEY\n";
  return run_one_of(kSubCommands, "visionpress cloud", help, arguments);
}

}  // namespace visionpress
