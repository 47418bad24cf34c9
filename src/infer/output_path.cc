#include "infer/output_path.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/ascii.h"
#include "base/error.h"
#include "base/output_file.h"
#include "formats/format_table.h"
#include "formats/package_parts.h"
#include "infer/model_labels.h"

namespace visionpress {

namespace fs = std::filesystem;

namespace {

bool is_extension_of_another(const std::string& extension, Format format) {
  return std::ranges::any_of(all_formats(), [&](const ModelFormat& other) {
    return extension == other.extension && other.format != format;
  });
}

std::string name_beside(const OpenedModel& model, const std::string& input,
                        const std::string& word) {
  const PartPath named = split_part_path(input);
  fs::path path(named.package);
  if (!named.part.empty()) path.replace_filename(base_name_of(model.entry));
  fs::path extension = path.extension();
  fs::path stem = path.stem();
  if (named.part.empty() && model.files.kind() == FileSet::Kind::Folder) {
    if (!path.has_filename()) path = path.parent_path();  // "export/"
    stem = path.filename();
    extension = fs::path(model.entry).extension();
  }
  if (is_extension_of_another(ascii_lower(extension.native()), model.graph().format))
    extension = extension_of(model.graph().format);
  return path.parent_path() / (stem.string() + "." + word + extension.string());
}

}  // namespace

Result<std::string> choose_output_path(const std::string& wanted, const std::string& default_name) {
  std::error_code ignored;
  if (fs::is_directory(wanted, ignored)) return (fs::path(wanted) / default_name).string();
  if (!wanted.ends_with('/')) return wanted;
  return fail_in(wanted, ErrorKind::Output, "there is no such folder");
}

Result<std::string> choose_pressed_path(const OpenedModel& model, const std::string& input,
                                        const std::string& wanted, const std::string& word) {
  const std::string by_default = name_beside(model, input, word);
  if (wanted.empty()) return by_default;
  return choose_output_path(wanted, fs::path(by_default).filename().string());
}

Result<void> check_replaces_no_part(const std::string& output, const OpenedModel& model,
                                    const std::string& input) {
  std::vector<std::string> parts = model.list_read_paths();
  const auto labels = find_labels(model, input, {});
  if (labels && !labels->file.empty()) parts.push_back(labels->file);
  return check_not_read(output, parts);
}

Result<void> check_array_output(const std::string& output, std::span<const std::string> inputs) {
  VP_RETURN_IF_ERROR(check_not_read(output, inputs));
  std::error_code ignored;
  if (output.empty() || !fs::is_regular_file(output, ignored)) return {};
  if (ascii_lower(fs::path(output).extension().native()) == ".npy") return {};
  return fail_in(output, ErrorKind::Usage,
                 "tensors are saved as NumPy arrays, and this file is not a .npy file");
}

void warn_of_extension(const std::string& output, Format format,
                       std::vector<std::string>& warnings) {
  if (fs::path(output).has_extension()) return;
  warnings.push_back(fmt::format("{}: the name has no extension; other tools know a {} file by {}",
                                 output, name_of(format), extension_of(format)));
}

}  // namespace visionpress
