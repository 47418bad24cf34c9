#include "press/press_file.h"

#include <algorithm>
#include <filesystem>

#include "base/ascii.h"
#include "base/error.h"
#include "formats/format_table.h"
#include "package/download_size.h"
#include "package/output_set.h"
#include "press/code_store.h"
#include "press/lost_paths.h"
#include "press/plan.h"
#include "press/verify.h"
#include "press/write_verified.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

bool is_archive(const OpenedModel& model) { return model.files.kind() == FileSet::Kind::Archive; }

std::string lower_extension(const std::string& path) {
  return ascii_lower(fs::path(path).extension().native());
}

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

/// The model to read back from a written archive that has no manifest and may hold several.
std::string name_part(const OpenedModel& model, FileSet::Kind kind) {
  const bool has_several =
      kind == FileSet::Kind::Archive && model.package && model.package->manifest_entry.empty();
  return has_several ? model.package->model_entry : std::string();
}

/// A file whose name says that it is something else, such as a picture that calibrates or a report,
/// is not replaced, whatever was asked for.
Result<void> check_replaces_model(const std::string& output, const OpenedModel& model) {
  std::error_code ignored;
  const std::string extension = lower_extension(output);
  if (extension.empty() || !fs::is_regular_file(output, ignored) || is_archive_name(output) ||
      extension == extension_of(model.graph().format) ||
      extension == lower_extension(model.files.path()))
    return {};
  return fail_in(
      output, ErrorKind::Usage,
      "it exists, and its name is not that of a {} file; such a file is never overwritten",
      name_of(model.graph().format));
}

}  // namespace

Result<void> check_pressed_output(const OpenedModel& model, const std::string& output,
                                  Overwrite overwrite) {
  if (auto checked = model.source->check_rewritable(); !checked) {
    return in_file(checked.error(), model.files.path());
  }
  VP_RETURN_IF_ERROR(check_extension(model, output));
  VP_RETURN_IF_ERROR(check_not_read(output, model.list_read_paths()));
  VP_RETURN_IF_ERROR(check_replaces_model(output, model));
  if (is_archive_name(output) && !is_archive(model)) {
    return fail(ErrorKind::Usage,
                "{}: only the model of a ZIP archive can be written as one, and {} is none", output,
                model.files.path());
  }
  // Refused before the work, not after it.
  std::error_code ignored;
  if (overwrite == Overwrite::Refuse && fs::exists(output, ignored)) {
    VP_RETURN_IF_ERROR(OutputFile::create(output, Overwrite::Refuse));
  }
  return {};
}

bool is_archive_name(const std::string& output) {
  const std::string extension = lower_extension(output);
  return extension == ".zip" || extension == ".task";  // MediaPipe's bundles are ZIP archives
}

Result<PressedFile> press_file(const OpenedModel& model, const PressOptions& press,
                               const std::string& output, Overwrite overwrite,
                               const std::function<Result<void>(Plan&)>& refine) {
  VP_RETURN_IF_ERROR(check_pressed_output(model, output, overwrite));
  const std::string& input = model.files.path();
  auto plan = make_plan(*model.source, press);
  if (!plan) return in_file(plan.error(), input);
  if (refine) {
    if (auto refined = refine(*plan); !refined) return in_file(refined.error(), input);
  }
  CodeStore store(model.graph(), {.threads = press.threads});
  PressedFile result;
  result.small_already = static_cast<std::size_t>(
      std::ranges::count_if(plan->weights, &PlannedWeight::is_small_already));
  auto pressed = encode_plan(*plan, store);
  if (!pressed) return in_file(pressed.error(), input);
  result.weights = std::move(*pressed);
  const auto pieces = rewrite_smaller(*model.source, model.bytes(), press.rewrite, result.weights);
  if (!pieces) return in_file(pieces.error(), input);
  result.bytes = count_bytes(*pieces);
  result.notes = pieces->notes;
  if (press.count_download) {
    VP_ASSIGN_OR_RETURN(result.download_bytes, count_download_bytes(pieces->pieces, press.threads));
  }
  // Of the source only what stays as it is will be read again: the check needs room for the output.
  model.files.drop_pages();
  const FileSet::Kind kind = is_archive_name(output) ? FileSet::Kind::Archive : FileSet::Kind::File;
  const bool changed = !list_edits(result.weights).empty();
  VP_RETURN_IF_ERROR(write_verified(
      {.path = output, .kind = kind, .overwrite = overwrite, .part = name_part(model, kind)},
      {.write = [&](OutputSet& set) { return write_pieces(model, kind, *pieces, changed, set); },
       .verify = [&](const OpenedModel& written) -> Result<void> {
         result.lost_paths =
             describe_lost_paths(model.source->judge_runtimes(), written.source->judge_runtimes());
         return verify_written(*model.source, press.rewrite, result.weights, written.graph());
       }}));
  return result;
}

}  // namespace visionpress
