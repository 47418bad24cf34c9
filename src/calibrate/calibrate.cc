#include "calibrate/calibrate.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <set>

#include "base/error.h"
#include "calibrate/kernel_matrix.h"
#include "calibrate/layer_moments.h"
#include "calibrate/layer_rounding.h"
#include "codecs/decode.h"
#include "kernels/dense_matrix.h"
#include "lower/axis_order.h"
#include "lower/graph_shapes.h"
#include "press/code_store.h"

namespace visionpress {
namespace {

/// Samples of each group over all pictures: four per column, and at least so many that a mean over
/// them is steady. Groups of a depthwise kernel have few columns and are many.
std::size_t wanted_samples(const KernelMatrix& matrix) {
  constexpr std::size_t kPerColumn = 4;
  constexpr std::size_t kLeast = 32768;
  constexpr std::size_t kLeastOfGroup = 8192;
  return std::max(kPerColumn * matrix.columns(), matrix.groups > 1 ? kLeastOfGroup : kLeast);
}

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
    const std::size_t weight = matrix->weight;
    const auto loaded = load_weight(graph.weights[weight].stored, press_.threads);
    if (!loaded) return in_node(node, loaded.error());
    VP_ASSIGN_OR_RETURN(const TensorId joined, find_joined(node, *matrix));
    const MomentCollector collector(
        *matrix, graph.layout, changed_, original_,
        {.samples = wanted_samples(*matrix), .seed = options_.seed, .joined = joined});
    RoundedKernel rounded =
        round_kernel(*matrix, *nearest_.at(weight), *loaded, collector, press_.threads);
    CalibratedWeight row;
    row.weight = weight;
    row.samples = rounded.samples;
    row.not_because = rounded.not_because;
    row.snr_db = 10.0 * std::log10(rounded.signal / rounded.noise);
    rows_.push_back(row);
    if (!row.not_because.empty()) return {};
    if (matrix->bias && is_float_bias(*matrix->bias))
      VP_RETURN_IF_ERROR(correct_bias(*matrix->bias, rounded.mean_change));
    auto codes = std::make_shared<const EncodedWeight>(std::move(rounded.codes));
    VP_RETURN_IF_ERROR(plan_finished(model_, weight, codes, press_.rewrite, plan_));
    replace(weight, codes);
    return {};
  }

  /// Whether the bias is written as it is given, in float32.
  [[nodiscard]] bool is_float_bias(std::size_t bias) const {
    const Weight& weight = model_.graph().weights[bias];
    return weight.stored.code.encoding == Encoding::Float32 && plan_.weights[bias].is_kept() &&
           weight.fixed_because.empty();
  }

  Result<void> correct_bias(std::size_t bias, const std::vector<double>& change) {
    const Weight& weight = model_.graph().weights[bias];
    VP_ASSIGN_OR_RETURN(std::vector<float> values, load_weight(weight.stored));
    if (values.size() != change.size()) return {};
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(values[i] + change[i]);
    EncodedWeight corrected;
    corrected.shape = weight.stored.shape;
    const Bytes bytes = std::as_bytes(std::span(values));
    corrected.codes = ByteBuffer(bytes.begin(), bytes.end());
    auto codes = std::make_shared<const EncodedWeight>(std::move(corrected));
    VP_RETURN_IF_ERROR(plan_finished(model_, bias, codes, press_.rewrite, plan_));
    replace(bias, codes);
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
};

}  // namespace

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
  if (!has_blas()) {
    return fail(ErrorKind::Unsupported,
                "calibration needs OpenBLAS (libopenblas.so.0), which is not installed; Debian's "
                "package is libopenblas0");
  }
  return Calibrator(model, pictures, press, options, plan).run();
}

}  // namespace visionpress
