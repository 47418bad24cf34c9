#include <algorithm>

#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

constexpr const char* kFewAxes = "its input has fewer axes than it works on";

/// The last `count` axes.
std::vector<int> last_axes(int count) {
  std::vector<int> axes;
  for (int axis = -count; axis < 0; ++axis) axes.push_back(axis);
  return axes;
}

/// Adds a reduction of `x` over `axes`, which remain with size 1.
TensorId add_reduction(LayerBuilder& layer, ReduceKind kind, const std::vector<int>& axes,
                       TensorId x) {
  Reduce reduce;
  reduce.kind = kind;
  reduce.axes = axes;
  return layer.add_inner_node(reduce, {x});
}

/// Adds nodes for x minus its mean over `axes`.
TensorId add_centered(LayerBuilder& layer, const std::vector<int>& axes, TensorId x) {
  const TensorId mean = add_reduction(layer, ReduceKind::Mean, axes, x);
  return layer.add_inner_node(Binary{BinaryKind::Subtract}, {x, mean});
}

/// 1 / sqrt(mean of the squares over `axes` + epsilon)
TensorId add_inverse_deviation(LayerBuilder& layer, const std::vector<int>& axes, float epsilon,
                               TensorId centered) {
  const TensorId squares = layer.add_inner_node(Unary{UnaryKind::Square, 0.0F, 0.0F}, {centered});
  const TensorId variance = add_reduction(layer, ReduceKind::Mean, axes, squares);
  return layer.add_inner_node(Unary{UnaryKind::Rsqrt, 0.0F, epsilon}, {variance});
}

/// Reads an epsilon; `fallback` if it is 0, because proto3 cannot tell 0 from an absent field.
Result<float> read_epsilon(const LayerBuilder& layer, std::uint32_t field, float fallback) {
  VP_ASSIGN_OR_RETURN(const float epsilon, layer.params().read_float(field));
  return epsilon == 0.0F ? fallback : epsilon;
}

/// The axes of a Reduce...LayerParams { axes 1, keepDims 2, reduceAll 3 }, counted from 0 in the
/// blob.
struct ReducedAxes {
  std::vector<std::int64_t> axes = {};  ///< each once, from 0
  bool keep_dims = false;
};

/// Returns nothing if the blob does not have one of the axes.
Result<std::optional<ReducedAxes>> read_reduced_axes(const LayerBuilder& layer) {
  const ProtobufMessage& params = layer.params();
  ReducedAxes result;
  VP_ASSIGN_OR_RETURN(std::vector<std::int64_t> axes, params.read_ints(1));
  VP_ASSIGN_OR_RETURN(result.keep_dims, params.read_bool(2));
  VP_ASSIGN_OR_RETURN(const bool all, params.read_bool(3));
  const int rank = layer.input(0).rank();
  if (all) {
    axes.clear();
    for (int axis = 0; axis < rank; ++axis) axes.push_back(axis);
  }
  for (std::int64_t axis : axes) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return std::optional<ReducedAxes>();
    if (std::find(result.axes.begin(), result.axes.end(), axis) == result.axes.end()) {
      result.axes.push_back(axis);
    }
  }
  if (result.axes.empty()) return std::optional<ReducedAxes>();
  return std::optional<ReducedAxes>(std::move(result));
}

/// Finishes the layer with `reduce` over the blob's axes. A dropped sequence axis has size 1, so
/// there is nothing to reduce on it.
Result<void> finish_reduction(LayerBuilder& layer, Reduce reduce, const ReducedAxes& reduced) {
  Blob x = layer.input(0);
  const bool mixes = !reduced.keep_dims || std::count(reduced.axes.begin(), reduced.axes.end(), 0);
  if (mixes) x = restore_sequence(layer, x);
  for (const std::int64_t axis : reduced.axes) {
    const auto found = find_axis(axis, x);
    if (found) reduce.axes.push_back(*found);
  }
  const auto gone = static_cast<int>(reduced.axes.size());
  if (reduced.keep_dims) return layer.finish(reduce, {x.id}, x.axes);
  if (gone == x.rank()) {
    // Core ML represents a single number as a blob of rank 1.
    const TensorId number = layer.add_inner_node(reduce, {x.id});
    return layer.finish(Reshape{{1}}, {number}, {1, 1});
  }
  reduce.keep_dims = false;
  return layer.finish(reduce, {x.id}, {x.rank() - gone, x.rank() - gone});
}

