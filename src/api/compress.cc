#include "visionpress/compress.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "api/open_input.h"
#include "base/ascii.h"
#include "base/error.h"
#include "base/output_file.h"
#include "base/parallel.h"
#include "codecs/family.h"
#include "formats/format_table.h"
#include "package/output_set.h"
#include "press/press.h"
#include "press/verify.h"
#include "visionpress/model.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

bool is_folder(const OpenedModel& model) { return model.files.kind() == FileSet::Kind::Folder; }

bool is_archive(const OpenedModel& model) { return model.files.kind() == FileSet::Kind::Archive; }

/// NAME.SCHEME.EXT next to the input; a folder's NAME gets the EXT of its model.
std::string default_output(const OpenedModel& model, const CompressOptions& options) {
  fs::path path(options.input);
  fs::path extension = path.extension();
  fs::path stem = path.stem();
  if (is_folder(model)) {
    if (!path.has_filename()) path = path.parent_path();  // "export/"
    stem = path.filename();
    extension = fs::path(model.entry).extension();
  }
  return path.parent_path() / (stem.string() + "." + options.scheme + extension.string());
}

std::string lower_extension(const std::string& path) {
  return ascii_lower(fs::path(path).extension().native());
}

/// Whether the output's name asks for an archive with the new model in it.
bool is_archive_wanted(const std::string& output) { return lower_extension(output) == ".zip"; }

/// Refuses an extension of another format; such a file would fail late, on a phone.
Result<void> check_extension(const OpenedModel& model, const std::string& output) {
  const std::string own = extension_of(model.graph().format);
  const std::string named = lower_extension(output);
  for (const ModelFormat& other : all_formats()) {
    if (named != other.extension || named == own) continue;
    return fail(ErrorKind::Usage, "{}: the file stays a {} file, whose name ends in {}{}", output,
                name_of(model.graph().format), own,
                other.format == Format::TfLite && own == ".pb"
                    ? "; `visionpress convert` makes a TFLite file"
                    : "");
  }
  return {};
}

Result<void> check_output(const OpenedModel& model, const CompressOptions& options,
                          const std::string& output) {
  if (auto checked = model.source->check_rewritable(); !checked) {
    return in_file(checked.error(), options.input);
  }
  VP_RETURN_IF_ERROR(check_extension(model, output));
  VP_RETURN_IF_ERROR(check_not_read(output, model.list_read_paths()));
  if (is_archive_wanted(output) && !is_archive(model)) {
    return fail(ErrorKind::Usage,
                "{}: only the model of a ZIP archive can be written as one, and {} is none", output,
                options.input);
  }
  // Refused before the work, not after it.
  std::error_code ignored;
  if (!options.overwrite && fs::exists(output, ignored)) {
    VP_RETURN_IF_ERROR(OutputFile::create(output, Overwrite::Refuse));
  }
  return {};
}

/// Writes only the model, or its package with the new model in its place.
Result<void> write_pieces(const OpenedModel& model, FileSet::Kind kind, const FilePieces& pieces,
                          bool changed, OutputSet& output) {
  if (kind == FileSet::Kind::File) return output.write_file(pieces.pieces);
  std::vector<ReplacedFile> replaced;
  if (changed) {
    VP_ASSIGN_OR_RETURN(replaced, replace_model(model.files, *model.package, pieces.pieces));
  }
  return output.write_copy(model.files, replaced);
}

/// errors: of the reader; Internal for a weight that is not the intended one.
Result<void> verify_file(const std::string& path, const SourceModel& source,
                         const std::vector<PressedWeight>& pressed) {
  VP_ASSIGN_OR_RETURN(const OpenedModel written, open_model(path));
  return verify_written(source, pressed, written.graph());
}

Result<void> write_model(const OpenedModel& model, const CompressOptions& options,
                         const RewriteOptions& rewrite, std::vector<PressedWeight>& pressed,
                         CompressResult& result) {
  const FileSet::Kind kind =
      is_archive_wanted(result.output) ? FileSet::Kind::Archive : FileSet::Kind::File;
  VP_ASSIGN_OR_RETURN(OutputSet output,
                      OutputSet::create(result.output, kind,
                                        options.overwrite ? Overwrite::Allow : Overwrite::Refuse));
  const auto pieces = rewrite_smaller(*model.source, model.bytes(), rewrite, pressed);
  if (!pieces) return in_file(pieces.error(), options.input);
  result.bytes_after = count_bytes(*pieces);
  VP_RETURN_IF_ERROR(write_pieces(model, kind, *pieces, !list_edits(pressed).empty(), output));
  if (auto verified = verify_file(output.temporary_path(), *model.source, pressed); !verified) {
    // A file that we wrote and cannot read back is our fault, whatever kind of error the reader
    // gives.
    return fail(ErrorKind::Internal, "{}: not written, since reading it back failed: {}",
                result.output, verified.error().message);
  }
  return output.commit();
}

void add_notes(const Plan& plan, CompressResult& result) {
  const auto coded = std::ranges::count_if(plan.weights, &PlannedWeight::is_small_already);
  if (coded > 0 && result.changed_count() > 0) {
    result.warnings.push_back(
        fmt::format("{} weights are compressed already and stay as they are", coded));
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
  press.min_elements = options.min_elements;
  press.quantize_biases = options.quantize_biases;
  if (options.integer_storage == IntegerStorage::WeightOnly) {
    press.rewrite.integer_form = IntegerForm::WeightOnly;
  }
  press.threads = options.threads > 0 ? options.threads : default_thread_count();
  return press;
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
  VP_ASSIGN_OR_RETURN(const OpenedModel model, open_input(options.input));
  CompressResult result;
  result.input = options.input;
  result.output = options.output.empty() ? default_output(model, options) : options.output;
  result.format = name_of(model.graph().format);
  result.scheme = options.scheme;
  result.bytes_before = model.bytes().size();
  result.warnings = model.warnings;
  if (!is_archive_wanted(result.output)) warn_of_package(model, result.warnings);
  VP_RETURN_IF_ERROR(check_output(model, options, result.output));
  const auto plan = make_plan(*model.source, press);
  if (!plan) return in_file(plan.error(), options.input);
  CodeStore store(model.graph(), {.threads = press.threads});
  auto pressed = encode_plan(*plan, store);
  if (!pressed) return in_file(pressed.error(), options.input);
  VP_RETURN_IF_ERROR(write_model(model, options, press.rewrite, *pressed, result));
  for (PressedWeight& weight : *pressed) result.weights.push_back(std::move(weight.row));
  add_notes(*plan, result);
  return result;
}

}  // namespace visionpress
