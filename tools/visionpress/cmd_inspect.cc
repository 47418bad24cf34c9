#include "command_line.h"
#include "visionpress/model.h"
#include "visionpress/package_listing.h"
#include "visionpress/runtimes.h"

namespace visionpress {
namespace {

struct InspectOptions {
  std::vector<std::string> files = {};
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;
  Detail detail = Detail::Summary;
  OutputOptions output = {};
};

/// Prints a package of several models, where `file` is one. Among several files only in text: the
/// other forms are one document of one kind.
std::optional<Exit> print_package(const InspectOptions& options, const std::string& file) {
  const bool is_alone = options.files.size() == 1 || options.output.form == ReportForm::Text;
  if (!is_alone) return std::nullopt;
  const auto listing = list_package(file);
  if (!listing || !*listing) return std::nullopt;  // `inspect` says what is wrong with it
  print_warnings((*listing)->warnings, options.output);
  return print_result(format_report(**listing, options.output.form));
}

/// Prints what `read` says of each file. A file that cannot be read does not hide the others.
template <typename Info, typename Read>
Exit print_files(const InspectOptions& options, Read read) {
  const OutputOptions& output = options.output;
  std::vector<Info> infos;
  Exit exit = Exit::Done;
  for (const std::string& file : options.files) {
    if (const auto printed = print_package(options, file)) {
      if (*printed != Exit::Done || options.files.size() == 1) return *printed;
      continue;
    }
    auto info = read(file, options.input_size);
    if (!info) {
      const Exit failed = report_error(info.error());
      if (exit == Exit::Done) exit = failed;
      continue;
    }
    print_warnings(info->warnings, output);
    if (output.form == ReportForm::Text) {
      const Exit printed = print_result(format_report(*info, output.form, options.detail));
      if (printed != Exit::Done) return printed;
    } else {
      infos.push_back(std::move(*info));
    }
  }
  if (output.form == ReportForm::Text || (infos.empty() && options.files.size() == 1)) return exit;
  const std::string text = options.files.size() == 1
                               ? format_report(infos.front(), output.form, options.detail)
                               : format_report(infos, output.form, options.detail);
  const Exit printed = print_result(text);
  return printed == Exit::Done ? exit : printed;
}

}  // namespace

Exit run_inspect(const Arguments& arguments) {
  CommandLine line("inspect",
                   "Says what is in a model file, and what each scheme would make of it.",
                   "  visionpress inspect model.mlmodel\n"
                   "  visionpress inspect --layers model.tflite\n"
                   "  visionpress inspect --runtimes model.tflite\n"
                   "  visionpress inspect --json model.tflite\n"
                   "  visionpress inspect --csv *.tflite *.mlmodel");
  InspectOptions options;
  bool layers = false;
  bool runtimes = false;
  line.app().add_option("FILE", options.files, kModelHelp)->required();
  line.app().add_flag(
      "--layers", layers,
      "Also list every layer, every weight and the file's metadata (--csv: only the weights)");
  line.app().add_flag(
      "--runtimes", runtimes,
      "Say instead which runtimes take the file, and why not: LiteRT's XNNPACK, its "
      "own kernels and its GPU delegate, Core ML by iOS version; --layers: for every "
      "operator");
  add_input_size(line.app(), options.input_size);
  add_form_options(line.app(), options.output);
  if (const auto exit = line.parse(arguments)) return *exit;

  if (layers) options.detail = Detail::Full;
  if (runtimes) {
    return print_files<RuntimeReport>(
        options, [](const auto& file, const auto& size) { return inspect_runtimes(file, size); });
  }
  return print_files<ModelInfo>(
      options, [](const auto& file, const auto& size) { return inspect(file, size); });
}

}  // namespace visionpress
