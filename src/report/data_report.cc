#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

JsonValue make_json(const CocoSubsetResult& result) {
  return {{"annotations", result.annotations},
          {"images", result.images},
          {"boxes", result.boxes},
          {"small_boxes", result.small_boxes},
          {"empty_images", result.empty_images},
          {"downloaded", result.downloaded},
          {"downloaded_bytes", result.downloaded_bytes},
          {"kept", result.kept},
          {"missing", result.missing},
          {"warnings", result.warnings}};
}

Table make_table(const CocoSubsetResult& result) {
  return {{"annotations", "images", "boxes", "small boxes", "empty images", "downloaded", "kept"},
          {{result.annotations, std::to_string(result.images), std::to_string(result.boxes),
            std::to_string(result.small_boxes), std::to_string(result.empty_images),
            std::to_string(result.downloaded), std::to_string(result.kept)}}};
}

JsonValue make_json(const DataConvertResult& result) {
  JsonValue lost = JsonValue::array();
  for (const LostField& field : result.lost) {
    lost.push_back({{"name", field.name}, {"count", field.count}});
  }
  return {{"output", result.output},    {"form", result.form}, {"images", result.images},
          {"boxes", result.boxes},      {"tags", result.tags}, {"lost", lost},
          {"warnings", result.warnings}};
}

std::string list_lost(const DataConvertResult& result) {
  std::string text;
  for (const LostField& field : result.lost) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", field.name, field.count);
  }
  return text;
}

Table make_table(const DataConvertResult& result) {
  return {{"output", "form", "images", "boxes", "tags", "lost"},
          {{result.output, result.form, std::to_string(result.images), std::to_string(result.boxes),
            std::to_string(result.tags), list_lost(result)}}};
}

}  // namespace

std::string format_report(const DataConvertResult& result, ReportForm form) {
  if (auto text = format_unless_text(
          form, Alignment::Numbers, [&] { return make_json(result); },
          [&] { return make_table(result); })) {
    return *text;
  }
  const auto count = [](std::size_t number, const char* one, const char* many) {
    return fmt::format("{} {}", number, number == 1 ? one : many);
  };
  std::string text = fmt::format("{}, {}, {}  {}  -> {}\n", count(result.images, "image", "images"),
                                 count(result.boxes, "box", "boxes"),
                                 count(result.tags, "tag", "tags"), result.form, result.output);
  if (!result.lost.empty()) {
    text += fmt::format("lost, with how many had it: {}\n", list_lost(result));
  }
  return text;
}

std::string format_report(const CocoSubsetResult& result, ReportForm form) {
  if (auto text = format_unless_text(
          form, Alignment::Numbers, [&] { return make_json(result); },
          [&] { return make_table(result); })) {
    return *text;
  }
  std::string text =
      fmt::format("{} images, {} boxes  -> {}\n", result.images, result.boxes, result.annotations);
  if (result.small_boxes > 0) {
    text += fmt::format("{} small boxes left out, and {} images that had no other\n",
                        result.small_boxes, result.empty_images);
  }
  if (result.downloaded + result.kept > 0) {
    text += fmt::format("{} images downloaded ({}), {} there already\n", result.downloaded,
                        format_bytes(result.downloaded_bytes), result.kept);
  }
  for (const std::string& missing : result.missing) text += "left out: " + missing + "\n";
  return text;
}

}  // namespace visionpress
