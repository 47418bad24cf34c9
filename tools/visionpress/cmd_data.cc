// `data` and its sub-commands.

#include <array>

#include "command_line.h"
#include "progress.h"
#include "visionpress/data.h"

namespace visionpress {
namespace {

Exit run_coco(const Arguments& arguments) {
  CommandLine line("data coco", "Picks images of a COCO file by tag, and downloads them.",
                   "  visionpress data coco instances_train2017.json --tags cat,dog -o pets\n"
                   "  visionpress data coco instances_val2017.json --tags cat -o cats "
                   "--max-images 100\n"
                   "  visionpress evaluate model.mlmodel --data pets/annotations.json");
  CocoSubsetOptions options;
  OutputOptions output;
  bool no_download = false;
  CLI::App& app = line.app();
  app.add_option("ANNOTATIONS", options.annotations, "COCO JSON, of any size")->required();
  app.add_option("-o,--output", options.output, "Folder for annotations.json and images/")
      ->required()
      ->type_name("DIR");
  app.add_option("--tags", options.tags, "Images that have one of these; default: all images")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->type_name("NAMES");
  app.add_option("--min-box", options.min_box,
                 "Leave out boxes below this share of the image's width or height")
      ->capture_default_str();
  app.add_option("--max-images", options.max_images, "Take only this many images; 0: all")
      ->capture_default_str()
      ->check(check_count);
  app.add_flag("--no-download", no_download, "Write only the annotations");
  app.add_flag("--skip-missing", options.skip_missing,
               "Leave out images that cannot be downloaded");
  app.add_flag(
      "--force", options.overwrite,
      "Overwrite an annotations.json of another content, and other images of the same names");
  app.add_option("--parallel", options.parallel, "Downloads at a time")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 64).description(""))
      ->group(kMore);
  app.add_option("--retries", options.retries, "Retries per request")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(0, 100).description(""))
      ->group(kMore);
  app.add_option("--timeout", options.timeout_seconds,
                 "Give up a connection after this many seconds without data")
      ->capture_default_str()
      ->type_name("S")
      ->check(CLI::Range(1, 3600).description(""))
      ->group(kMore);
  add_form_options(app, output);
  line.refuse_beside("--no-download", {"--skip-missing", "--parallel", "--retries", "--timeout"});
  if (const auto exit = line.parse(arguments)) return *exit;
  options.download = !no_download;
  const auto result = [&] {
    ProgressMeter meter(output.quiet);
    return make_coco_subset(options, show_on(meter));
  }();
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  return print_result(format_report(*result, output.form));
}

Exit run_data_convert(const Arguments& arguments) {
  CommandLine line("data convert", "Writes a data set in another form, with its images.",
                   "  visionpress data convert annotations.json --to yolo -o yolo\n"
                   "  visionpress data convert VOC2012 --to coco -o coco --split val\n"
                   "  visionpress data convert data.yaml --to vott -o vott --no-images");
  DataConvertOptions options;
  OutputOptions output;
  bool no_images = false;
  CLI::App& app = line.app();
  app.add_option("DATA", options.data, "Any data set that --data takes: a file or a folder")
      ->required();
  app.add_option("-o,--output", options.output, "New folder for the data set")
      ->required()
      ->type_name("DIR");
  app.add_option("--to", options.form,
                 "coco, yolo, voc, vott, vott-csv, createml, label-studio, labelme, azure, csv or "
                 "folder")
      ->required()
      ->type_name("FORM");
  app.add_option("--images", options.images, "Where the images are; default: beside DATA")
      ->type_name("DIR");
  app.add_option("--split", options.split, "Take the images of one split: train, val or test")
      ->type_name("NAME");
  app.add_flag("--no-images", no_images, "Write only the labels");
  app.add_flag("--skip-missing", options.skip_missing, "Leave out images that are not there");
  app.add_flag("--force", options.overwrite,
               "Overwrite a folder that has nothing but pictures and label files");
  add_form_options(app, output);
  line.refuse_beside("--no-images", {"--skip-missing"});
  if (const auto exit = line.parse(arguments)) return *exit;
  options.copy_images = !no_images;
  const auto result = [&] {
    ProgressMeter meter(output.quiet);
    return convert_data_set(options, show_on(meter));
  }();
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  return print_result(format_report(*result, output.form));
}

}  // namespace

Exit run_data(const Arguments& arguments) {
  constexpr auto kSubCommands = std::to_array<Command>({
      {"convert", "write a data set in another form, with its images", run_data_convert},
      {"coco", "pick images of a COCO file by tag, and download them", run_coco},
  });
  const std::string help =
      "Makes data sets out of others.\nUsage: visionpress data COMMAND [OPTIONS]\n\nCommands:\n" +
      list_commands(kSubCommands) + "\ndata COMMAND -h: its options\n";
  return run_one_of(kSubCommands, "visionpress data", help, arguments);
}

}  // namespace visionpress
