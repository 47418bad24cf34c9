#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

std::string name_shard(const PartialResult& result) {
  return fmt::format("{}/{}", result.shard.index, result.shard.count);
}

JsonValue make_json(const PartialResult& result) {
  return {{"file", result.file},     {"shard", name_shard(result)},
          {"images", result.images}, {"images_of", result.images_of},
          {"files", result.files},   {"warnings", result.warnings}};
}

Table make_table(const PartialResult& result) {
  return {{"file", "shard", "images", "images_of", "files"},
          {{result.file, name_shard(result), std::to_string(result.images),
            std::to_string(result.images_of), std::to_string(result.files)}}};
}

}  // namespace

std::string format_report(const PartialResult& result, ReportForm form) {
  if (auto text = format_unless_text(
          form, Alignment::Numbers, [&] { return make_json(result); },
          [&] { return make_table(result); })) {
    return *text;
  }
  return fmt::format("shard {}: {} of {} images, {} file{}  -> {}\n", name_shard(result),
                     result.images, result.images_of, result.files, result.files == 1 ? "" : "s",
                     shown(result.file));
}

}  // namespace visionpress
