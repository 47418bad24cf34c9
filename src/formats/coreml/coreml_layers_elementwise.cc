#include <limits>

#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

constexpr const char* kNoChannels = "its input has no channels (axis -3)";

Result<void> finish_unary(LayerBuilder& layer, UnaryKind kind, float alpha = 0.0F,
                          float beta = 0.0F) {
  return layer.finish(Unary{kind, alpha, beta}, {layer.input(0).id});
}

/// Core ML follows NumPy: a maximum with NaN is NaN.
Binary binary_of(BinaryKind kind) {
  Binary binary;
  binary.kind = kind;
  binary.keeps_nan = true;
  return binary;
}

Result<void> lower_many(LayerBuilder& layer, BinaryKind kind) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, kManyInputs));
  if (layer.input_count() == 1) return layer.finish(Identity{}, layer.input_ids());
  return layer.finish(binary_of(kind), layer.input_ids());
}

/// Activations with parameters read them from the same fields: alpha 1, beta 2.
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

/// Finds a parameter of an activation: one number per channel, or one for all channels.
Result<std::optional<WeightUse>> find_parameter(const ProtobufMessage& activation,
                                                std::uint32_t number, const char* suffix) {
  const ProtobufField* field = activation.find_last(number);
  if (field == nullptr) return std::optional<WeightUse>();
  VP_ASSIGN_OR_RETURN(const auto count, count_elements(activation, *field));
  if (!count) return std::optional<WeightUse>();
  WeightUse use;
  use.field = number;
  use.message = &activation;
  use.suffix = suffix;
  use.role = WeightRole::Vector;
  use.shape.shape = {*count};
  use.fixed_because = "no Core ML tool writes parameters of activations as anything but floats";
  return std::optional<WeightUse>(std::move(use));
}

/// ActivationPReLU { alpha 1 }
Result<void> lower_prelu(LayerBuilder& layer, const ProtobufMessage& prelu) {
  if (prelu.find_last(1) == nullptr) {
    return fail_at(ErrorKind::Malformed, prelu.offset(), "{}: PReLU without alpha", layer.path());
  }
  VP_ASSIGN_OR_RETURN(const auto use, find_parameter(prelu, 1, "alpha"));
  if (!use) return layer.refuse("the number of its slopes cannot be told");
  VP_ASSIGN_OR_RETURN(const TensorId alpha, layer.add_weight(*use));
  const auto image = view_image(layer, 3);
  if (!image) return layer.refuse(kNoChannels);
  return finish_image(layer, *image, Prelu{}, {alpha});
}

/// ActivationParametricSoftplus { alpha 1, beta 2 }: alpha * log(1 + exp(beta * x))
Result<void> lower_parametric_softplus(LayerBuilder& layer, const ProtobufMessage& softplus) {
  std::array<TensorId, 2> factors = {kNoTensor, kNoTensor};
  for (std::uint32_t i = 0; i < 2; ++i) {
    VP_ASSIGN_OR_RETURN(auto use, find_parameter(softplus, i + 1, i == 0 ? "alpha" : "beta"));
    if (!use) return layer.refuse("the number of its factors cannot be told");
    use->view = {use->shape.shape[0], 1, 1};
    VP_ASSIGN_OR_RETURN(factors[i], layer.add_weight(*use));
  }
  if (layer.input(0).rank() < 3) return layer.refuse(kNoChannels);
  const TensorId scaled =
      layer.add_inner_node(Binary{BinaryKind::Multiply}, {layer.input(0).id, factors[1]});
  const TensorId curved = layer.add_inner_node(Unary{UnaryKind::Softplus, 0.0F, 0.0F}, {scaled});
  return layer.finish(Binary{BinaryKind::Multiply}, {curved, factors[0]});
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
  VP_ASSIGN_OR_RETURN(const auto softplus, params.read_message(kParametricSoftplus));
  if (softplus) return lower_parametric_softplus(layer, *softplus);
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
  // proto3 cannot tell 0 from an absent field; these are the defaults that the specification names.
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

Result<void> lower_function(LayerBuilder& layer, UnaryKind kind) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  return finish_unary(layer, kind);
}

