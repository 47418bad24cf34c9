// Activations, and those that are made of several steps.

#include <array>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

/// An activation whose one parameter is the attribute `alpha`.
Result<void> finish_with_alpha(NodeLowering& node, UnaryKind kind, float fallback) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", fallback));
  return node.finish(node.unary(kind, node.input(0), alpha));
}

Result<void> lower_relu(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  return node.finish(node.unary(UnaryKind::Relu, node.input(0)));
}

Result<void> lower_leaky_relu(NodeLowering& node) {
  return finish_with_alpha(node, UnaryKind::LeakyRelu, 0.01F);
}

Result<void> lower_elu(NodeLowering& node) { return finish_with_alpha(node, UnaryKind::Elu, 1.0F); }

/// gamma * Elu(x, alpha)
Result<void> lower_selu(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", 1.6732632F));
  VP_ASSIGN_OR_RETURN(const float gamma, node.read_float("gamma", 1.0507010F));
  VP_ASSIGN_OR_RETURN(Value elu, node.unary(UnaryKind::Elu, node.input(0), alpha));
  return node.finish(node.unary(UnaryKind::Linear, elu, gamma, 0.0F));
}

/// max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) = alpha * Elu(x / alpha, 1)
Result<void> lower_celu(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", 1.0F));
  if (!(alpha > 0.0F)) return node.refuse(fmt::format("its alpha is {}", alpha));
  VP_ASSIGN_OR_RETURN(Value shrunk,
                      node.unary(UnaryKind::Linear, node.input(0), 1.0F / alpha, 0.0F));
  VP_ASSIGN_OR_RETURN(Value elu, node.unary(UnaryKind::Elu, shrunk, 1.0F));
  return node.finish(node.unary(UnaryKind::Linear, elu, alpha, 0.0F));
}

Result<void> lower_thresholded_relu(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", 1.0F));
  // x is kept above alpha, not at it: the next number is the first that is.
  return node.finish(
      node.unary(UnaryKind::ThresholdedRelu, node.input(0), std::nextafter(alpha, INFINITY)));
}

Result<void> lower_hard_sigmoid(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", 0.2F));
  VP_ASSIGN_OR_RETURN(const float beta, node.read_float("beta", 0.5F));
  return node.finish(node.unary(UnaryKind::HardSigmoid, node.input(0), alpha, beta));
}

Result<void> lower_hard_swish(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  return node.finish(node.unary(UnaryKind::HardSwish, node.input(0)));
}

Result<void> lower_softplus(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  return node.finish(node.unary(UnaryKind::Softplus, node.input(0)));
}

Result<void> lower_softsign(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  return node.finish(node.unary(UnaryKind::Softsign, node.input(0)));
}

Result<void> lower_scaled_tanh(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", 1.0F));
  VP_ASSIGN_OR_RETURN(const float beta, node.read_float("beta", 1.0F));
  return node.finish(node.unary(UnaryKind::ScaledTanh, node.input(0), alpha, beta));
}

/// alpha * x + beta: Affine of opset 1.
Result<void> lower_affine(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", 1.0F));
  VP_ASSIGN_OR_RETURN(const float beta, node.read_float("beta", 0.0F));
  return node.finish(node.unary(UnaryKind::Linear, node.input(0), alpha, beta));
}

/// x * tanh(softplus(x))
Result<void> lower_mish(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  VP_ASSIGN_OR_RETURN(Value soft, node.unary(UnaryKind::Softplus, x));
  VP_ASSIGN_OR_RETURN(Value factor, node.unary(UnaryKind::Tanh, soft));
  return node.finish(node.binary(BinaryKind::Multiply, x, factor));
}

/// x * sigmoid(alpha * x)
Result<void> lower_swish(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float alpha, node.read_float("alpha", 1.0F));
  Value& x = node.input(0);
  Value scaled = x;
  if (alpha != 1.0F) {
    VP_ASSIGN_OR_RETURN(scaled, node.unary(UnaryKind::Linear, x, alpha, 0.0F));
  }
  VP_ASSIGN_OR_RETURN(Value factor, node.unary(UnaryKind::Sigmoid, scaled));
  return node.finish(node.binary(BinaryKind::Multiply, x, factor));
}

/// x / 2 * (1 + erf(x / sqrt(2))), or its approximation by tanh.
Result<void> lower_gelu(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::string approximate, node.read_text("approximate", "none"));
  Value& x = node.input(0);
  Value inner;
  if (approximate == "tanh") {
    // tanh(sqrt(2 / pi) * (x + 0.044715 x^3))
    VP_ASSIGN_OR_RETURN(Value square, node.unary(UnaryKind::Square, x));
    VP_ASSIGN_OR_RETURN(Value factor, node.unary(UnaryKind::Linear, square, 0.044715F, 1.0F));
    VP_ASSIGN_OR_RETURN(Value bent, node.binary(BinaryKind::Multiply, x, factor));
    constexpr double kScale = 0.79788456080286535588;  // sqrt(2 / pi)
    VP_ASSIGN_OR_RETURN(inner,
                        node.unary(UnaryKind::ScaledTanh, bent, 1.0F, static_cast<float>(kScale)));
  } else {
    const auto scale = static_cast<float>(1.0 / std::numbers::sqrt2);
    VP_ASSIGN_OR_RETURN(Value scaled, node.unary(UnaryKind::Linear, x, scale, 0.0F));
    VP_ASSIGN_OR_RETURN(inner, node.unary(UnaryKind::Erf, scaled));
  }
  VP_ASSIGN_OR_RETURN(Value half, node.unary(UnaryKind::Linear, inner, 0.5F, 0.5F));
  return node.finish(node.binary(BinaryKind::Multiply, x, half));
}