/// Finishes the layer with log(sum of x), or of exp(x), over the blob's axes.
Result<void> finish_log(LayerBuilder& layer, const ReducedAxes& reduced, bool of_powers) {
  Blob x = layer.input(0);
  const bool mixes = !reduced.keep_dims || std::count(reduced.axes.begin(), reduced.axes.end(), 0);
  if (mixes) x = restore_sequence(layer, x);
  std::vector<int> axes;
  for (const std::int64_t axis : reduced.axes) {
    const auto found = find_axis(axis, x);
    if (found) axes.push_back(*found);
  }
  TensorId most = kNoTensor;
  TensorId id = x.id;
  if (of_powers) {
    // The largest value is taken out first, so that nothing overflows.
    most = add_reduction(layer, ReduceKind::Maximum, axes, id);
    id = layer.add_inner_node(Binary{BinaryKind::Subtract}, {id, most});
    id = layer.add_inner_node(Unary{UnaryKind::Exp, 0.0F, 0.0F}, {id});
  }
  id = add_reduction(layer, ReduceKind::Sum, axes, id);
  id = layer.add_inner_node(Unary{UnaryKind::Log, 0.0F, 0.0F}, {id});
  if (of_powers) id = layer.add_inner_node(Binary{BinaryKind::Add}, {id, most});
  if (reduced.keep_dims) return layer.finish(Identity{}, {id}, x.axes);
  const int left = x.rank() - static_cast<int>(reduced.axes.size());
  if (left == 0) return layer.finish(Reshape{{1}}, {id}, {1, 1});
  return layer.finish(Squeeze{axes}, {id}, {left, left});
}

}  // namespace

Result<void> lower_reduce(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, params.read_uint(1));
  VP_ASSIGN_OR_RETURN(const float epsilon, read_epsilon(layer, 2, 1e-6F));
  VP_ASSIGN_OR_RETURN(const std::uint64_t axis, params.read_uint(3));
  constexpr std::array<ReduceKind, 10> kKinds = {
      ReduceKind::Sum,          ReduceKind::Mean,  ReduceKind::Product, ReduceKind::LogSum,
      ReduceKind::SumOfSquares, ReduceKind::L1,    ReduceKind::L2,      ReduceKind::Maximum,
      ReduceKind::Minimum,      ReduceKind::ArgMax};
  const std::array<std::vector<int>, 5> axes = {{{-3, -2, -1}, {-2, -1}, {-3}, {-2}, {-1}}};
  if (mode >= kKinds.size()) return layer.refuse(fmt::format("reduction {} is unknown", mode));
  if (axis >= axes.size()) return layer.refuse(fmt::format("reduction axis {} is unknown", axis));
  Reduce reduce;
  reduce.kind = kKinds[mode];
  reduce.keeps_nan = true;
  reduce.axes = axes[axis];
  reduce.epsilon = reduce.kind == ReduceKind::LogSum ? epsilon : 0.0F;
  if (reduce.kind == ReduceKind::ArgMax && reduce.axes.size() > 1) {
    return layer.refuse("it looks for the largest value over several axes");
  }
  if (-reduce.axes.front() > layer.input(0).rank()) return layer.refuse(kFewAxes);
  return layer.finish(reduce, {layer.input(0).id});
}

Result<void> lower_reduce_axes(LayerBuilder& layer, ReduceKind kind) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const auto reduced, read_reduced_axes(layer));
  if (!reduced) return layer.refuse("its axes are none of its input's");
  Reduce reduce;
  reduce.kind = kind;
  reduce.keeps_nan = true;
  return finish_reduction(layer, reduce, *reduced);
}

/// The logarithm of the sum. The layer has no epsilon.
Result<void> lower_reduce_log_sum(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const auto reduced, read_reduced_axes(layer));
  if (!reduced) return layer.refuse("its axes are none of its input's");
  return finish_log(layer, *reduced, false);
}

Result<void> lower_reduce_log_sum_exp(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const auto reduced, read_reduced_axes(layer));
  if (!reduced) return layer.refuse("its axes are none of its input's");
  return finish_log(layer, *reduced, true);
}

/// DotProductLayerParams { cosineSimilarity 1 }: along the channels.
Result<void> lower_dot(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const bool is_cosine, layer.params().read_bool(1));
  const std::vector<TensorId> ids = layer.input_ids();
  if (layer.input(0).rank() < 3 || layer.input(1).rank() < 3) return layer.refuse(kFewAxes);
  const TensorId products = layer.add_inner_node(Binary{BinaryKind::Multiply}, {ids[0], ids[1]});
  if (!is_cosine) {
    Reduce sum;
    sum.kind = ReduceKind::Sum;
    sum.axes = {-3};
    return layer.finish(sum, {products});
  }
  const TensorId sum = add_reduction(layer, ReduceKind::Sum, {-3}, products);
  const TensorId lengths = layer.add_inner_node(
      Binary{BinaryKind::Multiply}, {add_reduction(layer, ReduceKind::L2, {-3}, ids[0]),
                                     add_reduction(layer, ReduceKind::L2, {-3}, ids[1])});
  return layer.finish(Binary{BinaryKind::Divide}, {sum, lengths});
}

/// ArgMaxLayerParams and ArgMinLayerParams { axis 1, removeDim 2 }
Result<void> lower_find_extreme(LayerBuilder& layer, ReduceKind kind) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(std::int64_t axis, layer.params().read_int(1));
  VP_ASSIGN_OR_RETURN(const bool remove, layer.params().read_bool(2));
  const int rank = layer.input(0).rank();
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return layer.refuse("its axis is none of its input's");
  Reduce reduce;
  reduce.kind = kind;
  reduce.keeps_nan = true;
  return finish_reduction(layer, reduce, {{axis}, !remove});
}

