#include <algorithm>

#include "command_line.h"
#include "progress.h"
#include "visionpress/compress.h"

namespace visionpress {
namespace {

std::string explain_schemes() {
  std::string text = "Schemes:\n";
  for (const SchemeInfo& scheme : schemes()) {
    text += "  " + scheme.name +
            std::string(scheme.name.size() < 16 ? 16 - scheme.name.size() : 1, ' ') + scheme.help +
            "\n";
  }
  return text;
}

/// Whether the scheme's codes are too long for TFLite's packed type.
bool has_long_codes(const std::string& name) {
  constexpr int kPackedBits = 4;
  const std::vector<SchemeInfo> all = schemes();
  return std::any_of(all.begin(), all.end(), [&name](const SchemeInfo& scheme) {
    return scheme.name == name && scheme.bits > kPackedBits;
  });
}

void add_options(CommandLine& line, CompressOptions& options, bool& table) {
  CLI::App& app = line.app();
  app.add_option("FILE", options.input, kModelHelp)->required();
  app.add_option("-w,--weights", options.scheme, "How to store the weights")
      ->required()
      ->type_name(list_schemes());
  app.add_option("-o,--output", options.output,
                 "File to write, or a folder for it; default: NAME.SCHEME.EXT beside FILE")
      ->type_name("PATH");
  app.add_option(
         "--keep", options.keep,
         "Leave this layer or weight as it is; * and ? stand for any characters. Repeatable")
      ->type_name("NAME")
      ->expected(1)
      ->take_all();
  app.add_flag("--force", options.overwrite, "Overwrite an existing output file");
  app.add_flag("--keep-first-last", options.keep_first_last,
               "Leave the first and the last kernel as they are")
      ->group(kMore);
  app.add_flag_callback(
         "--no-default-keep", [&options] { options.keep_sensitive = false; },
         "Below 6 bits: fewer than 8 bits also for depthwise kernels, the first layer and the "
         "layers that make the outputs")
      ->group(kMore);
  app.add_option_function<std::size_t>(
         "--min-elements", [&options](std::size_t count) { options.min_elements = count; },
         "Leave weights of fewer elements as they are; default: 1024 for 8 bits; fp16: 128, in "
         "Core ML 0")
      ->type_name("N")
      ->check(check_count)
      ->group(kMore);
  app.add_flag("--quantize-biases", options.quantize_biases,
               "Biases and vectors too, where the format allows")
      ->group(kMore);
  add_tflite_options(line, options.integer_storage, options.code_storage);
  app.add_flag("--download", options.count_download,
               "Also count the bytes to download (gzip -9); takes up to a second per megabyte");
  app.add_flag("--table", table, "Also show one row per weight");
  add_threads(app, options.threads);
}

}  // namespace

Exit run_compress(const Arguments& arguments) {
  CommandLine line(
      "compress", "Rewrites a model file with its weights in fewer bits.",
      "  visionpress compress model.mlmodel --weights fp16\n"
      "  visionpress compress model.tflite -w linear-8 -o small.tflite\n"
      "  visionpress compress model.mlmodel -w linear-8 --keep conv1 --keep 'head/*' --table\n"
      "  visionpress compress model.mlmodel -w linear-4 --calibrate photos\n\n" +
          explain_schemes());
  CompressOptions options;
  OutputOptions output;
  bool table = false;
  add_options(line, options, table);
  add_calibration_options(line, options.calibration);
  line.app()
      .add_option("--noise-budget", options.calibration.noise_budget,
                  "Noise to add for fewer bytes to download: about this share of the results' "
                  "power, up to 1; best with linear-8")
      ->type_name("SHARE")
      ->capture_default_str();
  add_form_options(line.app(), output);
  line.refuse_without({"--calibrate"},
                      {"--calibration-images", "--noise-budget", "--seed", "--resize", "--filter",
                       "--color", "--input-size", "--set", "--mean", "--std"});
  line.refuse_beside("--weights=fp16", {"--tflite-int8", "--tflite-storage", "--calibrate"});
  if (const auto exit = line.parse(arguments)) return *exit;

  ProgressMeter meter(output.quiet);
  options.calibration.progress = show_on(meter);
  const auto result = compress(options);
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  if (result->format != "TFLite") {
    line.warn_without_effect({"--tflite-int8", "--tflite-storage"}, "a file that is not TFLite",
                             output.quiet);
  } else if (result->scheme != "fp16") {
    if (has_long_codes(result->scheme)) {
      line.warn_without_effect({"--tflite-storage"}, "codes of more than 4 bits", output.quiet);
    }
    line.warn_without_effect({"--quantize-biases"},
                             "TFLite files in 8 bits, whose biases are float", output.quiet);
  }
  return print_result(format_report(*result, output.form, table ? Detail::Full : Detail::Summary));
}

}  // namespace visionpress
