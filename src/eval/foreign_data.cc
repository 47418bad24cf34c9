// Files that people give for annotations and that are something else: each is named for what it is.

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>

#include "eval/dataset_table.h"
#include "eval/label_files.h"
#include "package/foreign_file.h"
#include "package/model_name.h"

namespace visionpress {
namespace {

std::string name_of_path(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string_view skip_blank(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

bool is_model(const std::string& name, std::string_view text) {
  const auto other = find_foreign_file(std::as_bytes(std::span(text)));
  return is_model_name(name) || (other && other->is_model);
}

std::string_view first_line(std::string_view text) {
  text = skip_blank(text);
  return text.substr(0, std::min(text.find_first_of("\r\n"), text.size()));
}

/// "0 0.5 0.5 0.2 0.3": numbers and blanks alone, five of them or more.
bool is_yolo_label(std::string_view line) {
  if (line.find_first_not_of("0123456789.-+eE \t") != std::string_view::npos) return false;
  std::size_t numbers = 0;
  bool inside = false;
  for (const char c : line) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank && !inside) ++numbers;
    inside = !blank;
  }
  return numbers >= 5;
}

bool has_key(std::string_view text, std::string_view key) {
  return text.find(key) != std::string_view::npos;
}

/// Other text, by its name and its first line. returns: nothing where neither says anything.
std::string name_text(const std::string& extension, std::string_view text) {
  if (std::ranges::count(first_line(text), ',') >= 2) return "a CSV table without a known column";
  return extension == ".txt" ? "a text file" : "";
}

/// What the file is; nothing where neither its content nor its name shows it.
std::string name_content(const std::string& extension, std::string_view text) {
  if (is_yolo_label(first_line(text))) {
    return "a YOLO label file (one image's boxes; give data.yaml or the folder)";
  }
  if (const auto other = find_foreign_file(std::as_bytes(std::span(text)))) {
    return std::string(other->name);
  }
  return name_text(extension, text);
}

}  // namespace

std::string name_foreign_json(std::string_view text) {
  if (skip_blank(text).starts_with("[")) {
    if (has_key(text, "\"image_id\"")) {
      return "predictions (COCO results); they are given in place of a model";
    }
    return {};
  }
  if (has_key(text, "\"_via_") || has_key(text, "\"shape_attributes\"")) {
    return "annotations of the VGG image annotator (export them as COCO)";
  }
  if (has_key(text, "\"predictions\"")) return "predictions, not annotations";
  return {};
}

tl::unexpected<Error> fail_foreign(const std::string& path, std::string_view text) {
  const std::string extension = extension_of(path);
  const std::string name = name_of_path(path);
  if (is_model(name, text)) {
    return fail(ErrorKind::Malformed, "{} is a model; --data takes the annotations", name);
  }
  const std::string kind = name_content(extension, text);
  if (!kind.empty()) return fail(ErrorKind::Malformed, "{} is {}; {}", name, kind, kDataForms);
  return fail(ErrorKind::Malformed, "{} is not JSON; {}", name, kDataForms);
}

}  // namespace visionpress