Result<void> lower_softmax(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  if (layer.input(0).rank() < 3) return layer.refuse(kFewAxes);
  return layer.finish(Softmax{-3}, {layer.input(0).id});
}

Result<void> lower_softmax_nd(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  const std::optional<int> found = find_axis(axis, layer.input(0));
  if (!found) return layer.refuse(kSequence);
  return layer.finish(Softmax{*found}, {layer.input(0).id});
}

/// LRNLayerParams: x / (k + alpha / localSize * sum of x^2 over localSize channels) ^ beta
Result<void> lower_lrn(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, layer.params().read_float(1));
  VP_ASSIGN_OR_RETURN(const float beta, layer.params().read_float(2));
  VP_ASSIGN_OR_RETURN(const std::int64_t size, read_size(layer, layer.params(), 3));
  VP_ASSIGN_OR_RETURN(const float k, read_epsilon(layer, 4, 1.0F));
  if (size % 2 == 0) {
    return layer.refuse(fmt::format("its window of {} channels has no middle", size));
  }
  if (layer.input(0).rank() < 3) return layer.refuse(kFewAxes);
  return layer.finish(LocalResponseNorm{-3, size / 2, k, alpha / static_cast<float>(size), beta},
                      {layer.input(0).id});
}

/// MeanVarianceNormalizeLayerParams { acrossChannels 1, normalizeVariance 2, epsilon 3 }
Result<void> lower_mvn(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const bool across_channels, layer.params().read_bool(1));
  VP_ASSIGN_OR_RETURN(const bool normalizes, layer.params().read_bool(2));
  VP_ASSIGN_OR_RETURN(const float epsilon, read_epsilon(layer, 3, 1e-6F));
  if (layer.input(0).rank() < 3) return layer.refuse(kFewAxes);
  const std::vector<int> axes = last_axes(across_channels ? 3 : 2);
  const TensorId x = layer.input(0).id;
  if (!normalizes) {
    const TensorId mean = add_reduction(layer, ReduceKind::Mean, axes, x);
    return layer.finish(Binary{BinaryKind::Subtract}, {x, mean});
  }
  const TensorId centered = add_centered(layer, axes, x);
  const TensorId factor = add_inverse_deviation(layer, axes, epsilon, centered);
  return layer.finish(Binary{BinaryKind::Multiply}, {centered, factor});
}

/// L2NormalizeLayerParams: x / sqrt(sum of x^2 over C, H and W + epsilon)
Result<void> lower_l2_normalize(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float epsilon, read_epsilon(layer, 1, 1e-6F));
  if (layer.input(0).rank() < 3) return layer.refuse(kFewAxes);
  const TensorId x = layer.input(0).id;
  const TensorId sum = add_reduction(layer, ReduceKind::SumOfSquares, last_axes(3), x);
  const TensorId factor = layer.add_inner_node(Unary{UnaryKind::Rsqrt, 0.0F, epsilon}, {sum});
  return layer.finish(Binary{BinaryKind::Multiply}, {x, factor});
}

/// LayerNormalizationLayerParams { normalizedShape 1, eps 2, gamma 3, beta 4 }, over the last axes.
Result<void> lower_layer_normalization(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const Shape shape, layer.params().read_ints(1));
  VP_ASSIGN_OR_RETURN(const float epsilon, layer.params().read_float(2));
  const auto count = static_cast<int>(shape.size());
  std::array<TensorId, 2> vectors = {kNoTensor, kNoTensor};
  for (std::uint32_t i = 0; i < 2; ++i) {
    WeightUse use;
    use.field = 3 + i;
    use.suffix = i == 0 ? "gamma" : "beta";
    use.role = i == 0 ? WeightRole::Vector : WeightRole::Bias;
    use.shape.shape = shape;
    // source: NeuralNetworkLayerValidator.cpp refuses quantized ones, coremltools halves none.
    use.fixed_because = "Core ML takes its layer's parameters as floats";
    VP_ASSIGN_OR_RETURN(vectors[i], layer.add_weight(use));
  }
  const Blob& blob = layer.input(0);
  if (count < 1 || count > blob.axes.kept) return layer.refuse(kFewAxes);
  const std::vector<int> axes = last_axes(count);
  const TensorId centered = add_centered(layer, axes, blob.id);
  const TensorId factor = add_inverse_deviation(layer, axes, epsilon, centered);
  const TensorId normal = layer.add_inner_node(Binary{BinaryKind::Multiply}, {centered, factor});
  const TensorId scaled = layer.add_inner_node(Binary{BinaryKind::Multiply}, {normal, vectors[0]});
  return layer.finish(Binary{BinaryKind::Add}, {scaled, vectors[1]});
}

}  // namespace visionpress::coreml
