#include "command_line.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <map>
#include <string_view>
#include <system_error>

#include <locale.h>  // uselocale is POSIX's: not in <clocale>

#include "visionpress/process.h"

namespace visionpress {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// The message for arguments that no option takes.
std::string describe_extra(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  for (const std::string& argument : arguments) {
    const std::string word = argument.substr(0, argument.find('='));
    const bool is_number =
        word.size() > 1 && ((word[1] >= '0' && word[1] <= '9') || word[1] == '.');
    if (!word.starts_with("-") || word == "-" || word == "--" || is_number) continue;
    if (std::find(names.begin(), names.end(), word) != names.end()) continue;
    const std::string nearest = find_nearest_word(word, names);
    return "no option " + word + (nearest.empty() ? "" : "; did you mean " + nearest + "?");
  }
  return {};
}

/// "a", "a or b", "a, b or c"
std::string join_or(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

/// While it lives, this thread reads 0.5 as a half in any locale; CLI11 reads numbers by strtold.
class PlainNumbers {
 public:
  PlainNumbers()
      : plain_(::newlocale(LC_ALL_MASK, "C", nullptr)),
        before_(plain_ != nullptr ? ::uselocale(plain_) : nullptr) {}
  PlainNumbers(const PlainNumbers&) = delete;
  PlainNumbers& operator=(const PlainNumbers&) = delete;
  ~PlainNumbers() {
    if (plain_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(plain_);
  }

 private:
  locale_t plain_;
  locale_t before_;
};

/// "3/16"
Shard read_shard(const std::string& text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto [slash, index_error] = std::from_chars(text.data(), end, shard.index);
  const bool has_slash = index_error == std::errc() && slash != end && *slash == '/';
  const auto [last, count_error] =
      has_slash ? std::from_chars(slash + 1, end, shard.count)
                : std::from_chars_result{text.data(), std::errc::invalid_argument};
  if (count_error != std::errc() || last != end || shard.index < 1 || shard.index > shard.count) {
    throw CLI::ValidationError("--shard",
                               "\"" + text + "\" is not I/N with I from 1 to N, such as 3/16");
  }
  return shard;
}

}  // namespace

std::string from_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string list_commands(std::span<const Command> commands) {
  std::size_t column = 0;
  for (const Command& command : commands)
    column = std::max(column, std::string_view(command.name).size() + 2);
  std::string text;
  for (const Command& command : commands) {
    std::string name = command.name;
    name.resize(column, ' ');
    text += "  " + name + command.purpose + "\n";
  }
  return text;
}

Exit run_one_of(std::span<const Command> commands, const std::string& program,
                const std::string& help, const Arguments& arguments) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "-h" || first == "--help") return print_result(help);
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (first == command.name) return command.run({arguments.begin() + 1, arguments.end()});
    names.emplace_back(command.name);
  }
  std::string message = first.empty() ? "no command" : "no command \"" + first + "\"";
  const std::string nearest = find_nearest_word(first, names);
  if (!first.empty() && !nearest.empty()) message += "; did you mean " + nearest + "?";
  std::fprintf(stderr, "%s: %s (-h shows the commands)\n", program.c_str(),
               escape_unprintable_text(message).c_str());
  return Exit::Usage;
}

CommandLine::CommandLine(const std::string& name, const std::string& purpose, std::string examples)
    : app_(std::make_unique<CLI::App>(purpose, "visionpress " + name)),
      examples_(std::move(examples)) {
  constexpr std::size_t kHelpColumn = 36;
  app_->get_formatter()->column_width(kHelpColumn);
  app_->set_help_flag("");
  app_->add_flag_callback(
      "-h,--help", [] {}, "Help: -h the main options, --help all, with examples");
}

Exit CommandLine::print_help(bool all) {
  if (all) {
    app_->footer("Examples:\n" + examples_);
  } else {
    std::size_t hidden = 0;
    for (CLI::Option* option : app_->get_options()) {
      if (option->get_group() != kMore) continue;
      option->group("");
      ++hidden;
    }
    app_->footer(hidden > 0
                     ? "--help shows " + std::to_string(hidden) + " more options and examples."
                     : "--help shows examples.");
  }
  std::string text = app_->help();
  const auto end = text.find_last_not_of('\n');
  text.resize(end == std::string::npos ? 0 : end + 1);
  return print_result(text + "\n");
}

bool CommandLine::is_given(const std::string& option) const {
  const std::size_t equals = option.find('=');
  const CLI::Option* const found = app_->get_option(option.substr(0, equals));
  if (equals == std::string::npos) return found->count() > 0;
  const std::vector<std::string>& values = found->results();
  return std::ranges::find(values, option.substr(equals + 1)) != values.end();
}

