// Normalizations by a mean and a variance.

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"
#include "formats/onnx/onnx_window.h"

namespace visionpress::onnx {
namespace {

/// A vector of one value per channel, shaped for broadcasting with x: [C,1,1].
Result<Value> align_channels(NodeLowering& node, Value& vector, std::size_t rank) {
  ExpandDims expand;
  for (std::size_t a = 2; a < rank; ++a) expand.axes.push_back(static_cast<int>(a - 1));
  return node.view(std::move(expand), vector);
}

bool are_constant(NodeLowering& node, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i)
    if (!node.input(i).is_constant()) return false;
  return true;
}

/// inputs: x, scale, bias, mean, variance; any of them may be computed.
Result<void> compose_batch_norm(NodeLowering& node, float epsilon) {
  Value& x = node.input(0);
  std::vector<Value> vectors;
  for (std::size_t i = 1; i < 5; ++i) {
    VP_ASSIGN_OR_RETURN(Value vector, align_channels(node, node.input(i), x.shape->size()));
    vectors.push_back(std::move(vector));
  }
  VP_ASSIGN_OR_RETURN(Value centred, node.binary(BinaryKind::Subtract, x, vectors[2]));
  VP_ASSIGN_OR_RETURN(Value inverse, node.unary(UnaryKind::Rsqrt, vectors[3], 0.0F, epsilon));
  VP_ASSIGN_OR_RETURN(Value factor, node.binary(BinaryKind::Multiply, inverse, vectors[0]));
  VP_ASSIGN_OR_RETURN(Value scaled, node.binary(BinaryKind::Multiply, centred, factor));
  return node.finish(node.binary(BinaryKind::Add, scaled, vectors[1]));
}

/// returns: why its statistics cannot be had; empty where they are constants of each channel.
Result<std::string> explain_batch_mode(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(const std::int64_t is_training, node.read_int("training_mode", 0));
  VP_ASSIGN_OR_RETURN(const std::int64_t is_spatial, node.read_int("spatial", 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t is_test, node.read_int("is_test", 1));
  if (is_training != 0 || (node.opset() < 7 && is_test == 0))
    return std::string("it is in training mode: it needs the statistics of a batch");
  return std::string(is_spatial == 0 ? "its statistics are those of each pixel" : "");
}

/// The scale, bias, mean and variance as weights of one value per channel.
Result<std::vector<std::pair<Value*, Use>>> list_batch_vectors(NodeLowering& node,
                                                               std::int64_t channels) {
  std::vector<std::pair<Value*, Use>> parameters;
  for (std::size_t i = 1; i < 5; ++i) {
    const Shape& shape = *node.input(i).shape;
    if (shape.size() != 1 || (channels >= 0 && shape[0] != channels)) {
      return node.malformed(fmt::format("parameter {} has the shape {}, expected [{}]", i,
                                        to_string(shape), channels));
    }
    parameters.push_back({&node.input(i), {WeightRole::Vector, 0}});
  }
  return parameters;
}

Result<void> lower_batch_norm(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(5, 5));
  VP_ASSIGN_OR_RETURN(const float epsilon, node.read_float("epsilon", 1e-5F));
  VP_ASSIGN_OR_RETURN(const std::string refused, explain_batch_mode(node));
  if (!refused.empty()) return node.refuse(refused);
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const std::size_t rank = x.shape->size();
  if (rank < 1) return node.malformed("it normalizes a scalar");
  if (rank < 2 || rank > 4 || !are_constant(node, 1, 5)) return compose_batch_norm(node, epsilon);
  VP_ASSIGN_OR_RETURN(const auto parameters, list_batch_vectors(node, (*x.shape)[1]));
  VP_ASSIGN_OR_RETURN(Value image, view_as_image(node, x));
  VP_ASSIGN_OR_RETURN(Value result, node.apply_with(BatchNorm{epsilon}, image, parameters));
  if (rank == 3) {
    VP_ASSIGN_OR_RETURN(result, node.view(Squeeze{{2}}, result));
  }
  return node.finish(std::move(result));
}

/// x without its mean along the axes, over its deviation.
struct Normalized {
  Value value = {};
  Value mean = {};
  Value inverse = {};  ///< of the deviation
};

Result<Normalized> normalize(NodeLowering& node, Value& x, std::vector<int> axes, float epsilon) {
  Reduce mean;
  mean.kind = ReduceKind::Mean;
  mean.axes = std::move(axes);
  Normalized result;
  VP_ASSIGN_OR_RETURN(result.mean, node.apply(mean, x));
  VP_ASSIGN_OR_RETURN(Value centred, node.binary(BinaryKind::Subtract, x, result.mean));
  VP_ASSIGN_OR_RETURN(Value square, node.unary(UnaryKind::Square, centred));
  VP_ASSIGN_OR_RETURN(Value variance, node.apply(mean, square));
  VP_ASSIGN_OR_RETURN(result.inverse, node.unary(UnaryKind::Rsqrt, variance, 0.0F, epsilon));
  VP_ASSIGN_OR_RETURN(result.value, node.binary(BinaryKind::Multiply, centred, result.inverse));
  return result;
}

std::vector<int> axes_from(std::size_t first, std::size_t rank) {
  std::vector<int> axes(rank - first);
  std::iota(axes.begin(), axes.end(), static_cast<int>(first));
  return axes;
}

/// inputs: x, scale, bias (each [C]).
Result<void> lower_instance_norm(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const float epsilon, node.read_float("epsilon", 1e-5F));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const std::size_t rank = x.shape->size();
  if (rank < 3) return node.malformed("it normalizes " + to_string(*x.shape));
  if (rank == 4 && are_constant(node, 1, 3)) {
    return node.finish(node.apply_with(
        InstanceNorm{epsilon}, x,
        {{&node.input(1), {WeightRole::Vector, 0}}, {&node.input(2), {WeightRole::Vector, 0}}}));
  }
  VP_ASSIGN_OR_RETURN(Normalized normal, normalize(node, x, axes_from(2, rank), epsilon));
  VP_ASSIGN_OR_RETURN(Value scale, align_channels(node, node.input(1), rank));
  VP_ASSIGN_OR_RETURN(Value bias, align_channels(node, node.input(2), rank));
  VP_ASSIGN_OR_RETURN(Value scaled, node.binary(BinaryKind::Multiply, normal.value, scale));
  return node.finish(node.binary(BinaryKind::Add, scaled, bias));
}

