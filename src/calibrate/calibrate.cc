#include "calibrate/calibrate.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "base/error.h"
#include "calibrate/finish_layer.h"
#include "calibrate/kernel_matrix.h"
#include "calibrate/layer_moments.h"
#include "codecs/decode.h"
#include "kernels/dense_matrix.h"
#include "lower/axis_order.h"
#include "lower/graph_shapes.h"
#include "model/kernel_axes.h"
#include "press/code_store.h"

namespace visionpress {
namespace {

class Calibrator {
 public:
  Calibrator(const SourceModel& model, const CalibrationPictures& pictures,
             const PressOptions& press, const CalibrateOptions& options, Plan& plan)
      : model_(model),
        press_(press),
        options_(options),
        plan_(plan),
        changed_graph_(model.graph()),
        changed_(changed_graph_, pictures, press.threads),
        original_(model.graph(), pictures, press.threads),
        store_(model.graph(), {.threads = press.threads}) {}

  Result<std::vector<CalibratedWeight>> run() {
    VP_RETURN_IF_ERROR(encode_nearest());
    const Graph& graph = model_.graph();
    const std::vector<std::size_t> nodes = list_layers();
    noise_per_weight_ = find_noise_per_weight(nodes);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Node& node = graph.nodes[nodes[i]];
      if (options_.progress) options_.progress(i, nodes.size(), node.name);
      VP_RETURN_IF_ERROR(calibrate_layer(node));
    }
    return std::move(rows_);
  }

 private:
  /// Gives the changed network the codes that the plan would have without pictures.
  Result<void> encode_nearest() {
    for (std::size_t i = 0; i < plan_.weights.size(); ++i) {
      PlannedWeight& planned = plan_.weights[i];
      if (planned.is_kept()) continue;
      if (planned.finished == nullptr) {
        VP_ASSIGN_OR_RETURN(const auto coded, store_.encode(i, planned.form));
        if (!coded.get().refused.empty()) continue;
        nearest_[i] = coded.get().codes;
      } else {
        nearest_[i] = planned.finished;
      }
      replace(i, nearest_[i]);
    }
    return {};
  }

  void replace(std::size_t weight, const std::shared_ptr<const EncodedWeight>& codes) {
    changed_graph_.weights[weight].stored = codes->view();
    in_use_[weight] = codes;
  }

  [[nodiscard]] std::vector<std::size_t> list_layers() const {
    std::vector<std::size_t> nodes;
    std::set<std::size_t> seen;
    const Graph& graph = model_.graph();
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const auto kernel = find_kernel(graph, graph.nodes[n]);
      if (!kernel || !nearest_.contains(*kernel) || !seen.insert(*kernel).second) continue;
      const Encoding encoding = plan_.weights[*kernel].form.encoding;
      if (encoding == Encoding::Linear || encoding == Encoding::Table) nodes.push_back(n);
    }
    return nodes;
  }

  /// Bits are spent best where one more lowers noise / signal by the same in every layer. It falls
  /// by a factor of 4 with each bit per weight, so this is so where each layer's noise / signal is
  /// in proportion to its weights.
  [[nodiscard]] double find_noise_per_weight(const std::vector<std::size_t>& nodes) const {
    const Graph& graph = model_.graph();
    double count = 0.0;
    for (const std::size_t n : nodes) {
      const std::size_t kernel = *find_kernel(graph, graph.nodes[n]);
      count += static_cast<double>(element_count(graph.weights[kernel].stored.shape).value_or(0));
    }
    return count > 0.0 ? options_.noise_budget / count : 0.0;
  }

  /// What the plan says of this weight, or else its part of the budget.
  [[nodiscard]] double find_noise(std::size_t weight) const {
    const double planned = plan_.weights[weight].noise;
    if (planned > 0.0) return planned;
    const Shape& shape = model_.graph().weights[weight].stored.shape;
    return noise_per_weight_ * static_cast<double>(element_count(shape).value_or(0));
  }

  /// The tensor that the next node adds to the layer's results, with both walks at it; none where
  /// there is no such node, or where it depends on a layer that is not calibrated yet.
  Result<TensorId> find_joined(const Node& node, const KernelMatrix& matrix) {
    const Graph& graph = model_.graph();
    if (!matrix.row_is_result || !matrix.reads.is_image) return kNoTensor;
    if (std::get<Conv2d>(node.op).activation != FusedActivation::None) return kNoTensor;
    const Node* join = nullptr;
    for (const Node& reader : graph.nodes) {
      if (std::ranges::find(reader.inputs, node.outputs[0]) == reader.inputs.end()) continue;
      if (join != nullptr) return kNoTensor;
      join = &reader;
    }
    if (join == nullptr || join->inputs.size() != 2) return kNoTensor;
    const auto* add = std::get_if<Binary>(&join->op);
    if (add == nullptr || add->kind != BinaryKind::Add) return kNoTensor;
    const TensorId other = join->inputs[join->inputs[0] == node.outputs[0] ? 1 : 0];
    if (other == node.outputs[0] || graph.tensor(other).is_constant()) return kNoTensor;
    for (const std::size_t n : changed_.list_needed(other)) {
      const auto kernel = find_kernel(graph, graph.nodes[n]);
      if (kernel && nearest_.contains(*kernel)) return kNoTensor;
    }
    VP_RETURN_IF_ERROR(original_.advance(other));
    VP_RETURN_IF_ERROR(changed_.advance(other));
    const Shape shape = physical_shape(changed_.shape(other), graph.layout);
    if (shape.size() != 4 || shape[1] != matrix.reads.positions[0] ||
        shape[2] != matrix.reads.positions[1] ||
        static_cast<std::size_t>(shape[3]) != matrix.rows() * matrix.groups)
      return kNoTensor;
    return other;
  }

