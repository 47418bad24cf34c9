#include "command_line.h"
#include "visionpress/model.h"

namespace visionpress {

Exit run_inspect(const Arguments& arguments) {
  CommandLine line("inspect",
                   "Says what is in a model file, and what each scheme would make of it.",
                   "  visionpress inspect model.mlmodel\n"
                   "  visionpress inspect --layers model.tflite\n"
                   "  visionpress inspect --json model.tflite\n"
                   "  visionpress inspect --csv *.tflite *.mlmodel");
  std::vector<std::string> files;
  bool layers = false;
  OutputOptions output;
  line.app().add_option("FILE", files, kModelHelp)->required();
  line.app().add_flag(
      "--layers", layers,
      "Also list every layer, every weight and the file's metadata (--csv: only the weights)");
  std::optional<std::array<std::int64_t, 2>> input_size;
  add_input_size(line.app(), input_size);
  add_form_options(line.app(), output);
  if (const auto exit = line.parse(arguments)) return *exit;

  // A file that cannot be read does not hide the others.
  const Detail detail = layers ? Detail::Full : Detail::Summary;
  std::vector<ModelInfo> infos;
  Exit exit = Exit::Done;
  for (const std::string& file : files) {
    auto info = inspect(file, input_size);
    if (!info) {
      const Exit failed = report_error(info.error());
      if (exit == Exit::Done) exit = failed;
      continue;
    }
    print_warnings(info->warnings, output);
    if (output.form == ReportForm::Text) {
      const Exit printed = print_result(format_report(*info, output.form, detail));
      if (printed != Exit::Done) return printed;
    } else {
      infos.push_back(std::move(*info));
    }
  }
  if (output.form == ReportForm::Text || (infos.empty() && files.size() == 1)) return exit;
  const std::string text = files.size() == 1 ? format_report(infos.front(), output.form, detail)
                                             : format_report(infos, output.form, detail);
  const Exit printed = print_result(text);
  return printed == Exit::Done ? exit : printed;
}

}  // namespace visionpress