std::string CommandLine::describe_idle() const {
  const auto given = [this](const std::string& option) { return is_given(option); };
  for (const Dependence& each : beside_) {
    if (!is_given(each.on.front())) continue;
    const auto idle = std::ranges::find_if(each.options, given);
    if (idle == each.options.end()) continue;
    std::string mode = each.on.front();
    std::ranges::replace(mode, '=', ' ');
    return *idle + " has no effect beside " + mode;
  }
  for (const Dependence& each : others_) {
    const std::string& mode = each.on.front();
    if (!is_given(mode)) continue;
    for (const CLI::Option* option : app_->get_options()) {
      if (option->count() == 0 || option->get_lnames().empty()) continue;
      const std::string name = "--" + option->get_lnames().front();
      if (name == mode || std::ranges::find(each.options, name) != each.options.end()) continue;
      return std::string(name).append(" has no effect beside ").append(mode);
    }
  }
  for (const Dependence& each : without_) {
    if (std::ranges::any_of(each.on, given)) continue;
    const auto idle = std::ranges::find_if(each.options, given);
    if (idle != each.options.end()) return *idle + " has no effect without " + join_or(each.on);
  }
  return {};
}

void CommandLine::warn_without_effect(const std::vector<std::string>& options,
                                      const std::string& where, bool quiet) const {
  std::string names;
  std::size_t count = 0;
  for (const std::string& option : options) {
    if (!is_given(option)) continue;
    names += (count++ == 0 ? "" : ", ") + option;
  }
  if (count == 0 || quiet) return;
  std::fprintf(stderr, "warning: %s %s no effect on %s\n", names.c_str(),
               count == 1 ? "has" : "have", where.c_str());
}

std::optional<Exit> CommandLine::parse(const std::vector<std::string>& arguments) {
  // A script's unset variable must not pass for an option that was not given.
  const auto empty = std::find(arguments.begin(), arguments.end(), "");
  if (empty != arguments.end()) {
    const std::string place = empty == arguments.begin() ? "" : " after " + *std::prev(empty);
    std::fprintf(stderr, "%s: an empty argument%s (-h shows the options)\n",
                 app_->get_name().c_str(), place.c_str());
    return Exit::Usage;
  }
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument != "-h" && argument != "--help") continue;
    return print_help(argument == "--help");
  }
  std::string message;
  const PlainNumbers plain;
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app_->parse(std::move(reversed));
    message = describe_idle();
    if (message.empty()) return std::nullopt;
  } catch (const CLI::ParseError& error) {
    message = first_line(error.what());
  }
  // An unknown option can also show itself as a missing argument: name it first.
  const std::string extra = describe_extra(*app_, arguments);
  const std::string& text = extra.empty() ? message : extra;
  std::fprintf(stderr, "%s: %s (-h shows the options)\n", app_->get_name().c_str(),
               escape_unprintable_text(text).c_str());
  return Exit::Usage;
}

std::string check_count(const std::string& text) {
  std::uint64_t count = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (code == std::errc() && end == text.data() + text.size()) return {};
  return "\"" + text + "\" is no whole number from 0 to " +
         std::to_string(std::numeric_limits<std::uint64_t>::max());
}

void add_form_options(CLI::App& app, OutputOptions& options) {
  const auto add_form = [&](const char* name, ReportForm form, const char* help) {
    return app.add_flag_callback(
        name,
        [&options, form, name] {
          if (options.form != ReportForm::Text && options.form != form)
            throw CLI::ValidationError(name, "choose one of --json, --csv and --markdown");
          options.form = form;
        },
        help);
  };
  add_form("--json", ReportForm::Json, "Print JSON (docs/json.md) in place of text");
  add_form("--csv", ReportForm::Csv, "Print CSV")->group(kMore);
  add_form("--markdown", ReportForm::Markdown, "Print a Markdown table")->group(kMore);
  app.add_flag("-q,--quiet", options.quiet, "No warnings and no progress")->group(kMore);
}

void add_tflite_options(CommandLine& line, IntegerStorage& integers, CodeStorage& codes) {
  line.add_choice<IntegerStorage>(
          "--tflite-int8", integers,
          {{"hybrid", IntegerStorage::Hybrid}, {"weight-only", IntegerStorage::WeightOnly}},
          "TFLite: hybrid quantizes activations as the model runs, weight-only computes in float")
      ->group(kMore)
      ->default_str("hybrid");
  line.add_choice<CodeStorage>(
          "--tflite-storage", codes,
          {{"bytes", CodeStorage::Bytes}, {"packed", CodeStorage::Packed}},
          "TFLite, up to 4 bits: packed holds two codes per byte; a smaller file that runs slower")
      ->group(kMore)
      ->default_str("bytes");
}