  Result<void> calibrate_layer(const Node& node) {
    const Graph& graph = model_.graph();
    VP_RETURN_IF_ERROR(original_.advance(node.inputs[0]));
    VP_RETURN_IF_ERROR(changed_.advance(node.inputs[0]));
    const auto found = find_kernel_matrix(graph, node, original_.shape(node.inputs[0]));
    if (!found) return in_node(node, found.error());
    const std::optional<KernelMatrix>& matrix = *found;
    if (!matrix) return {};
    VP_ASSIGN_OR_RETURN(const TensorId joined, find_joined(node, *matrix));
    const MomentCollector collector(
        *matrix, graph.layout, changed_, original_,
        {.samples = choose_sample_count(*matrix), .seed = options_.seed, .joined = joined});
    const KernelStart start = {nearest_.at(matrix->weight), find_noise(matrix->weight)};
    auto finished =
        finish_layer(graph, *matrix, {&start, 1}, collector, {.threads = press_.threads});
    if (!finished) return in_node(node, finished.error());
    return use(finished->front(), matrix->weight);
  }

  Result<void> use(const FinishedLayer& layer, std::size_t weight) {
    rows_.push_back({.weight = weight,
                     .samples = layer.samples,
                     .snr_db = layer.snr_db,
                     .not_because = layer.not_because});
    if (!layer.not_because.empty()) return {};
    if (layer.bias && plan_.weights[layer.bias->weight].is_kept()) {
      VP_ASSIGN_OR_RETURN(const auto values, fit_file(*layer.bias));
      VP_RETURN_IF_ERROR(finish(layer.bias->weight, values));
    }
    return finish(weight, layer.codes);
  }

  /// Halves as float32 again where the file cannot hold them beside the layer's other weights, or
  /// would need a node for them.
  Result<std::shared_ptr<const EncodedWeight>> fit_file(const FinishedBias& bias) const {
    const WeightCode& code = bias.values->code;
    if (code.encoding != Encoding::Float16) return bias.values;
    const Graph& graph = model_.graph();
    bool is_free = model_.why_not(bias.weight, form_of(code), press_.rewrite).empty() &&
                   model_.estimate_overhead(bias.weight, code, press_.rewrite) == 0;
    for (std::size_t i = 0; i < graph.weights.size(); ++i) {
      if (i == bias.weight ||
          graph.weights[i].layer_group != graph.weights[bias.weight].layer_group)
        continue;
      const PlannedWeight& other = plan_.weights[i];
      const Encoding encoding =
          other.is_kept() ? graph.weights[i].stored.code.encoding : other.form.encoding;
      if (encoding == Encoding::Float32) is_free = false;
    }
    if (is_free) return bias.values;
    VP_ASSIGN_OR_RETURN(const std::vector<float> values, load_weight(bias.values->view()));
    return std::make_shared<const EncodedWeight>(store_floats(values, bias.values->shape));
  }

  Result<void> finish(std::size_t weight, const std::shared_ptr<const EncodedWeight>& codes) {
    VP_RETURN_IF_ERROR(plan_finished(model_, weight, codes, press_.rewrite, plan_));
    replace(weight, codes);
    return {};
  }

  const SourceModel& model_;
  const PressOptions& press_;
  const CalibrateOptions& options_;
  Plan& plan_;
  Graph changed_graph_;
  ActivationWalk changed_;
  ActivationWalk original_;
  CodeStore store_;
  std::map<std::size_t, std::shared_ptr<const EncodedWeight>> nearest_ = {};
  std::map<std::size_t, std::shared_ptr<const EncodedWeight>> in_use_ = {};
  std::vector<CalibratedWeight> rows_ = {};
  double noise_per_weight_ = 0.0;
};

}  // namespace

Result<void> check_blas() {
  if (has_blas()) return {};
  return fail(ErrorKind::Unsupported,
              "calibration needs OpenBLAS (libopenblas.so.0), which is not installed; Debian's "
              "package is libopenblas0");
}

Result<std::uint64_t> count_activation_bytes(const Graph& graph, const Shape& input_shape) {
  VP_ASSIGN_OR_RETURN(const std::vector<Shape> shapes, infer_shapes(graph, input_shape));
  // A walk holds the inputs of a layer and of the one before it.
  std::uint64_t most = 0;
  std::uint64_t before = 0;
  for (const Node& node : graph.nodes) {
    if (!find_kernel(graph, node)) continue;
    const auto count = element_count(shapes[static_cast<std::size_t>(node.inputs[0])]);
    const auto now = static_cast<std::uint64_t>(count.value_or(0));
    most = std::max(most, before + now);
    before = now;
  }
  constexpr std::uint64_t kNetworks = 2;
  return most * kNetworks * sizeof(float);
}

Result<std::vector<CalibratedWeight>> calibrate(const SourceModel& model,
                                                const CalibrationPictures& pictures,
                                                const PressOptions& press,
                                                const CalibrateOptions& options, Plan& plan) {
  VP_RETURN_IF_ERROR(check_blas());
  if (!(options.noise_budget >= 0.0 && options.noise_budget <= 1.0)) {
    return fail(ErrorKind::InvalidArgument, "the noise budget is {}, expected 0 to 1",
                options.noise_budget);
  }
  return Calibrator(model, pictures, press, options, plan).run();
}

}  // namespace visionpress