/// inputs: x, scale, optional bias. outputs: the result, optional mean and inverse deviation.
Result<void> lower_layer_norm(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 3));
  VP_ASSIGN_OR_RETURN(const float epsilon, node.read_float("epsilon", 1e-5F));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", -1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  VP_ASSIGN_OR_RETURN(
      Normalized normal,
      normalize(node, x, axes_from(static_cast<std::size_t>(axis), x.shape->size()), epsilon));
  VP_ASSIGN_OR_RETURN(Value result, node.binary(BinaryKind::Multiply, normal.value, node.input(1)));
  if (node.has_input(2)) {
    VP_ASSIGN_OR_RETURN(result, node.binary(BinaryKind::Add, result, node.input(2)));
  }
  node.set_output(1, normal.mean);
  node.set_output(2, normal.inverse);
  return node.finish(std::move(result));
}

/// x over the root of its mean square. inputs: x, scale.
Result<void> lower_rms_norm(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const float epsilon, node.read_float("epsilon", 1e-5F));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", -1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  Reduce mean;
  mean.kind = ReduceKind::Mean;
  mean.axes = axes_from(static_cast<std::size_t>(axis), x.shape->size());
  VP_ASSIGN_OR_RETURN(Value square, node.unary(UnaryKind::Square, x));
  VP_ASSIGN_OR_RETURN(Value power, node.apply(mean, square));
  VP_ASSIGN_OR_RETURN(Value inverse, node.unary(UnaryKind::Rsqrt, power, 0.0F, epsilon));
  VP_ASSIGN_OR_RETURN(Value normal, node.binary(BinaryKind::Multiply, x, inverse));
  return node.finish(node.binary(BinaryKind::Multiply, normal, node.input(1)));
}

/// x, whose sizes are known, as [N,groups,elements of a group].
Result<Value> split_into_groups(NodeLowering& node, Value& x, std::int64_t groups) {
  const Shape shape = *x.shape;
  const std::int64_t count = *element_count(shape);
  if (groups < 1 || shape[1] % groups != 0 || count == 0)
    return node.malformed(fmt::format("{} groups of {}", groups, to_string(shape)));
  return node.view(Reshape{{shape[0], groups, count / shape[0] / groups}}, x);
}

