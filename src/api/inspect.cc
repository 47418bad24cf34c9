#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/family.h"
#include "formats/format_table.h"
#include "infer/model_runner.h"
#include "infer/open_input.h"
#include "infer/teachable_machine.h"
#include "press/estimate.h"
#include "visionpress/model.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

const char* name_of(WeightRole role) {
  switch (role) {
    case WeightRole::Kernel:
      return "kernel";
    case WeightRole::Bias:
      return "bias";
    case WeightRole::Vector:
      return "vector";
    case WeightRole::Constant:
      return "constant";
  }
  return "unknown";
}

ValueInfo describe_value(const Tensor& tensor) {
  return {tensor.name, tensor.shape, name_of(tensor.dtype), tensor.has_rank};
}

std::string describe_image_input(const InputInfo& info) {
  if (info.width <= 1 || info.height <= 1) return {};  // a vector is not an image
  std::string text = fmt::format("{}x{}", info.width, info.height);
  if (info.color_order) {
    constexpr std::array<const char*, 3> kNames = {" RGB", " BGR", " gray"};
    text += kNames[static_cast<std::size_t>(*info.color_order)];
  }
  if (!info.other_sizes.empty()) text += fmt::format(", sizes {}", info.other_sizes);
  if (!info.mean.empty()) text += fmt::format(", mean {}", fmt::join(info.mean, ","));
  if (!info.std.empty()) text += fmt::format(", std {}", fmt::join(info.std, ","));
  if (!info.source.empty() && info.source != "nothing") text += fmt::format(" ({})", info.source);
  return text;
}

/// Estimates the file's size in each offered form.
std::vector<SchemeFit> estimate_forms(const OpenedModel& model) {
  std::vector<SchemeFit> fits;
  if (model.is_folder) return fits;  // `compress` does not write SavedModels
  PressOptions press;
  press.threads = default_thread_count();
  for (const OfferedForm& offered : all_offered()) {
    press.form = offered.form;
    if (!offered.is_default && !can_hold(*model.source, press)) continue;
    SchemeFit fit{.name = name_of(offered.form), .help = std::string(offered.help)};
    if (const auto estimate = estimate_form(*model.source, press, model.bytes().size())) {
      fit.weights = estimate->weights;
      fit.file_bytes = estimate->bytes;
    } else {
      fit.cannot_because = estimate.error().message;
    }
    fits.push_back(std::move(fit));
  }
  return fits;
}

void add_package(const ExportPackage& package, ModelInfo& info) {
  const ExportManifest& manifest = package.manifest;
  info.package = PackageInfo{.domain_type = manifest.domain_type,
                             .platform = manifest.platform,
                             .flavor = manifest.flavor,
                             .exporter_version = manifest.exporter_version,
                             .exported_date = manifest.exported_date,
                             .iteration_id = manifest.iteration_id,
                             .model_file = package.model_entry,
                             .sha1_matches = package.sha1_matches,
                             .properties = package.properties};
  if (!info.labels.empty()) return;
  info.labels = package.labels;
  info.labels_source = package.labels_entry;
}

/// Says how the pixels of an image input are scaled.
void add_range(const OpenedModel& model, const FoundLabels& labels, ModelInfo& info) {
  info.range_is_guess = guesses_range(model, labels);
  if (const auto hint = find_teachable_machine(model, labels)) {
    info.image_input += fmt::format(" {}({})", hint->mean.empty() ? "" : "-1..1 ", hint->source);
  }
  if (info.range_is_guess) info.warnings.emplace_back(kRangeGuess);
}

}  // namespace

Result<ModelInfo> inspect(const std::string& file) { return inspect(file, std::nullopt); }

Result<ModelInfo> inspect(const std::string& file,
                          const std::optional<std::array<std::int64_t, 2>>& input_size) {
  VP_ASSIGN_OR_RETURN(const OpenedModel model, open_input(file, read_options(input_size)));
  const Graph& graph = model.graph();
  ModelInfo info;
  info.file = file;
  info.bytes = model.size_bytes();
  info.format = name_of(graph.format);
  info.format_version = graph.format_version;
  info.producer = graph.producer;
  for (const TensorId id : graph.inputs) info.inputs.push_back(describe_value(graph.tensor(id)));
  for (const TensorId id : graph.outputs) info.outputs.push_back(describe_value(graph.tensor(id)));
  info.image_input = describe_image_input(graph.input_info);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (is_inner_step(graph, i)) continue;
    const Node& node = graph.nodes[i];
    const auto* unsupported = std::get_if<Unsupported>(&node.op);
    info.layers.push_back(
        {node.name, node.source_type, unsupported != nullptr ? unsupported->why : ""});
  }
  for (const Weight& weight : graph.weights) {
    const auto elements =
        static_cast<std::uint64_t>(element_count(weight.stored.shape).value_or(0));
    info.weights.push_back({weight.name, weight.layer, name_of(weight.role), weight.stored.shape,
                            describe(weight.stored.code), elements, weight.stored.payload.size(),
                            weight.fixed_because});
  }
  info.labels = graph.labels;
  info.labels_source = graph.labels_source;
  // A label file that cannot be read is an error only for commands that need labels.
  const auto found = find_labels(model, file, {});
  if (found && !found->file.empty()) {
    info.labels = found->labels;
    info.labels_source = fs::path(found->file).filename().string() + " beside it";
  }
  info.metadata = graph.metadata;
  if (model.package) add_package(*model.package, info);
  info.schemes = estimate_forms(model);
  info.warnings = model.warnings;
  if (!found) info.warnings.push_back(found.error().to_string());
  add_range(model, found.value_or(FoundLabels{.labels = info.labels}), info);
  return info;
}

}  // namespace visionpress
