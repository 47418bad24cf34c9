#include "visionpress/compress.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "api/encode_weights.h"
#include "api/open_model.h"
#include "api/plan.h"
#include "base/error.h"
#include "base/output_file.h"
#include "base/parallel.h"
#include "codecs/scheme.h"
#include "visionpress/model.h"

namespace visionpress {
namespace {

std::string default_output(const std::string& input, const std::string& scheme) {
  const std::filesystem::path path(input);
  return path.parent_path() / (path.stem().string() + "." + scheme + path.extension().string());
}

Result<void> write_model(const OpenedModel& model, const CompressOptions& options,
                         const std::vector<Encoded>& all, CompressResult& result) {
  VP_ASSIGN_OR_RETURN(
      OutputFile file,
      OutputFile::create(result.output, options.overwrite ? Overwrite::Allow : Overwrite::Refuse));
  const std::vector<WeightEdit> edits = list_edits(all);
  const IntegerForm form = options.integer_storage == IntegerStorage::WeightOnly
                               ? IntegerForm::WeightOnly
                               : IntegerForm::DynamicRange;
  const auto pieces = model.source->rewrite(edits, {.integer_form = form});
  if (!pieces) return in_file(pieces.error(), options.input);
  for (const Bytes piece : pieces->pieces) result.bytes_after += piece.size();
  VP_RETURN_IF_ERROR(file.write(pieces->pieces));
  if (auto verified = verify_written(file.temporary_path(), model.graph(), all); !verified) {
    // A file of ours that we cannot read back is our own fault, whatever the reader calls it.
    return fail(ErrorKind::Internal, "{}: not written, since reading it back failed: {}",
                result.output, verified.error().message);
  }
  return file.commit();
}

void add_notes(const std::vector<PlannedWeight>& plan, CompressResult& result) {
  const auto coded = std::ranges::count_if(plan, &PlannedWeight::is_small_already);
  if (coded > 0 && result.changed_count() > 0) {
    result.warnings.push_back(
        fmt::format("{} weights are compressed already and stay as they are", coded));
  }
  if (result.changed_count() == 0) {
    std::map<std::string, std::size_t> reasons;
    for (const WeightRow& row : result.weights) ++reasons[row.kept_because];
    std::string text;
    for (const auto& [reason, count] : reasons) {
      text += fmt::format("{}{} {}", text.empty() ? "" : "; ", count, reason);
    }
    result.warnings.push_back(fmt::format("nothing to compress: the output equals the input ({})",
                                          text.empty() ? "no weights" : text));
  }
}

}  // namespace

std::vector<SchemeInfo> schemes() {
  std::vector<SchemeInfo> infos;
  for (const Scheme& scheme : all_schemes()) {
    infos.push_back({std::string(scheme.name), std::string(scheme.help), scheme.bits});
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
  VP_ASSIGN_OR_RETURN(const Scheme* scheme, choose_scheme(options.scheme));
  if (options.threads < 0) {
    return fail(ErrorKind::InvalidArgument, "threads is {}, expected 0 or more", options.threads);
  }
  const int threads = options.threads > 0 ? options.threads : default_thread_count();
  VP_ASSIGN_OR_RETURN(const OpenedModel model, open_model(options.input));
  CompressResult result;
  result.input = options.input;
  result.output =
      options.output.empty() ? default_output(options.input, options.scheme) : options.output;
  result.format = name_of(model.graph().format);
  result.scheme = options.scheme;
  result.bytes_before = model.file.bytes().size();
  result.warnings = model.warnings;
  VP_RETURN_IF_ERROR(check_not_read(result.output, {&options.input, 1}));
  // Refused before the work, not after it.
  std::error_code ignored;
  if (!options.overwrite && std::filesystem::exists(result.output, ignored)) {
    VP_RETURN_IF_ERROR(OutputFile::create(result.output, Overwrite::Refuse));
  }
  const auto plan = make_plan(*model.source, *scheme, options);
  if (!plan) return in_file(plan.error(), options.input);
  auto all = encode_all(model.graph(), *plan, *scheme, threads);
  if (!all) return in_file(all.error(), options.input);
  VP_RETURN_IF_ERROR(write_model(model, options, *all, result));
  for (Encoded& encoded : *all) {
    if (encoded.saturated > 0) {
      result.warnings.push_back(fmt::format("{}: {} values beyond +-65504 became +-65504",
                                            encoded.row.name, encoded.saturated));
    }
    result.weights.push_back(std::move(encoded.row));
  }
  add_notes(*plan, result);
  return result;
}

}  // namespace visionpress
