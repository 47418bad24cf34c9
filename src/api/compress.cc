#include "visionpress/compress.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/family.h"
#include "formats/format_table.h"
#include "infer/calibrate_model.h"
#include "infer/model_runner.h"
#include "infer/open_input.h"
#include "infer/output_path.h"
#include "press/press_file.h"

namespace visionpress {
namespace {

void add_notes(std::size_t small_already, CompressResult& result) {
  if (small_already > 0 && result.changed_count() > 0) {
    result.warnings.push_back(
        fmt::format("{} weights are compressed already and stay as they are", small_already));
  }
  if (result.changed_count() == 0) {
    std::map<std::string, std::size_t> reasons;
    for (const WeightRow& row : result.weights) ++reasons[row.kept_because];
    std::string text;
    for (const auto& [reason, count] : reasons) {
      text += fmt::format("{}{} {}: {}", text.empty() ? "" : "; ", count,
                          count == 1 ? "weight" : "weights", reason);
    }
    result.warnings.push_back(fmt::format("nothing to compress: the output equals the input ({})",
                                          text.empty() ? "no weights" : text));
  }
}

Result<PressOptions> press_options(const CompressOptions& options) {
  PressOptions press;
  VP_ASSIGN_OR_RETURN(press.form, choose_form(options.scheme));
  if (options.threads < 0) {
    return fail(ErrorKind::InvalidArgument, "threads is {}, expected 0 or more", options.threads);
  }
  press.keep = options.keep;
  press.keep_first_last = options.keep_first_last;
  press.keep_sensitive = options.keep_sensitive;
  press.min_elements = options.min_elements;
  press.quantize_biases = options.quantize_biases;
  press.count_download = options.count_download;
  if (options.integer_storage == IntegerStorage::WeightOnly) {
    press.rewrite.integer_form = IntegerForm::WeightOnly;
  }
  press.rewrite.packs_codes = options.code_storage == CodeStorage::Packed;
  press.threads = options.threads > 0 ? options.threads : default_thread_count();
  return press;
}

/// An open model; with a runner where pictures choose the codes.
struct CompressInput {
  OpenedModel opened = {};
  std::optional<ModelRunner> runner = std::nullopt;

  [[nodiscard]] const OpenedModel& model() const { return runner ? runner->model : opened; }
};

Result<CompressInput> open_model_to_press(const CompressOptions& options, int threads) {
  CompressInput input;
  const PreprocessOptions& preprocess = options.calibration.preprocess;
  VP_ASSIGN_OR_RETURN(input.opened, open_input(options.input, read_options(preprocess)));
  if (options.calibration.images.empty()) return input;
  VP_ASSIGN_OR_RETURN(
      ModelRunner runner,
      ModelRunner::create(std::move(input.opened), {.preprocess = preprocess, .threads = threads}));
  input.runner.emplace(std::move(runner));
  return input;
}

/// Gives the plan the codes that the pictures choose, where there are any.
Result<void> calibrate_input(const CompressInput& input, const CompressOptions& options,
                             const PressOptions& press, Plan& plan, CompressResult& result) {
  if (!input.runner) return {};
  VP_ASSIGN_OR_RETURN(std::vector<std::string> paths,
                      list_calibration_pictures(options.calibration));
  VP_ASSIGN_OR_RETURN(const CalibrationSet set,
                      load_calibration(*input.runner, std::move(paths), options.calibration,
                                       press.threads, result.warnings));
  VP_ASSIGN_OR_RETURN(result.calibration, calibrate_plan(*input.runner, set, options.calibration,
                                                         press, plan, result.warnings));
  return {};
}

}  // namespace

std::vector<SchemeInfo> schemes() {
  std::vector<SchemeInfo> infos;
  for (const OfferedForm& offered : all_offered()) {
    infos.push_back({name_of(offered.form), std::string(offered.help), offered.form.bits});
  }
  return infos;
}

std::size_t CompressResult::changed_count() const {
  return static_cast<std::size_t>(
      std::count_if(weights.begin(), weights.end(),
                    [](const WeightRow& row) { return row.kept_because.empty(); }));
}

const WeightRow* CompressResult::worst() const {
  const WeightRow* worst = nullptr;
  for (const WeightRow& row : weights) {
    if (row.kept_because.empty() && (worst == nullptr || *row.snr_db < *worst->snr_db))
      worst = &row;
  }
  return worst;
}

Result<CompressResult> compress(const CompressOptions& options) {
  VP_ASSIGN_OR_RETURN(const PressOptions press, press_options(options));
  VP_ASSIGN_OR_RETURN(const CompressInput input, open_model_to_press(options, press.threads));
  const OpenedModel& model = input.model();
  CompressResult result;
  result.input = options.input;
  VP_ASSIGN_OR_RETURN(result.output,
                      choose_pressed_path(model, options.input, options.output, options.scheme));
  result.format = name_of(model.graph().format);
  result.scheme = options.scheme;
  result.bytes_before = model.bytes().size();
  result.warnings = model.warnings;
  if (!is_archive_name(result.output)) warn_of_package(model, result.warnings);
  warn_of_extension(result.output, model.graph().format, result.warnings);
  VP_RETURN_IF_ERROR(check_replaces_no_part(result.output, model, options.input));
  VP_ASSIGN_OR_RETURN(
      PressedFile file,
      press_file(model, press, result.output,
                 options.overwrite ? Overwrite::Allow : Overwrite::Refuse,
                 [&](Plan& plan) { return calibrate_input(input, options, press, plan, result); }));
  result.bytes_after = file.bytes;
  result.download_bytes = file.download_bytes;
  for (PressedWeight& weight : file.weights) result.weights.push_back(std::move(weight.row));
  result.warnings.insert(result.warnings.end(), file.notes.begin(), file.notes.end());
  add_notes(file.small_already, result);
  if (!file.lost_paths.empty()) result.warnings.push_back(std::move(file.lost_paths));
  return result;
}

}  // namespace visionpress
