#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

std::string list_values(const std::vector<ValueInfo>& values) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(values.size(), kShown); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ",
                        values[i].has_rank ? format_shape(values[i].shape) : "[?]", values[i].type);
  }
  return values.size() > kShown ? text + ", ..." : text;
}

std::string describe(const PackagePart& part) {
  if (part.layers == 0) return part.what;
  return fmt::format("{}, {} layers: {} -> {}", part.what, part.layers, list_values(part.inputs),
                     list_values(part.outputs));
}

/// "14 conv, 9 relu", the most frequent first.
std::string list_operators(const ProgramFunction& function) {
  std::vector<std::pair<std::string, std::size_t>> sorted(function.operators.begin(),
                                                          function.operators.end());
  std::ranges::stable_sort(sorted,
                           [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [type, count] : sorted) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, shown(type));
  }
  return text;
}

std::string format_text_form(const PackageListing& listing) {
  std::string text = fmt::format("{}: {}, {} in {} files\n", shown(base_name(listing.file)),
                                 listing.kind, format_bytes(listing.bytes), listing.parts.size());
  if (!listing.version.empty()) text += fmt::format("  {:<8} {}\n", "version", listing.version);
  for (const ProgramFunction& function : listing.functions) {
    text += fmt::format("  {:<8} {}: {} operations{}{}\n", "function", shown(function.name),
                        function.operations, function.opset.empty() ? "" : ", opset ",
                        shown(function.opset));
    text += fmt::format("  {:<8} {}\n", "", list_operators(function));
  }
  if (listing.weight_bytes > 0) {
    text += fmt::format("  {:<8} {}\n", "weights", format_bytes(listing.weight_bytes));
  }
  for (const PackagePart& part : listing.parts) {
    const std::string what = describe(part);
    text += fmt::format("  {:<8} {}, {}{}{}\n", part.is_model ? "model" : "file", shown(part.name),
                        format_bytes(part.bytes), what.empty() ? "" : ": ", shown(what));
  }
  if (!listing.advice.empty()) text += fmt::format("  {}\n", shown(listing.advice));
  return text;
}

Table make_table(const PackageListing& listing) {
  Table table{{"part", "bytes", "model", "contents"}, {}};
  for (const PackagePart& part : listing.parts) {
    table.rows.push_back(
        {part.name, std::to_string(part.bytes), part.is_model ? "yes" : "no", describe(part)});
  }
  return table;
}

JsonValue values_json(const std::vector<ValueInfo>& values) {
  JsonValue json = JsonValue::array();
  for (const ValueInfo& value : values) {
    json.push_back({{"name", value.name},
                    {"shape", value.has_rank ? JsonValue(value.shape) : JsonValue(nullptr)},
                    {"type", value.type}});
  }
  return json;
}

JsonValue make_json(const PackageListing& listing) {
  JsonValue parts = JsonValue::array();
  for (const PackagePart& part : listing.parts) {
    parts.push_back({{"name", part.name},
                     {"bytes", part.bytes},
                     {"is_model", part.is_model},
                     {"what", part.what},
                     {"layers", part.layers},
                     {"inputs", values_json(part.inputs)},
                     {"outputs", values_json(part.outputs)}});
  }
  JsonValue functions = JsonValue::array();
  for (const ProgramFunction& function : listing.functions) {
    functions.push_back({{"name", function.name},
                         {"opset", function.opset},
                         {"operations", function.operations},
                         {"operators", function.operators}});
  }
  return {{"file", listing.file},
          {"kind", listing.kind},
          {"advice", listing.advice},
          {"bytes", listing.bytes},
          {"version", listing.version.empty() ? JsonValue(nullptr) : JsonValue(listing.version)},
          {"weight_bytes", listing.weight_bytes},
          {"functions", functions},
          {"parts", parts},
          {"warnings", listing.warnings}};
}

}  // namespace

std::string format_report(const PackageListing& listing, ReportForm form) {
  auto text = format_unless_text(
      form, Alignment::Words, [&] { return make_json(listing); },
      [&] { return make_table(listing); });
  return text ? *std::move(text) : format_text_form(listing);
}

}  // namespace visionpress
