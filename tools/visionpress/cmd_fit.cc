#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>

#include "command_line.h"
#include "interruption.h"
#include "progress.h"
#include "visionpress/fit.h"
#include "visionpress/picture.h"

namespace visionpress {
namespace {

struct SizeUnit {
  std::string_view name;
  double bytes;
};
constexpr std::array<SizeUnit, 9> kUnits = {{{"", 1.0},
                                             {"B", 1.0},
                                             {"kB", 1e3},
                                             {"KB", 1e3},
                                             {"MB", 1e6},
                                             {"GB", 1e9},
                                             {"GiB", 1024.0 * 1024.0 * 1024.0},
                                             {"KiB", 1024.0},
                                             {"MiB", 1024.0 * 1024.0}}};

/// "3MB", "3.2MB", "800kB", "2900000": bytes; 1 MB is 10^6 bytes, 1 MiB is 2^20.
std::uint64_t parse_bytes(const std::string& name, const std::string& text) {
  double number = 0.0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  const std::string unit(end, last);
  for (const auto& [word, factor] : kUnits) {
    if (error != std::errc() || unit != word) continue;
    const double bytes = number * factor;
    if (std::isfinite(bytes) && bytes >= 1.0 && bytes < 1e15)
      return static_cast<std::uint64_t>(bytes);
  }
  throw CLI::ValidationError(name, "\"" + text +
                                       "\" is not a size; expected bytes, as in 3.2MB, "
                                       "800kB or 2900000");
}

void add_limits(CLI::App& app, FitLimits& limits) {
  app.add_option_function<std::string>(
         "--max-size",
         [&limits](const std::string& text) { limits.max_size = parse_bytes("--max-size", text); },
         "Most bytes of the file: 3.2MB, 800kB, 2900000")
      ->type_name("SIZE");
  app.add_option_function<std::string>(
         "--max-download",
         [&limits](const std::string& text) {
           limits.max_download = parse_bytes("--max-download", text);
         },
         "Most bytes of the file after gzip -9, as a store sends it")
      ->type_name("SIZE");
  app.add_option_function<double>(
         "--max-drop", [&limits](double points) { limits.max_drop = points; },
         "Most points of mAP (classifiers: top-1) to lose against FILE; alone: the smallest such "
         "file")
      ->type_name("POINTS");
  app.add_option_function<double>(
         "--min-agreement", [&limits](double share) { limits.min_agreement = share; },
         "Least agreement with FILE's own boxes or classes, 0 to 1; needs no labels")
      ->type_name("SHARE");
}

void add_options(CommandLine& line, FitOptions& options) {
  CLI::App& app = line.app();
  app.add_option("FILE", options.input, kModelHelp)->required();
  add_limits(app, options.limits);
  app.add_option("-d,--data", options.evaluate.data,
                 "Images to measure on: COCO, YOLO, Pascal VOC, VoTT and others, a folder with one "
                 "folder for each tag, or "
                 "pictures without labels")
      ->required()
      ->type_name("PATH");
  app.add_option("--images", options.evaluate.images,
                 "Folder of the images; default: beside the data")
      ->type_name("DIR");
  app.add_option("--labels", options.evaluate.labels,
                 "Label file, one tag per line; default: in the model, else labels.txt or "
                 "NAME_labels.txt beside it")
      ->type_name("FILE");
  app.add_flag("--unlabelled", options.evaluate.unlabelled,
               "Use no labels, only agreement; a folder of pictures without tag folders is so by "
               "itself")
      ->group(kMore);
  app.add_option("-o,--output", options.output,
                 "File to write, or a folder for it; default: NAME.fit.EXT beside FILE")
      ->type_name("PATH");
  app.add_flag("--force", options.overwrite, "Overwrite an existing output file");
  app.add_option("--calibrate", options.calibration.images,
                 "Pictures that choose the codes: a folder, or a data set, whose labels are not "
                 "used; default: some of the data, which then do not judge")
      ->type_name("IMAGES");
  app.add_option("--calibration-images", options.calibration.count, "Most pictures to use; 0: all")
      ->type_name("N")
      ->check(check_count)
      ->capture_default_str()
      ->group(kMore);
  app.add_flag("--allow-overlap", options.allow_overlap,
               "Pictures that choose the codes may judge the files, too")
      ->group(kMore);
  app.add_option("--forms", options.forms,
                 "Forms to choose from; FORM:0.01 trades noise for a smaller download; default: "
                 "linear-2 to linear-8, or such noise where the download counts")
      ->type_name("FORM,...")
      ->delimiter(',')
      ->group(kMore);
  app.add_option(
         "--keep", options.keep,
         "Leave this layer or weight as it is; * and ? stand for any characters. Repeatable")
      ->type_name("NAME")
      ->expected(1)
      ->take_all();
  app.add_option("--candidates", options.most_candidates, "Most files to write and measure")
      ->type_name("N")
      ->check(check_count)
      ->capture_default_str()
      ->group(kMore);
  app.add_option(
         "--sensitivity", options.sensitivity,
         "What `sensitivity --json` printed for FILE, or for all its shards; default: measured")
      ->type_name("FILE")
      ->group(kMore);
  app.add_option(
         "--work", options.work,
         "Folder of what has been measured, from which an interrupted run goes on; default: "
         "OUTPUT.work, removed at the end")
      ->type_name("DIR")
      ->group(kMore);
  app.add_flag("--crops", options.evaluate.crops,
               "Classifiers: score the boxes of a detection data set as crops")
      ->group(kMore);
}

/// Of the default output only the program knows the name before the model is read.
std::string name_work(const FitOptions& options) {
  if (!options.work.empty()) return options.work;
  return options.output.empty() ? "the .work folder beside the output" : options.output + ".work";
}

}  // namespace

Exit run_fit(const Arguments& arguments) {
  CommandLine line("fit",
                   "Chooses the bits of each weight such that the file meets a limit, and measures "
                   "the file.",
                   "  visionpress fit model.mlmodel --max-size 3MB --data annotations.json\n"
                   "  visionpress fit model.tflite --max-download 2MB --data vott.json --calibrate "
                   "photos\n"
                   "  visionpress fit model.mlmodel --max-drop 0.5 --data annotations.json\n"
                   "  visionpress fit model.mlmodel --min-agreement 0.98 --data annotations.json");
  FitOptions options;
  OutputOptions output;
  PictureOptions picture;
  add_options(line, options);
  add_picture_options(line.app(), picture);
  line.refuse_without({"--picture"}, {"--picture-points"});
  line.refuse_beside("--sensitivity", {"--forms"});
  add_tflite_options(line, options.integer_storage, options.code_storage);
  add_form_options(line.app(), output);
  add_preprocess_options(line, options.evaluate.preprocess);
  line.app()
      .add_option("--seed", options.evaluate.seed,
                  "Seed of the halves of the images, of the pictures and of the intervals")
      ->capture_default_str()
      ->group(kMore);
  add_threads(line.app(), options.threads);
  if (const auto exit = line.parse(arguments)) return *exit;
  options.calibration.seed = options.evaluate.seed;
  picture.overwrite = options.overwrite;
  if (!picture.path.empty()) {
    if (const auto checked = check_picture(picture); !checked) return report_error(checked.error());
  }
  const InterruptionNote note("what was measured stays in " + name_work(options) +
                              "; the same command goes on from there");
  const auto result = [&] {
    ProgressMeter meter(output.quiet);
    return fit(options, show_on(meter));
  }();
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  if (!picture.path.empty()) {
    if (const auto saved = save_picture(*result, picture); !saved) {
      return report_error(saved.error());
    }
  }
  const Exit printed = print_result(format_report(*result, output.form));
  if (printed != Exit::Done) return printed;
  return result->meets_limits ? Exit::Done : Exit::FallsShort;
}

}  // namespace visionpress
