#include <algorithm>
#include <map>
#include <span>

#include <fmt/format.h>

#include "report/report_form.h"
#include "visionpress/report.h"

namespace visionpress {
namespace {

std::string format_values(const char* what, const std::vector<ValueInfo>& values) {
  std::string text;
  for (const ValueInfo& value : values) {
    text += fmt::format("  {:<8} {} {} {}\n", what, shown(value.name),
                        value.has_rank ? format_shape(value.shape) : "[?]", value.type);
  }
  return text;
}

/// "9 convolution, 8 batchnorm", the most frequent first.
std::string count_types(const std::vector<LayerInfo>& layers) {
  std::map<std::string, std::size_t> counts;
  for (const LayerInfo& layer : layers) ++counts[shown(layer.type)];
  std::vector<std::pair<std::string, std::size_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [type, count] : sorted) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, type);
  }
  return text;
}

/// The first names, where there are many.
std::string list_some(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 20;
  if (names.size() <= kShown) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{}, ...", fmt::join(names.begin(), names.begin() + kShown, ", "));
}

/// Breaks after commas so that lines fit; lines after the first are indented.
std::string wrap(const std::string& text, std::size_t indent) {
  std::string wrapped;
  std::size_t line = indent;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t comma = text.find(", ", at);
    const std::size_t end = comma == std::string::npos ? text.size() : comma + 2;
    if (line + (end - at) > kReportColumns && line > indent) {
      wrapped.erase(wrapped.find_last_not_of(' ') + 1);
      wrapped += '\n';
      wrapped.append(indent, ' ');
      line = indent;
    }
    wrapped += text.substr(at, end - at);
    line += end - at;
    at = end;
  }
  return wrapped;
}

std::string format_weights(const ModelInfo& info) {
  struct Sum {
    std::size_t weights = 0;
    std::uint64_t elements = 0;
    std::uint64_t bytes = 0;
  };
  std::map<std::string, Sum> sums;
  for (const WeightInfo& weight : info.weights) {
    Sum& sum = sums[weight.encoding];
    ++sum.weights;
    sum.elements += weight.elements;
    sum.bytes += weight.bytes;
  }
  std::string text;
  for (const auto& [encoding, sum] : sums) {
    text += fmt::format("  {:<8} {}: {} tensors, {} values, {}\n", "weights", encoding, sum.weights,
                        sum.elements, format_bytes(sum.bytes));
  }
  return text;
}

/// "Custom Vision ObjectDetection, TensorFlow TensorFlowLite, exporter 2.1, 2021-11-22"
std::string format_package(const ModelInfo& info) {
  if (!info.package) return {};
  const PackageInfo& package = *info.package;
  std::string text = fmt::format("  {:<8} {}", "package", package.model_file);
  if (!package.domain_type.empty()) {
    constexpr std::size_t kDay = 10;  // characters of "2021-11-22"
    text += fmt::format(" of a Custom Vision export: {}, {}{}{}", package.domain_type,
                        package.platform, package.flavor.empty() ? "" : " ", package.flavor);
    if (!package.exporter_version.empty()) text += ", exporter " + package.exporter_version;
    if (!package.exported_date.empty()) text += ", " + package.exported_date.substr(0, kDay);
  }
  text = shown(text);
  if (package.sha1_matches) text += *package.sha1_matches ? ", SHA-1 right" : ", SHA-1 wrong";
  return text + "\n";
}

/// One line per layer that cannot be run, or one line per reason where many layers share it.
std::string format_refused(const ModelInfo& info) {
  constexpr std::size_t kShown = 4;
  std::vector<std::pair<std::string, std::vector<const LayerInfo*>>> reasons;
  for (const LayerInfo& layer : info.layers) {
    const std::string& why = layer.cannot_run_because;
    if (why.empty()) continue;
    auto reason =
        std::find_if(reasons.begin(), reasons.end(), [&](const auto& r) { return r.first == why; });
    if (reason == reasons.end()) reason = reasons.insert(reasons.end(), {why, {}});
    reason->second.push_back(&layer);
  }
  std::string text;
  for (const auto& [why, layers] : reasons) {
    if (layers.size() > kShown) {
      text += fmt::format("  {:<8} {} layers cannot be run (--layers names them): {}\n", "",
                          layers.size(), shown(why));
      continue;
    }
    for (const LayerInfo* layer : layers) {
      text += fmt::format("  {:<8} \"{}\" ({}) cannot be run: {}\n", "", shown(layer->name),
                          shown(layer->type), shown(why));
    }
  }
  return text;
}

