#include "command_line.h"
#include "progress.h"
#include "visionpress/sensitivity.h"

namespace visionpress {

Exit run_sensitivity(const Arguments& arguments) {
  CommandLine line(
      "sensitivity", "Shows how much a model's outputs change when one weight takes fewer bits.",
      "  visionpress sensitivity model.mlmodel --calibrate photos\n"
      "  visionpress sensitivity model.tflite --calibrate photos --forms "
      "linear-4,linear-2\n"
      "  visionpress sensitivity model.mlmodel --calibrate photos --json >weights.json");
  SensitivityOptions options;
  OutputOptions output;
  CLI::App& app = line.app();
  app.add_option("FILE", options.input, kModelHelp)->required();
  add_calibration_options(line, options.calibration);
  app.get_option("--calibrate")->required();
  app.add_option("--forms", options.forms,
                 "Forms to try; FORM:0.01 trades noise for a smaller download; default: linear-2 "
                 "to linear-8")
      ->type_name("FORM,...")
      ->delimiter(',');
  app.add_option(
         "--compared", options.compared,
         "Most pictures whose outputs are compared; a third at most, which then choose no codes")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(kMore);
  add_shard(
      app, options.shard,
      "Measure one of N even parts of the weights: 3/16 is the third of 16; fit puts the --json "
      "of all parts together");
  add_threads(app, options.threads);
  add_form_options(app, output);
  if (const auto exit = line.parse(arguments)) return *exit;
  const auto result = [&] {
    ProgressMeter meter(output.quiet);
    options.calibration.progress = show_on(meter);
    return measure_sensitivity(options);
  }();
  if (!result) return report_error(result.error());
  print_warnings(result->warnings, output);
  return print_result(format_report(*result, output.form));
}

}  // namespace visionpress
