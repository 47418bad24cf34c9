#pragma once

// What the commands share: options with help in two sizes, errors as one line, exit codes.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "visionpress/calibration.h"
#include "visionpress/compress.h"
#include "visionpress/evaluate.h"
#include "visionpress/picture.h"
#include "visionpress/report.h"
#include "visionpress/result.h"

namespace visionpress {

/// The program's exit codes.
enum class Exit : std::uint8_t {
  Done = 0,
  FallsShort = 1,  ///< a measured result misses the limit that was asked for
  Usage = 2,
  Input = 3,
  Output = 4,
  Internal = 5,
};

/// Options of this group appear only in the long help.
inline constexpr const char* kMore = "More options";

/// Help text of the model argument.
inline constexpr const char* kModelHelp =
    "Model file (.mlmodel, .onnx, .tflite, .pb), export package (.zip or its folder), or "
    "PACKAGE:NAME "
    "(.task)";

/// The value of an environment variable; empty where it is not set.
[[nodiscard]] std::string from_environment(const char* name);

/// One command's options.
class CommandLine {
 public:
  /// examples: shown by the long help, one per line.
  CommandLine(const std::string& name, const std::string& purpose, std::string examples);

  [[nodiscard]] CLI::App& app() { return *app_; }
  /// Parses the arguments after the command's name. Something: the program is to end with it, since
  /// help was asked for (printed to stdout) or the arguments are wrong (one line on stderr).
  [[nodiscard]] std::optional<Exit> parse(const std::vector<std::string>& arguments);

  /// Options that do nothing when another is given: `parse` refuses them where that one is given.
  /// mode: its long name, or --NAME=VALUE where it is one value that leaves them nothing to do.
  void refuse_beside(std::string mode, std::vector<std::string> options) {
    beside_.push_back({{std::move(mode)}, std::move(options)});
  }
  /// All options but those do nothing when `mode` is given.
  void refuse_others_beside(std::string mode, std::vector<std::string> allowed) {
    others_.push_back({{std::move(mode)}, std::move(allowed)});
  }
  /// Options that do nothing unless one of some others is given.
  void refuse_without(std::vector<std::string> needed, std::vector<std::string> options) {
    without_.push_back({std::move(needed), std::move(options)});
  }
  /// Warns of options that turn out useless once the files are read: "warning: --top has no effect
  /// on a detector".
  void warn_without_effect(const std::vector<std::string>& options, const std::string& where,
                           bool quiet) const;

  /// A flag or option that takes one of the named values.
  template <typename T>
  CLI::Option* add_choice(const std::string& name, T& value,
                          const std::vector<std::pair<std::string, T>>& choices,
                          const std::string& help) {
    std::string names;
    for (const auto& [word, choice] : choices) names += (names.empty() ? "" : "|") + word;
    auto* option = app_->add_option_function<std::string>(
        name,
        [&value, choices, names, name](const std::string& given) {
          for (const auto& [word, choice] : choices) {
            if (word == given) {
              value = choice;
              return;
            }
          }
          throw CLI::ValidationError(name, "\"" + given + "\" is none of " + names);
        },
        help);
    return option->type_name(names);
  }

 private:
  /// `options` and those that they depend on.
  struct Dependence {
    std::vector<std::string> on = {};
    std::vector<std::string> options = {};
  };

  Exit print_help(bool all);
  /// option: with or without a value.
  [[nodiscard]] bool is_given(const std::string& option) const;
  /// The first option that was given and does nothing; empty where there is none.
  [[nodiscard]] std::string describe_idle() const;

  std::unique_ptr<CLI::App> app_;
  std::vector<Dependence> beside_ = {};
  std::vector<Dependence> without_ = {};
  std::vector<Dependence> others_ = {};  ///< `options`: those that do something
  std::string examples_;
};

/// Options that more than one command has.
struct OutputOptions {
  ReportForm form = ReportForm::Text;
  bool quiet = false;
};
void add_form_options(CLI::App& app, OutputOptions& options);
/// For CLI::Option::check: empty when the text is a whole number of 64 bits, otherwise what is
/// wrong. CLI11 takes "-1" for the largest number.
std::string check_count(const std::string& text);
/// How predictions are counted: metric, thresholds, intervals. metric_help: of --metric, which
/// stands in the group.
void add_metric_options(CommandLine& line, EvaluateOptions& options,
                        const std::string& metric_help);
/// How pictures become the model's input.
void add_preprocess_options(CommandLine& line, PreprocessOptions& preprocess);
void add_run_options(CommandLine& line, Arithmetic& arithmetic, PreprocessOptions& preprocess);
/// The pictures that choose codes, and how they become the model's input.
void add_calibration_options(CommandLine& line, CalibrationOptions& options);
/// --tflite-int8 and --tflite-storage.
void add_tflite_options(CommandLine& line, IntegerStorage& integers, CodeStorage& codes);
/// --picture, --picture-points.
void add_picture_options(CLI::App& app, PictureOptions& options);
void add_threads(CLI::App& app, int& threads);
/// --shard I/N
void add_shard(CLI::App& app, Shard& shard, const std::string& help);
/// "fp16|linear-1..8|...", for the help of --weights.
std::string list_schemes();
/// --set NAME=VALUE.
CLI::Option* add_settings(CLI::App& app, std::vector<InputSetting>& settings);
/// --input-size WxH.
CLI::Option* add_input_size(CLI::App& app, std::optional<std::array<std::int64_t, 2>>& input_size);

/// One line on stderr; the exit code follows from the kind.
Exit report_error(const Error& error);
/// Prints one line "warning: ..." per warning on stderr, unless quiet.
void print_warnings(const std::vector<std::string>& warnings, const OutputOptions& options);
/// The result, on stdout. Output when that cannot be written.
Exit print_result(const std::string& text);

/// The commands; `arguments` come after the command's name.
using Arguments = std::vector<std::string>;

struct Command {
  const char* name;
  const char* purpose;  ///< in the list of commands
  Exit (*run)(const Arguments&);
};

/// One line per command, for the help.
[[nodiscard]] std::string list_commands(std::span<const Command> commands);
/// Runs the command that the first argument names with those after it; -h and --help print `help`.
Exit run_one_of(std::span<const Command> commands, const std::string& program,
                const std::string& help, const Arguments& arguments);

Exit run_inspect(const Arguments& arguments);
Exit run_compress(const Arguments& arguments);
Exit run_cloud(const Arguments& arguments);
Exit run_data(const Arguments& arguments);
Exit run_convert(const Arguments& arguments);
Exit run_evaluate(const Arguments& arguments);
Exit run_experiment(const Arguments& arguments);
Exit run_predict(const Arguments& arguments);
Exit run_fit(const Arguments& arguments);
Exit run_sensitivity(const Arguments& arguments);
Exit run_serve(const Arguments& arguments);

}  // namespace visionpress