Result<void> lower_combination(LayerBuilder& layer, BinaryKind kind) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, kManyInputs));
  return layer.finish(binary_of(kind), layer.input_ids());
}

Result<void> lower_comparison(LayerBuilder& layer, BinaryKind kind, std::uint32_t alpha_field) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() == 2) return layer.finish(Binary{kind}, layer.input_ids());
  VP_ASSIGN_OR_RETURN(const float alpha, layer.params().read_float(alpha_field));
  return layer.finish(Binary{kind}, {layer.input(0).id, layer.add_literal({1}, {alpha})});
}

Result<void> lower_logical_xor(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, 2));
  std::vector<TensorId> negated;
  for (const TensorId id : layer.input_ids()) {
    negated.push_back(layer.add_inner_node(Unary{UnaryKind::LogicalNot, 0.0F, 0.0F}, {id}));
  }
  return layer.finish(Binary{BinaryKind::NotEqual}, std::move(negated));
}

Result<void> lower_clip(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float low, layer.params().read_float(1));
  VP_ASSIGN_OR_RETURN(const float high, layer.params().read_float(2));
  if (!(low <= high)) return layer.refuse(fmt::format("it clips to {}..{}", low, high));
  return finish_unary(layer, UnaryKind::Clip, low, high);
}

/// min(beta, x < 0 ? alpha * x : x)
Result<void> lower_clamped_relu(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, layer.params().read_float(1));
  VP_ASSIGN_OR_RETURN(const float beta, layer.params().read_float(2));
  const TensorId leaky =
      layer.add_inner_node(Unary{UnaryKind::LeakyRelu, alpha, 0.0F}, {layer.input(0).id});
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  return layer.finish(Unary{UnaryKind::Clip, kLowest, beta}, {leaky});
}

/// x times a share, which the mode defines.
Result<void> lower_gelu(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, layer.params().read_uint(1));
  const TensorId x = layer.input(0).id;
  const auto inner = [&](const Unary& op, TensorId of) { return layer.add_inner_node(op, {of}); };
  constexpr float kRootHalf = 0.70710678F;     // 1 / sqrt(2)
  constexpr float kRoot2OverPi = 0.79788456F;  // sqrt(2 / pi)
  TensorId share = kNoTensor;
  if (mode == 0) {
    const TensorId error =
        inner({UnaryKind::Erf, 0.0F, 0.0F}, inner({UnaryKind::Linear, kRootHalf, 0.0F}, x));
    share = inner({UnaryKind::Linear, 0.5F, 0.5F}, error);
  } else if (mode == 1) {
    // sqrt(2/pi) * (x + 0.044715 x^3) is x * sqrt(2/pi) * (1 + 0.044715 x^2)
    const TensorId square = inner({UnaryKind::Square, 0.0F, 0.0F}, x);
    const TensorId factor =
        inner({UnaryKind::Linear, kRoot2OverPi * 0.044715F, kRoot2OverPi}, square);
    const TensorId argument = layer.add_inner_node(Binary{BinaryKind::Multiply}, {x, factor});
    const TensorId bent = inner({UnaryKind::Tanh, 0.0F, 0.0F}, argument);
    share = inner({UnaryKind::Linear, 0.5F, 0.5F}, bent);
  } else if (mode == 2) {
    share = inner({UnaryKind::Sigmoid, 0.0F, 0.0F}, inner({UnaryKind::Linear, 1.702F, 0.0F}, x));
  } else {
    return layer.refuse(fmt::format("gelu mode {} is unknown", mode));
  }
  return layer.finish(Binary{BinaryKind::Multiply}, {x, share});
}

Result<void> lower_exp2(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  return layer.finish(binary_of(BinaryKind::Power),
                      {layer.add_literal({1}, {2.0F}), layer.input(0).id});
}

Result<void> lower_copy(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  return layer.finish(Identity{}, layer.input_ids());
}

}  // namespace visionpress::coreml
