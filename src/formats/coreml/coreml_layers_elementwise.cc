#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

constexpr std::size_t kManyInputs = 1U << 16;

Result<void> finish_unary(LayerBuilder& layer, UnaryKind kind, float alpha = 0.0F,
                          float beta = 0.0F) {
  return layer.finish(Unary{kind, alpha, beta}, {layer.input(0).id});
}

Result<void> lower_many(LayerBuilder& layer, BinaryKind kind) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, kManyInputs));
  if (layer.input_count() == 1) return layer.finish(Identity{}, layer.input_ids());
  return layer.finish(Binary{kind}, layer.input_ids());
}

Result<void> lower_broadcast(LayerBuilder& layer, BinaryKind kind, std::size_t most) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, most));
  return layer.finish(Binary{kind}, layer.input_ids());
}

/// The activations with parameters read them from the same numbers: alpha 1, beta 2.
struct ActivationRow {
  std::uint32_t field;  ///< in ActivationParams
  UnaryKind kind;
};

constexpr std::array<ActivationRow, 11> kActivations = {{
    {5, UnaryKind::Linear},
    {10, UnaryKind::Relu},
    {15, UnaryKind::LeakyRelu},
    {20, UnaryKind::ThresholdedRelu},
    {30, UnaryKind::Tanh},
    {31, UnaryKind::ScaledTanh},
    {40, UnaryKind::Sigmoid},
    {41, UnaryKind::HardSigmoid},
    {50, UnaryKind::Elu},
    {60, UnaryKind::Softsign},
    {70, UnaryKind::Softplus},
}};
constexpr std::uint32_t kPrelu = 25;
constexpr std::uint32_t kParametricSoftplus = 71;

/// ActivationPReLU { alpha 1 }: a slope a channel, or one for all.
Result<void> lower_prelu(LayerBuilder& layer, const ProtobufMessage& prelu) {
  const ProtobufField* field = prelu.find_last(1);
  if (field == nullptr) {
    return fail_at(ErrorKind::Malformed, prelu.offset(), "{}: PReLU without alpha", layer.path());
  }
  VP_ASSIGN_OR_RETURN(const auto count, count_elements(prelu, *field));
  if (!count) return layer.refuse("the number of its slopes cannot be told");
  WeightUse use;
  use.field = 1;
  use.message = &prelu;
  use.suffix = "alpha";
  use.role = WeightRole::Vector;
  use.shape.shape = {*count};
  use.fixed_because = "no Core ML tool writes PReLU slopes as anything but floats";
  VP_ASSIGN_OR_RETURN(const TensorId alpha, layer.add_weight(use));
  return layer.finish(Prelu{}, {layer.input(0).id, alpha});
}

}  // namespace

Result<void> lower_activation(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  for (const ActivationRow& row : kActivations) {
    VP_ASSIGN_OR_RETURN(const auto message, params.read_message(row.field));
    if (!message) continue;
    VP_ASSIGN_OR_RETURN(const float alpha, message->read_float(1));
    VP_ASSIGN_OR_RETURN(const float beta, message->read_float(2));
    return finish_unary(layer, row.kind, alpha, beta);
  }
  VP_ASSIGN_OR_RETURN(const auto prelu, params.read_message(kPrelu));
  if (prelu) return lower_prelu(layer, *prelu);
  if (params.has(kParametricSoftplus)) return layer.refuse("parametric softplus is not lowered");
  return layer.refuse("its kind of activation is unknown");
}

Result<void> lower_unary(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const std::uint64_t type, params.read_uint(1));
  VP_ASSIGN_OR_RETURN(const float alpha, params.read_float(2));
  VP_ASSIGN_OR_RETURN(float epsilon, params.read_float(3));
  VP_ASSIGN_OR_RETURN(const float shift, params.read_float(4));
  VP_ASSIGN_OR_RETURN(float scale, params.read_float(5));
  // proto3 cannot tell 0 from absent; these are the fields' own defaults.
  if (epsilon == 0.0F) epsilon = 1e-6F;
  if (scale == 0.0F) scale = 1.0F;
  constexpr std::array<UnaryKind, 8> kKinds = {
      UnaryKind::Sqrt, UnaryKind::Rsqrt, UnaryKind::Inverse, UnaryKind::Power,
      UnaryKind::Exp,  UnaryKind::Log,   UnaryKind::Abs,     UnaryKind::Threshold};
  if (type >= kKinds.size()) return layer.refuse(fmt::format("unary function {} is unknown", type));
  const UnaryKind kind = kKinds[type];
  const bool has_epsilon = kind == UnaryKind::Rsqrt || kind == UnaryKind::Inverse;
  TensorId x = layer.input(0).id;
  if (scale != 1.0F || shift != 0.0F) {
    x = layer.add_inner_node(Unary{UnaryKind::Linear, scale, shift}, {x});
  }
  return layer.finish(Unary{kind, alpha, has_epsilon ? epsilon : 0.0F}, {x});
}

Result<void> lower_add(LayerBuilder& layer) {
  if (layer.input_count() != 1) return lower_many(layer, BinaryKind::Add);
  VP_ASSIGN_OR_RETURN(const float alpha, layer.params().read_float(1));
  return finish_unary(layer, UnaryKind::Linear, 1.0F, alpha);
}

Result<void> lower_multiply(LayerBuilder& layer) {
  if (layer.input_count() != 1) return lower_many(layer, BinaryKind::Multiply);
  VP_ASSIGN_OR_RETURN(const float alpha, layer.params().read_float(1));
  return finish_unary(layer, UnaryKind::Linear, alpha, 0.0F);
}

Result<void> lower_average(LayerBuilder& layer) { return lower_many(layer, BinaryKind::Average); }
Result<void> lower_max(LayerBuilder& layer) { return lower_many(layer, BinaryKind::Maximum); }
Result<void> lower_min(LayerBuilder& layer) { return lower_many(layer, BinaryKind::Minimum); }

Result<void> lower_add_broadcastable(LayerBuilder& layer) {
  return lower_broadcast(layer, BinaryKind::Add, 2);
}
Result<void> lower_subtract_broadcastable(LayerBuilder& layer) {
  return lower_broadcast(layer, BinaryKind::Subtract, 2);
}
Result<void> lower_multiply_broadcastable(LayerBuilder& layer) {
  return lower_broadcast(layer, BinaryKind::Multiply, 2);
}
Result<void> lower_divide_broadcastable(LayerBuilder& layer) {
  return lower_broadcast(layer, BinaryKind::Divide, 2);
}
Result<void> lower_max_broadcastable(LayerBuilder& layer) {
  return lower_broadcast(layer, BinaryKind::Maximum, kManyInputs);
}
Result<void> lower_min_broadcastable(LayerBuilder& layer) {
  return lower_broadcast(layer, BinaryKind::Minimum, kManyInputs);
}

Result<void> lower_clip(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float low, layer.params().read_float(1));
  VP_ASSIGN_OR_RETURN(const float high, layer.params().read_float(2));
  if (!(low <= high)) {
    return fail_at(ErrorKind::Malformed, layer.params().offset(), "{}: clips to {}..{}",
                   layer.path(), low, high);
  }
  return finish_unary(layer, UnaryKind::Clip, low, high);
}

Result<void> lower_ceil(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  return finish_unary(layer, UnaryKind::Ceil);
}
Result<void> lower_floor(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  return finish_unary(layer, UnaryKind::Floor);
}
Result<void> lower_copy(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  return layer.finish(Identity{}, layer.input_ids());
}

}  // namespace visionpress::coreml
