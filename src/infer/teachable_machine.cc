#include "infer/teachable_machine.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "eval/package_hint.h"

namespace visionpress {
namespace {

constexpr std::string_view kFloatName = "model_unquant.tflite";
constexpr std::string_view kQuantizedName = "model.tflite";

bool has_trainer_layers(const Graph& graph) {
  const auto has = [&](std::string_view part) {
    return std::ranges::any_of(graph.tensors, [&](const Tensor& tensor) {
      return tensor.name.find(part) != std::string::npos;
    });
  };
  // Of later exports only the first layer's bias keeps its name, and the input.
  return has("dense_Dense1") && (has("dense_Dense2") || has("sequential_"));
}

/// Whether the archive holds the model and its labels alone.
bool is_pair(const OpenedModel& model) {
  return model.files.kind() == FileSet::Kind::Archive && model.files.names().size() == 2 &&
         model.package && !model.package->labels_entry.empty();
}

/// The facts that tell; empty where they do not.
std::string describe_facts(const OpenedModel& model, const FoundLabels& labels) {
  if (has_trainer_layers(model.graph())) return "layers named as its trainer does (dense_Dense1)";
  if (!labels.is_numbered) return {};
  const std::string_view name = base_name_of(model.entry);
  const std::string_view file =
      labels.file.empty() ? std::string_view("labels.txt") : base_name_of(labels.file);
  const bool is_named = name == kFloatName || (name == kQuantizedName && is_pair(model));
  return is_named ? fmt::format("{} with numbered {}", name, file) : std::string();
}

bool has_image_input(const Graph& graph) {
  const InputInfo& info = graph.input_info;
  const bool has_channels = info.channels == 1 || info.channels == 3;
  return graph.format == Format::TfLite && graph.inputs.size() == 1 && has_channels &&
         info.width > 1 && info.height > 1;
}

}  // namespace

std::optional<PackageHint> find_teachable_machine(const OpenedModel& model,
                                                  const FoundLabels& labels) {
  const Graph& graph = model.graph();
  if (!has_image_input(graph)) return std::nullopt;
  const std::string facts = describe_facts(model, labels);
  if (facts.empty()) return std::nullopt;
  PackageHint hint;
  hint.rule = ResizeRule::CenterCrop;
  hint.color = ColorOrder::Rgb;
  hint.source = fmt::format("Teachable Machine: {}", facts);
  if (graph.tensor(graph.inputs.front()).dtype == DType::Float32) {
    constexpr float kHalf = 127.5F;  // pixels 0..255 become -1..1
    const auto channels = static_cast<std::size_t>(graph.input_info.channels);
    hint.mean.assign(channels, kHalf);
    hint.std.assign(channels, kHalf);
  }
  return hint;
}

PackageHint choose_model_hint(const OpenedModel& model, const FoundLabels& labels,
                              const PackageHint& fallback) {
  if (model.package && !model.package->manifest_entry.empty()) {
    return choose_hint(*model.package, model.graph().input_info.width);
  }
  if (auto hint = find_teachable_machine(model, labels)) return *std::move(hint);
  return model.package ? choose_hint(*model.package, model.graph().input_info.width) : fallback;
}

}  // namespace visionpress