void add_calibration_options(CommandLine& line, CalibrationOptions& options) {
  CLI::App& app = line.app();
  app.add_option("--calibrate", options.images,
                 "Choose the codes so that results on these pictures change least: a folder, or a "
                 "data set, whose labels are not used")
      ->type_name("IMAGES");
  app.add_option("--calibration-images", options.count, "Most pictures to use; 0: all")
      ->type_name("N")
      ->check(check_count)
      ->capture_default_str()
      ->group(kMore);
  app.add_option("--seed", options.seed, "Seed of the choice of pictures and of pixels in them")
      ->capture_default_str()
      ->group(kMore);
  add_preprocess_options(line, options.preprocess);
}

void add_picture_options(CLI::App& app, PictureOptions& options) {
  app.add_option("--picture", options.path, "SVG file to draw: quality against size")
      ->type_name("FILE");
  app.add_option("--picture-points", options.points,
                 "CSV file of points measured elsewhere, drawn too: label,bytes,score")
      ->type_name("FILE")
      ->group(kMore);
}

void add_shard(CLI::App& app, Shard& shard, const std::string& help) {
  app.add_option_function<std::string>(
         "--shard", [&shard](const std::string& text) { shard = read_shard(text); }, help)
      ->type_name("I/N")
      ->group(kMore);
}

void add_threads(CLI::App& app, int& threads) {
  app.add_option("--threads", threads, "Threads to use; 0: one per core")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024).description(""));
}

CLI::Option* add_input_size(CLI::App& app, std::optional<std::array<std::int64_t, 2>>& input_size) {
  return app
      .add_option_function<std::string>(
          "--input-size",
          [&input_size](const std::string& text) {
            std::array<std::int64_t, 2> size = {0, 0};
            const char* end = text.data() + text.size();
            const auto width = std::from_chars(text.data(), end, size[0]);
            const bool has_height =
                width.ec == std::errc() && width.ptr != end && *width.ptr == 'x';
            const auto height = std::from_chars(has_height ? width.ptr + 1 : end, end, size[1]);
            if (height.ec != std::errc() || height.ptr != end) {
              throw CLI::ValidationError("--input-size",
                                         "\"" + text + "\" is no size such as 416x416");
            }
            input_size = size;
          },
          "Sets the input's size where the file leaves it open: 512x384 is 512 wide, 384 high")
      ->type_name("WxH");
}

CLI::Option* add_settings(CLI::App& app, std::vector<InputSetting>& settings) {
  return app
      .add_option_function<std::vector<std::string>>(
          "--set",
          [&settings](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              const std::size_t equals = text.rfind('=');
              if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
                throw CLI::ValidationError("--set", "\"" + text + "\": expected NAME=VALUE");
              }
              settings.push_back({text.substr(0, equals), text.substr(equals + 1)});
            }
          },
          "Gives an input other than the image its value: is_training=false, x=FILE.npy. "
          "Repeatable")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
}

std::string list_schemes() {
  // Names that differ in their last digit alone are one item: "linear-1..8".
  std::map<std::string, std::string> digits;  // the name without it -> all of them, ascending
  std::vector<std::string> items;
  for (const SchemeInfo& scheme : schemes()) {
    const std::string stem = scheme.name.substr(0, scheme.name.size() - 1);
    if (stem.ends_with('-')) {
      if (digits.find(stem) == digits.end()) items.push_back(stem);
      digits[stem] += scheme.name.back();
    } else {
      items.push_back(scheme.name);
    }
  }
  std::string names;
  for (const std::string& item : items) {
    names += names.empty() ? item : "|" + item;
    if (const auto found = digits.find(item); found != digits.end()) {
      const auto [least, most] = std::minmax_element(found->second.begin(), found->second.end());
      names += least == most ? std::string(1, *least) : std::string{*least, '.', '.', *most};
    }
  }
  return names;
}

