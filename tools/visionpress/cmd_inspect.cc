#include "command_line.h"
#include "visionpress/model.h"

namespace visionpress {

Exit run_inspect(const Arguments& arguments) {
  CommandLine line("inspect",
                   "Says what is in a model file, and what each scheme would make of it.",
                   "  visionpress inspect model.mlmodel\n"
                   "  visionpress inspect --layers model.tflite\n"
                   "  visionpress inspect --json model.tflite");
  std::vector<std::string> files;
  bool layers = false;
  OutputOptions output;
  line.app().add_option("FILE", files, kModelHelp)->required();
  line.app().add_flag(
      "--layers", layers,
      "A row a layer and a weight too, and the file's metadata (--csv: the weights alone)");
  std::optional<std::array<std::int64_t, 2>> input_size;
  add_input_size(line.app(), input_size);
  add_form_options(line.app(), output);
  if (const auto exit = line.parse(arguments)) return *exit;

  for (const std::string& file : files) {
    const auto info = inspect(file, input_size);
    if (!info) return report_error(info.error());
    print_warnings(info->warnings, output);
    const Exit printed =
        print_result(format_report(*info, output.form, layers ? Detail::Full : Detail::Summary));
    if (printed != Exit::Done) return printed;
  }
  return Exit::Done;
}

}  // namespace visionpress