/// x < -lambd: x + bias; x > lambd: x - bias; else 0.
Result<void> lower_shrink(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float bias, node.read_float("bias", 0.0F));
  VP_ASSIGN_OR_RETURN(const float limit, node.read_float("lambd", 0.5F));
  Value& x = node.input(0);
  Value low = make_known({}, {static_cast<double>(-limit)}, DataType::Float);
  Value high = make_known({}, {static_cast<double>(limit)}, DataType::Float);
  Value zero = make_known({}, {0.0}, DataType::Float);
  const auto compare = [&](BinaryKind kind, Value& with) {
    return node.apply(Binary{kind, FusedActivation::None}, {&x, &with}, DataType::Bool);
  };
  VP_ASSIGN_OR_RETURN(Value is_low, compare(BinaryKind::Less, low));
  VP_ASSIGN_OR_RETURN(Value is_high, compare(BinaryKind::Greater, high));
  VP_ASSIGN_OR_RETURN(Value raised, node.unary(UnaryKind::Linear, x, 1.0F, bias));
  VP_ASSIGN_OR_RETURN(Value lowered, node.unary(UnaryKind::Linear, x, 1.0F, -bias));
  VP_ASSIGN_OR_RETURN(Value upper, node.apply(Select{}, {&is_high, &lowered, &zero}, x.dtype));
  return node.finish(Select{}, {&is_low, &raised, &upper}, x.dtype);
}

/// The number of elements of a slope that broadcasts to x, if they are one per channel (axis 1) or
/// one for all.
bool is_per_channel(const Shape& slope, const Shape& x) {
  if (element_count(slope) == 1) return true;
  if (x.size() < 2 || slope.empty() || x[1] < 0) return false;
  const std::size_t skipped = x.size() - std::min(slope.size(), x.size());
  if (slope.size() > x.size()) return false;
  for (std::size_t i = 0; i < slope.size(); ++i) {
    const std::int64_t wanted = skipped + i == 1 ? x[1] : 1;
    if (slope[i] != wanted) return false;
  }
  return true;
}

/// x < 0 ? slope * x : x
Result<void> lower_prelu(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  Value& x = node.input(0);
  Value slope = node.input(1);
  if (!x.shape || !slope.shape) return node.refuse_computed(0, kUnknownRank);
  // Before opset 7 a vector was one slope per channel.
  const bool is_old = node.opset() < 7 && slope.shape->size() == 1 && x.shape->size() > 2 &&
                      slope.shape->front() != 1;
  if (is_old) {
    ExpandDims expand;
    for (std::size_t a = 2; a < x.shape->size(); ++a)
      expand.axes.push_back(static_cast<int>(a - 1));
    VP_ASSIGN_OR_RETURN(slope, node.view(std::move(expand), slope));
  }
  const bool is_image = x.shape->size() == 4 || x.shape->size() == 2;
  if (is_image && slope.is_constant() && is_per_channel(*slope.shape, *x.shape)) {
    Shape flat = {element_count(*slope.shape).value_or(1)};
    VP_ASSIGN_OR_RETURN(Value vector, node.view(Reshape{flat}, slope));
    return node.finish(node.apply_with(Prelu{}, x, {{&vector, {WeightRole::Vector, 0}}}));
  }
  Value zero = make_known({}, {0.0}, x.dtype);
  VP_ASSIGN_OR_RETURN(Value is_low, node.apply(Binary{BinaryKind::Less, FusedActivation::None},
                                               {&x, &zero}, DataType::Bool));
  VP_ASSIGN_OR_RETURN(Value scaled, node.binary(BinaryKind::Multiply, x, slope));
  return node.finish(Select{}, {&is_low, &scaled, &x}, x.dtype);
}

constexpr std::array kActivationRows = std::to_array<OperatorRow>({
    {"Affine", lower_affine},
    {"Celu", lower_celu},
    {"Elu", lower_elu},
    {"Gelu", lower_gelu},
    {"HardSigmoid", lower_hard_sigmoid},
    {"HardSwish", lower_hard_swish},
    {"LeakyRelu", lower_leaky_relu},
    {"Mish", lower_mish},
    {"PRelu", lower_prelu},
    {"Relu", lower_relu},
    {"ScaledTanh", lower_scaled_tanh},
    {"Selu", lower_selu},
    {"Shrink", lower_shrink},
    {"Softplus", lower_softplus},
    {"Softsign", lower_softsign},
    {"Swish", lower_swish},
    {"ThresholdedRelu", lower_thresholded_relu},
    {"com.microsoft.Gelu", lower_gelu},
});

}  // namespace

std::span<const OperatorRow> activation_rows() { return kActivationRows; }

}  // namespace visionpress::onnx