void add_metric_options(CommandLine& line, EvaluateOptions& options,
                        const std::string& metric_help) {
  CLI::App& app = line.app();
  line.add_choice<Metric>("--metric", options.metric,
                          {{"standard", Metric::Standard},
                           {"legacy", Metric::Legacy},
                           {"legacy-flipped", Metric::LegacyFlipped}},
                          metric_help)
      ->group(kMore)
      ->default_str("standard");
  const auto add_number = [&app](const char* name, auto& value, const char* help) {
    CLI::Option* option = app.add_option(name, value, help)->capture_default_str()->group(kMore);
    if constexpr (std::is_integral_v<std::remove_reference_t<decltype(value)>>) {
      option->check(check_count);
    }
  };
  add_number("--probability", options.probability,
             "Precision and recall count detections above this probability");
  add_number("--iou", options.iou, "Overlap that makes a match for precision and recall");
  app.add_option_function<float>(
         "--ap-probability", [&options](float value) { options.ap_probability = value; },
         "AP counts detections above this probability; default: 0.005, or all where only "
         "predictions are scored")
      ->type_name("FLOAT")
      ->group(kMore);
  add_number("--nms-iou", options.nms_iou,
             "Of two boxes of one tag that overlap more than this, drop the weaker");
  add_number("--max-detections", options.max_detections, "Most boxes kept per image; 0: all");
  add_number("--min-box", options.min_box,
             "Leave out true boxes below this share of the image's side");
  add_number("--max-images", options.max_images,
             "Take only this many images, of a folder of tags evenly spread; 0: all");
  add_number("--bootstrap", options.bootstrap_rounds,
             "Bootstrap rounds for the interval of a difference; 0: no interval");
  add_number("--seed", options.seed, "Seed of the bootstrap's random draws");
}

void add_preprocess_options(CommandLine& line, PreprocessOptions& preprocess) {
  line.add_choice<std::optional<ResizeRule>>(
          "--resize", preprocess.rule,
          {{"stretch", ResizeRule::Stretch},
           {"center-crop", ResizeRule::CenterCrop},
           {"center-crop-256", ResizeRule::CenterCrop256},
           {"shorter-side", ResizeRule::ShorterSideCrop},
           {"letterbox", ResizeRule::Letterbox},
           {"letterbox-top-left", ResizeRule::LetterboxTopLeft}},
          "How an image becomes the input's size; default: by the model")
      ->group(kMore);
  line.add_choice<std::optional<ResizeFilter>>(
          "--filter", preprocess.filter,
          {{"nearest", ResizeFilter::Nearest},
           {"bilinear", ResizeFilter::Bilinear},
           {"bicubic", ResizeFilter::Bicubic}},
          "Pillow's filter to resize with; default: by the model")
      ->group(kMore);
  line.add_choice<std::optional<ColorChoice>>(
          "--color", preprocess.color, {{"rgb", ColorChoice::Rgb}, {"bgr", ColorChoice::Bgr}},
          "Order of the colours the model wants; default: by the model")
      ->group(kMore);
  add_input_size(line.app(), preprocess.input_size)->group(kMore);
  add_settings(line.app(), preprocess.settings)->group(kMore);
  line.app()
      .add_option("--mean", preprocess.mean,
                  "Subtracted from each pixel value: one number or three")
      ->expected(1, 3)
      ->delimiter(',')
      ->group(kMore);
  line.app()
      .add_option("--std", preprocess.std, "Divides what is left after --mean: one number or three")
      ->expected(1, 3)
      ->delimiter(',')
      ->group(kMore);
}

void add_run_options(CommandLine& line, Arithmetic& arithmetic, PreprocessOptions& preprocess) {
  line.add_choice<Arithmetic>(
          "--arithmetic", arithmetic,
          {{"runtime", Arithmetic::Runtime},
           {"builtin", Arithmetic::Builtin},
           {"float", Arithmetic::Float},
           {"f16", Arithmetic::Float16}},
          "Which runtime's rounding to reproduce. runtime: the format's default runtime "
          "(hybrid int8 TFLite as LiteRT with XNNPACK); builtin: LiteRT's builtin "
          "kernels; float: weights decoded, no Winograd convolutions; f16: every activation "
          "rounded to half")
      ->group(kMore)
      ->default_str("runtime");
  add_preprocess_options(line, preprocess);
}

Exit report_error(const Error& error) {
  std::fprintf(stderr, "visionpress: %s\n", error.to_string().c_str());
  switch (error.kind) {
    case ErrorKind::Usage:
    case ErrorKind::InvalidArgument:
      return Exit::Usage;
    case ErrorKind::Io:
    case ErrorKind::Malformed:
    case ErrorKind::Unsupported:
      return Exit::Input;
    case ErrorKind::Output:
      return Exit::Output;
    case ErrorKind::Internal:
      break;
  }
  return Exit::Internal;
}

void print_warnings(const std::vector<std::string>& warnings, const OutputOptions& options) {
  if (options.quiet) return;
  for (const std::string& warning : warnings) {
    std::fprintf(stderr, "warning: %s\n", escape_unprintable_text(warning).c_str());
  }
}

Exit print_result(const std::string& result) {
  // Strings out of files reach what is printed; none of them may steer the terminal.
  const std::string text = escape_unprintable_text(result, "\n\t");
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return Exit::Done;
  std::fputs("visionpress: cannot write to stdout\n", stderr);
  return Exit::Output;
}

}  // namespace visionpress
