#include "command_line.h"
#include "visionpress/convert.h"

namespace visionpress {
namespace {

void add_options(CommandLine& line, ConvertOptions& options, bool& table) {
  CLI::App& app = line.app();
  app.add_option("FILE", options.input, "TensorFlow frozen graph (.pb), or a SavedModel's folder")
      ->required();
  app.add_option("-o,--output", options.output,
                 "File to write, or a folder for it; default: NAME.tflite beside FILE")
      ->type_name("PATH");
  app.add_option("-w,--weights", options.weights, "How to store the weights; default: as float32")
      ->type_name(list_schemes());
  add_input_size(app, options.input_size);
  add_settings(app, options.settings);
  app.add_flag("--force", options.overwrite, "Overwrite an existing output file");
  line.add_choice<Compatibility>(
          "--compatibility", options.compatibility,
          {{"current", Compatibility::Current}, {"tf-1.12", Compatibility::TensorFlow112}},
          "tf-1.12: operators and 8-bit tensors as TensorFlow 1.12's converter wrote them")
      ->group(kMore)
      ->default_str("current");
  app.add_flag_callback(
      "--no-check", [&options] { options.check = false; },
      "Keep the new file without comparing its outputs with the source's");
  app.add_option("--check-seconds", options.check_seconds,
                 "Give that check up after so many seconds and keep the file unchecked")
      ->capture_default_str()
      ->group(kMore);
  app.add_flag("--table", table, "With --weights: also show one row per weight");
  add_threads(app, options.threads);
}

}  // namespace

Exit run_convert(const Arguments& arguments) {
  CommandLine line("convert",
                   "Writes a TensorFlow frozen graph or SavedModel as a TensorFlow Lite file.",
                   "  visionpress convert model.pb\n"
                   "  visionpress convert model.pb -o small.tflite --weights linear-8\n"
                   "  visionpress convert style.pb --input-size 512x512\n");
  ConvertOptions options;
  OutputOptions output;
  bool table = false;
  add_options(line, options, table);
  add_form_options(line.app(), output);
  line.refuse_beside("--no-check", {"--check-seconds"});
  line.refuse_without({"--weights"}, {"--table"});
  if (const auto exit = line.parse(arguments)) return *exit;

  const auto result = convert(options);
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  return print_result(format_report(*result, output.form, table ? Detail::Full : Detail::Summary));
}

}  // namespace visionpress