/// What the author says of a Core ML model.
std::string format_description(const std::map<std::string, std::string>& metadata) {
  const auto find = [&metadata](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  const std::string about = find("shortDescription");
  const std::string author = find("author");
  std::string text;
  if (!about.empty()) text += fmt::format("  {:<8} {}\n", "about", shown(about));
  if (!author.empty()) text += fmt::format("  {:<8} {}\n", "author", shown(author));
  return text;
}

std::string format_summary(const ModelInfo& info) {
  constexpr std::size_t kIndent = 11;  // of what follows the word at the beginning of a line
  std::string text = fmt::format("{}: {}, {}, {}\n", shown(base_name(info.file)), info.format,
                                 shown(info.format_version), format_bytes(info.bytes));
  text += format_package(info);
  if (!info.producer.empty()) text += fmt::format("  {:<8} {}\n", "producer", shown(info.producer));
  text += format_description(info.metadata);
  text += format_values("input", info.inputs);
  if (!info.image_input.empty()) {
    text += fmt::format("  {:<8} {}{}\n", "image", shown(info.image_input),
                        info.range_is_guess ? "; 0..255 (guess)" : "");
  }
  text += format_values("output", info.outputs);
  text += fmt::format(
      "  {:<8} {}\n", "layers",
      wrap(fmt::format("{}: {}", info.layers.size(), count_types(info.layers)), kIndent));
  text += format_refused(info);
  text += format_weights(info);
  if (!info.labels.empty()) {
    text += fmt::format("  {:<8} {}\n", "labels",
                        wrap(shown(fmt::format("{} ({}): {}", info.labels.size(),
                                               info.labels_source, list_some(info.labels))),
                             kIndent));
  }
  for (const SchemeFit& fit : info.schemes) {
    const std::string size = fit.cannot_because.empty()
                                 ? fmt::format("{}, {} of {} tensors", format_bytes(fit.file_bytes),
                                               fit.weights, info.weights.size())
                                 : "cannot be written: " + shown(fit.cannot_because);
    text += fmt::format("  {:<8} {:<16} {}\n", "scheme", fit.name, size);
  }
  return text;
}

Table make_layer_table(const ModelInfo& info) {
  const bool all_run = std::ranges::all_of(
      info.layers, [](const LayerInfo& layer) { return layer.cannot_run_because.empty(); });
  Table table{{"layer", "type"}, {}};
  if (!all_run) table.header.emplace_back("cannot be run because");
  for (const LayerInfo& layer : info.layers) {
    table.rows.push_back({layer.name, layer.type});
    if (!all_run) table.rows.back().push_back(layer.cannot_run_because);
  }
  return table;
}

Table make_weight_table(const ModelInfo& info) {
  Table table{{"weight", "layer", "role", "shape", "encoding", "bytes", "fixed because"}, {}};
  for (const WeightInfo& weight : info.weights) {
    table.rows.push_back({weight.name, weight.layer, weight.role, format_shape(weight.shape),
                          weight.encoding, std::to_string(weight.bytes), weight.fixed_because});
  }
  return table;
}

/// For programs: every row says which file it is of.
Table make_file_table(std::span<const ModelInfo> infos) {
  Table table;
  for (const ModelInfo& info : infos) {
    Table weights = make_weight_table(info);
    if (table.header.empty()) {
      table.header = std::move(weights.header);
      table.header.insert(table.header.begin(), "file");
    }
    for (auto& row : weights.rows) {
      row.insert(row.begin(), info.file);
      table.rows.push_back(std::move(row));
    }
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

JsonValue package_json(const std::optional<PackageInfo>& package) {
  if (!package) return nullptr;
  return {{"domain_type", package->domain_type},
          {"platform", package->platform},
          {"flavor", package->flavor},
          {"exporter_version", package->exporter_version},
          {"exported_date", package->exported_date},
          {"iteration_id", package->iteration_id},
          {"model_file", package->model_file},
          {"sha1_matches",
           package->sha1_matches ? JsonValue(*package->sha1_matches) : JsonValue(nullptr)},
          {"properties", package->properties}};
}

JsonValue make_json(const ModelInfo& info) {
  JsonValue layers = JsonValue::array();
  for (const LayerInfo& layer : info.layers) {
    layers.push_back({{"name", layer.name},
                      {"type", layer.type},
                      {"cannot_run_because", layer.cannot_run_because.empty()
                                                 ? JsonValue(nullptr)
                                                 : JsonValue(layer.cannot_run_because)}});
  }
  JsonValue weights = JsonValue::array();
  for (const WeightInfo& weight : info.weights) {
    weights.push_back(
        {{"name", weight.name},
         {"layer", weight.layer},
         {"role", weight.role},
         {"shape", weight.shape},
         {"encoding", weight.encoding},
         {"elements", weight.elements},
         {"bytes", weight.bytes},
         {"fixed_because",
          weight.fixed_because.empty() ? JsonValue(nullptr) : JsonValue(weight.fixed_because)}});
  }
  JsonValue schemes = JsonValue::array();
  for (const SchemeFit& fit : info.schemes) {
    const bool can = fit.cannot_because.empty();
    schemes.push_back(
        {{"name", fit.name},
         {"weights", fit.weights},
         {"file_bytes", can ? JsonValue(fit.file_bytes) : JsonValue(nullptr)},
         {"cannot_because", can ? JsonValue(nullptr) : JsonValue(fit.cannot_because)}});
  }
  return {
      {"file", info.file},
      {"package", package_json(info.package)},
      {"bytes", info.bytes},
      {"format", info.format},
      {"format_version", info.format_version},
      {"producer", info.producer},
      {"inputs", values_json(info.inputs)},
      {"outputs", values_json(info.outputs)},
      {"image_input", info.image_input.empty() ? JsonValue(nullptr) : JsonValue(info.image_input)},
      {"range_is_guess", info.range_is_guess},
      {"layers", layers},
      {"weights", weights},
      {"labels", info.labels},
      {"labels_source", info.labels_source},
      {"metadata", info.metadata},
      {"schemes", schemes},
      {"warnings", info.warnings}};
}

}  // namespace

std::string format_report(const ModelInfo& info, ReportForm form, Detail detail) {
  if (auto text = format_unless_text(
          form, Alignment::Words, [&] { return make_json(info); },
          [&] {
            return make_file_table({&info, 1});
          })) {
    return *text;
  }
  std::string text = format_summary(info);
  if (detail == Detail::Full) {
    text += '\n';
    text += format_text(make_layer_table(info), Alignment::Words);
    text += '\n';
    text += format_text(make_weight_table(info), Alignment::Words);
    for (const auto& [key, value] : info.metadata)
      text += fmt::format("\n{}: {}", shown(key), shown(value));
    if (!info.metadata.empty()) text += "\n";
  }
  return text;
}

std::string format_report(const std::vector<ModelInfo>& infos, ReportForm form, Detail detail) {
  const auto make_array = [&] {
    JsonValue json = JsonValue::array();
    for (const ModelInfo& info : infos) json.push_back(make_json(info));
    return json;
  };
  if (auto text = format_unless_text(form, Alignment::Words, make_array,
                                     [&] { return make_file_table(infos); })) {
    return *text;
  }
  std::string text;
  for (const ModelInfo& info : infos) text += format_report(info, form, detail);
  return text;
}

}  // namespace visionpress