/// The value times input 1 plus input 2, both along axis 1.
Result<Value> scale_and_shift(NodeLowering& node, Value& value, std::size_t rank) {
  VP_ASSIGN_OR_RETURN(Value scale, align_channels(node, node.input(1), rank));
  VP_ASSIGN_OR_RETURN(Value bias, align_channels(node, node.input(2), rank));
  VP_ASSIGN_OR_RETURN(Value scaled, node.binary(BinaryKind::Multiply, value, scale));
  return node.binary(BinaryKind::Add, scaled, bias);
}

/// Scales and shifts normalized groups per group or per channel, and gives them the shape of x.
Result<void> finish_groups(NodeLowering& node, Value value, const Shape& shape,
                           std::int64_t groups) {
  const bool is_per_group = node.input(1).shape && node.input(1).shape->size() == 1 &&
                            node.input(1).shape->front() == groups && groups != shape[1];
  const std::size_t rank = is_per_group ? 3 : shape.size();
  if (!is_per_group) {
    VP_ASSIGN_OR_RETURN(value, node.view(Reshape{shape}, value));
  }
  VP_ASSIGN_OR_RETURN(value, scale_and_shift(node, value, rank));
  if (is_per_group) {
    VP_ASSIGN_OR_RETURN(value, node.view(Reshape{shape}, value));
  }
  return node.finish(std::move(value));
}

/// inputs: x, scale, bias: one value per channel since opset 21, per group in opset 18.
Result<void> lower_group_norm(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const float epsilon, node.read_float("epsilon", 1e-5F));
  VP_ASSIGN_OR_RETURN(const std::int64_t groups, node.read_int("num_groups", 0));
  Value& x = node.input(0);
  if (!x.shape || x.shape->size() < 2 || !element_count(*x.shape))
    return node.refuse_computed(0, "the sizes of its input are not known");
  const Shape shape = *x.shape;
  VP_ASSIGN_OR_RETURN(Value grouped, split_into_groups(node, x, groups));
  VP_ASSIGN_OR_RETURN(Normalized normal, normalize(node, grouped, {2}, epsilon));
  return finish_groups(node, std::move(normal.value), shape, groups);
}

/// (x - mean) / (deviation + 1e-9)
Result<void> lower_mean_variance(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const auto named, node.read_ints("axes"));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  Reduce mean;
  mean.kind = ReduceKind::Mean;
  for (const std::int64_t axis : named.value_or(std::vector<std::int64_t>{0, 2, 3})) {
    VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(axis, x.shape->size()));
    mean.axes.push_back(checked);
  }
  VP_ASSIGN_OR_RETURN(Value middle, node.apply(mean, x));
  VP_ASSIGN_OR_RETURN(Value centred, node.binary(BinaryKind::Subtract, x, middle));
  VP_ASSIGN_OR_RETURN(Value square, node.unary(UnaryKind::Square, centred));
  VP_ASSIGN_OR_RETURN(Value variance, node.apply(mean, square));
  VP_ASSIGN_OR_RETURN(Value deviation, node.unary(UnaryKind::Sqrt, variance));
  VP_ASSIGN_OR_RETURN(Value divisor, node.binary(BinaryKind::Add, deviation, 1e-9));
  return node.finish(node.binary(BinaryKind::Divide, centred, divisor));
}

Result<void> lower_lrn(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t size, node.read_int("size", 0));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", 1e-4F));
  VP_ASSIGN_OR_RETURN(const float beta, node.read_float("beta", 0.75F));
  VP_ASSIGN_OR_RETURN(const float bias, node.read_float("bias", 1.0F));
  if (size < 1 || size > (1 << 20)) return node.malformed(fmt::format("size is {}", size));
  if (size % 2 == 0) return node.refuse("its window has an even number of channels");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_RETURN_IF_ERROR(node.check_axis(1, x.shape->size()));
  LocalResponseNorm op;
  op.axis = 1;
  op.radius = (size - 1) / 2;
  op.alpha = alpha / static_cast<float>(size);
  op.beta = beta;
  op.bias = bias;
  return node.finish(op, x);
}

constexpr std::array kNormRows = std::to_array<OperatorRow>({
    {"BatchNormalization", lower_batch_norm},
    {"GroupNormalization", lower_group_norm},
    {"InstanceNormalization", lower_instance_norm},
    {"LRN", lower_lrn},
    {"LayerNormalization", lower_layer_norm},
    {"MeanVarianceNormalization", lower_mean_variance},
    {"RMSNormalization", lower_rms_norm},
    {"SimplifiedLayerNormalization", lower_rms_norm},
});

}  // namespace

std::span<const OperatorRow> norm_rows() { return kNormRows; }

}  // namespace visionpress::onnx
