#include "infer/model_labels.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/label_text.h"

namespace visionpress {
namespace {

/// Looks in the model's folder for NAME_labels.txt, with and without the scheme's part of NAME,
/// then for labels.txt and dict.txt.
std::string find_label_file(const std::string& model) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(model).parent_path();
  std::vector<std::string> names;
  for (std::string stem = fs::path(model).stem().string(); !stem.empty();) {
    names.push_back(stem + "_labels.txt");
    const std::size_t dot = stem.rfind('.');
    stem.resize(dot == std::string::npos ? 0 : dot);
  }
  names.emplace_back("labels.txt");
  names.emplace_back("dict.txt");  // of AutoML Vision Edge
  std::error_code ignored;
  for (const std::string& name : names) {
    if (fs::is_regular_file(folder / name, ignored)) return folder / name;
  }
  return {};
}

/// The labels that came with the model: in its file, else in its package.
const std::vector<std::string>& own_labels(const OpenedModel& model) {
  const std::vector<std::string>& in_file = model.graph().labels;
  return in_file.empty() && model.package ? model.package->labels : in_file;
}

/// Fills in the labels of `found.file`.
Result<void> read_label_file(FoundLabels& found) {
  const std::string& path = found.file;
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const std::string_view text = view_text(file.bytes());
  if (const std::string why = describe_not_text(text); !why.empty())
    return fail_in(path, ErrorKind::Malformed, "no label file: {}", why);
  found.labels = split_labels(text);
  found.is_numbered = has_numbered_labels(text);
  if (!found.labels.empty()) return {};
  return fail_in(path, ErrorKind::Malformed, "no labels: the file is empty");
}

}  // namespace

Result<FoundLabels> find_labels(const OpenedModel& model, const std::string& path,
                                const std::string& given) {
  FoundLabels found;
  found.file = given;
  if (given.empty()) {
    found.labels = own_labels(model);
    if (!found.labels.empty()) {
      found.is_numbered = model.graph().labels.empty() && model.package->has_numbered_labels;
      return found;
    }
    found.file = find_label_file(path);
    if (found.file.empty()) return found;
  }
  VP_RETURN_IF_ERROR(read_label_file(found));
  return found;
}

Result<std::vector<std::string>> load_labels(const std::string& path) {
  FoundLabels found{.file = path};
  VP_RETURN_IF_ERROR(read_label_file(found));
  return std::move(found.labels);
}

Result<void> check_label_count(const FoundLabels& found, const std::string& path,
                               std::size_t class_count) {
  if (found.labels.empty() || found.labels.size() == class_count) return {};
  return fail_in(found.file.empty() ? path : found.file, ErrorKind::Malformed,
                 "{} labels, but {} gives {} classes", found.labels.size(), path, class_count);
}

std::string describe_label_order(const FoundLabels& found, const OpenedModel& model) {
  const std::vector<std::string>& own = own_labels(model);
  if (found.file.empty()) return {};
  for (std::size_t i = 0; i < own.size() && i < found.labels.size(); ++i) {
    if (found.labels[i] == own[i]) continue;
    const auto elsewhere = std::ranges::find(found.labels, own[i]);
    if (elsewhere == found.labels.end()) continue;
    return fmt::format(
        "the labels of {} are in another order than the model's own: \"{}\" is number {} and not "
        "{}",
        found.file, own[i], elsewhere - found.labels.begin() + 1, i + 1);
  }
  return {};
}

}  // namespace visionpress
