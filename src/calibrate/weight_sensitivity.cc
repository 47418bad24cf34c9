#include "calibrate/weight_sensitivity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "calibrate/calibrate.h"
#include "calibrate/finish_layer.h"
#include "lower/graph_shapes.h"
#include "model/kernel_axes.h"
#include "press/code_store.h"
#include "press/estimate.h"
#include "press/plan.h"

namespace visionpress {
namespace {

/// The output's values before a final softmax or sigmoid, which hides most changes.
struct ComparedTensor {
  TensorId tensor = kNoTensor;
  bool is_shift_free = false;  ///< a softmax of one picture's values: a constant changes nothing
};

const Node* find_writer(const Graph& graph, TensorId tensor) {
  for (const Node& node : graph.nodes) {
    if (std::ranges::find(node.outputs, tensor) != node.outputs.end()) return &node;
  }
  return nullptr;
}

ComparedTensor find_compared(const Graph& graph, TensorId output) {
  TensorId tensor = output;
  const Node* writer = find_writer(graph, tensor);
  while (writer != nullptr && (std::holds_alternative<Reshape>(writer->op) ||
                               std::holds_alternative<Squeeze>(writer->op) ||
                               std::holds_alternative<Identity>(writer->op))) {
    tensor = writer->inputs[0];
    writer = find_writer(graph, tensor);
  }
  if (writer == nullptr) return {output, false};
  if (std::holds_alternative<Softmax>(writer->op)) return {writer->inputs[0], true};
  const auto* unary = std::get_if<Unary>(&writer->op);
  if (unary != nullptr && unary->kind == UnaryKind::Sigmoid) return {writer->inputs[0], false};
  return {output, false};
}

double mean_of(std::span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += value;
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

using Outputs = std::vector<std::vector<std::vector<float>>>;  // by picture, by tensor

class SensitivityMeter {
 public:
  SensitivityMeter(const SourceModel& model, const CalibrationPictures& pictures,
                   const PressOptions& press, const WeightSensitivityOptions& options)
      : model_(model),
        press_(press),
        options_(options),
        walk_(model.graph(), pictures, press.threads),
        store_(model.graph(), {.threads = press.threads}),
        inputs_(choose_measuring(pictures, options.compared)) {}

  Result<std::vector<WeightSensitivity>> run() {
    const Graph& graph = model_.graph();
    for (const TensorId output : graph.outputs) {
      const ComparedTensor compared = find_compared(graph, output);
      // Values and their softmax may both be outputs.
      const bool is_known = std::ranges::any_of(
          compared_, [&](const ComparedTensor& other) { return other.tensor == compared.tensor; });
      if (!is_known && !walk_.has_reached(compared.tensor)) compared_.push_back(compared);
    }
    VP_RETURN_IF_ERROR(run_original());
    const std::vector<std::pair<std::size_t, std::size_t>> readers = list_readers();
    std::vector<WeightSensitivity> found;
    for (std::size_t i = options_.shard.index - 1; i < readers.size(); i += options_.shard.count) {
      const auto [node, weight] = readers[i];
      if (options_.progress) options_.progress(i, readers.size(), graph.weights[weight].layer);
      VP_ASSIGN_OR_RETURN(WeightSensitivity one, measure(graph.nodes[node], weight));
      if (!one.forms.empty()) found.push_back(std::move(one));
    }
    return found;
  }

 private:
  /// The outputs of the network as it is.
  Result<void> run_original() {
    std::vector<TensorId> tensors;
    for (const ComparedTensor& compared : compared_) tensors.push_back(compared.tensor);
    VP_ASSIGN_OR_RETURN(original_, walk_.look_ahead(model_.graph(), tensors, inputs_.compared));
    return {};
  }

  /// The node that first reads each kernel, and the kernel.
  [[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> list_readers() const {
    const Graph& graph = model_.graph();
    std::vector<bool> seen(graph.weights.size(), false);
    std::vector<std::pair<std::size_t, std::size_t>> readers;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const TensorId input : graph.nodes[n].inputs) {
        if (input == kNoTensor) continue;
        const auto& weight = graph.tensor(input).weight;
        if (!weight || seen[*weight] || graph.weights[*weight].role != WeightRole::Kernel) continue;
        seen[*weight] = true;
        readers.emplace_back(n, *weight);
      }
    }
    return readers;
  }

  Result<WeightSensitivity> measure(const Node& node, std::size_t weight) {
    WeightSensitivity found;
    found.weight = weight;
    std::vector<KernelStart> starts;
    std::vector<int> stored_bits;
    for (const FormWish& wish : options_.forms) {
      const PlannedWeight planned = plan_weight(model_, weight, wish.form, press_);
      if (planned.is_kept()) continue;
      VP_ASSIGN_OR_RETURN(const auto coded, store_.encode(weight, planned.form));
      if (!coded.get().refused.empty()) continue;
      starts.push_back({coded.get().codes, wish.noise});
      stored_bits.push_back(planned.stored_bits);
      FormSensitivity form;
      form.wish = wish;
      form.form = planned.form;
      form.bytes = count_planned_bytes(model_, weight, planned, press_.rewrite).value_or(0);
      found.forms.push_back(form);
    }
    if (starts.empty()) return found;
    for (const TensorId input : node.inputs) {
      if (input == kNoTensor || model_.graph().tensor(input).is_constant()) continue;
      VP_RETURN_IF_ERROR(walk_.advance(input));
    }
    VP_ASSIGN_OR_RETURN(std::vector<FinishedLayer> layers, round_layer(node, weight, starts));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      VP_ASSIGN_OR_RETURN(found.forms[i].change, run_changed(layers[i], weight));
      found.forms[i].download_bytes = estimate_download(*layers[i].codes, stored_bits[i]);
    }
    return found;
  }

  Result<std::vector<FinishedLayer>> round_layer(const Node& node, std::size_t weight,
                                                 std::span<const KernelStart> starts) {
    std::vector<FinishedLayer> nearest;
    for (const KernelStart& start : starts) nearest.push_back({.codes = start.codes});
    if (find_kernel(model_.graph(), node) != weight) return nearest;
    const Graph& graph = model_.graph();
    const auto matrix = find_kernel_matrix(graph, node, walk_.shape(node.inputs[0]));
    if (!matrix) return in_node(node, matrix.error());
    if (!*matrix) return nearest;
    const MomentCollector collector(**matrix, graph.layout, walk_, walk_,
                                    {.samples = choose_sample_count(**matrix),
                                     .seed = options_.seed,
                                     .left_out = inputs_.left_out});
    auto finished =
        finish_layer(graph, **matrix, starts, collector, {.passes = 0, .threads = press_.threads});
    if (!finished) return in_node(node, finished.error());
    return std::move(*finished);
  }

  Result<double> run_changed(const FinishedLayer& layer, std::size_t weight) const {
    Graph changed = model_.graph();
    changed.weights[weight].stored = layer.codes->view();
    if (layer.bias) changed.weights[layer.bias->weight].stored = layer.bias->values->view();
    std::vector<std::size_t> places;
    std::vector<TensorId> tensors;
    for (std::size_t i = 0; i < compared_.size(); ++i) {
      if (walk_.has_reached(compared_[i].tensor)) continue;  // it does not depend on the weight
      places.push_back(i);
      tensors.push_back(compared_[i].tensor);
    }
    if (tensors.empty()) return 0.0;
    VP_ASSIGN_OR_RETURN(const Outputs outputs,
                        walk_.look_ahead(changed, tensors, inputs_.compared));
    double sum = 0.0;
    for (std::size_t i = 0; i < tensors.size(); ++i) sum += compare(outputs, i, places[i]);
    return sum / static_cast<double>(compared_.size());
  }

  /// The squared error of one output as a share of its squares.
  [[nodiscard]] double compare(const Outputs& outputs, std::size_t index, std::size_t place) const {
    double noise = 0.0;
    double signal = 0.0;
    for (std::size_t p = 0; p < outputs.size(); ++p) {
      const std::vector<float>& now = outputs[p][index];
      const std::vector<float>& before = original_[p][place];
      const bool is_free = compared_[place].is_shift_free;
      const double middle = is_free ? mean_of(before) : 0.0;
      const double shift = is_free ? mean_of(now) - middle : 0.0;
      for (std::size_t i = 0; i < std::min(now.size(), before.size()); ++i) {
        const double error = static_cast<double>(now[i]) - before[i] - shift;
        noise += error * error;
        signal += (before[i] - middle) * (before[i] - middle);
      }
    }
    if (!std::isfinite(noise)) return std::numeric_limits<double>::infinity();
    return signal > 0.0 ? noise / signal : (noise > 0.0 ? 1.0 : 0.0);
  }

  const SourceModel& model_;
  const PressOptions& press_;
  const WeightSensitivityOptions& options_;
  ActivationWalk walk_;
  CodeStore store_;
  MeasuringInputs inputs_ = {};
  std::vector<ComparedTensor> compared_ = {};
  Outputs original_ = {};
};

}  // namespace

MeasuringInputs choose_measuring(const CalibrationPictures& pictures, std::size_t count) {
  MeasuringInputs chosen;
  const std::size_t views = pictures.views;
  const std::size_t all = pictures.inputs.size() / views;
  const std::size_t measuring = all < 3 ? all : std::min(count, all / 3);
  // Whole pictures first, then parts of them.
  for (std::size_t view = 0; view < views; ++view) {
    for (std::size_t i = 0; i < measuring && chosen.compared.size() < count; ++i)
      chosen.compared.push_back(i * all / measuring * views + view);
  }
  std::ranges::sort(chosen.compared);
  if (all < 3) return chosen;
  for (std::size_t i = 0; i < measuring; ++i) {
    for (std::size_t view = 0; view < views; ++view)
      chosen.left_out.push_back(i * all / measuring * views + view);
  }
  return chosen;
}

Result<std::vector<WeightSensitivity>> measure_weights(const SourceModel& model,
                                                       const CalibrationPictures& pictures,
                                                       const PressOptions& press,
                                                       const WeightSensitivityOptions& options) {
  VP_RETURN_IF_ERROR(check_blas());
  return SensitivityMeter(model, pictures, press, options).run();
}

}  // namespace visionpress
