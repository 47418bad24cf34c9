#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "formats/tflite/tflite_codes.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;

/// The fused activation. MAXIMUM and MINIMUM have none, and a missing options table means none, as
/// in the runtime.
tfl::Activation binary_activation(const TfliteOperator& source) {
  if (const auto* add = source.table.builtin_options_as_AddOptions()) return add->activation();
  if (const auto* sub = source.table.builtin_options_as_SubOptions()) return sub->activation();
  if (const auto* mul = source.table.builtin_options_as_MulOptions()) return mul->activation();
  if (const auto* div = source.table.builtin_options_as_DivOptions()) return div->activation();
  return tfl::Activation::NONE;
}

/// Lowers integer division, which truncates the quotient.
Lowered divide_whole(const TfliteOperator& source, const Binary& op) {
  LoweredOperator result;
  result.op = op;
  result.inputs = source.inputs;
  Tensor quotient;  // a float until it is truncated
  quotient.name = fmt::format("{}/quotient", source.graph.tensor(source.outputs[0]).name);
  result.outputs = {make_value(source, result, std::move(quotient))};
  result.after = {{Unary{UnaryKind::Truncate, 0.0F, 0.0F}, result.outputs, source.outputs}};
  return result;
}

Lowered lower_binary(const TfliteOperator& source, BinaryKind kind) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  VP_RETURN_IF_ERROR(check_same_type(source, 0, 1));
  if (is_logical(kind)) VP_RETURN_IF_ERROR(check_type(source, 0, DType::Bool));
  const auto activation = find_activation(binary_activation(source));
  const bool moves_kernel = has_codes(source) && is_passed_over(binary_activation(source));
  if (!activation || moves_kernel)
    return unsupported(source, activation_reason(binary_activation(source)));
  const DType dtype = find_input(source, 0)->dtype;
  if (kind == BinaryKind::Divide && dtype == DType::Int64)
    return unsupported(source, "it divides int64, LiteRT divides int32 alone");
  if (is_whole(dtype) && *activation != FusedActivation::None) {
    // Refused, because the clamp would hide a result that overflows in LiteRT.
    return unsupported(source, fmt::format("its fused activation clamps {}", name_of(dtype)));
  }
  const Binary op = {kind, *activation};
  if (kind == BinaryKind::Divide && is_whole(dtype)) return divide_whole(source, op);
  return lowered(op, source.inputs);
}

/// Lowers a sum of two tensors or more; the runtime does not accept fewer.
Lowered lower_add_n(const TfliteOperator& source) {
  const std::size_t count = std::max<std::size_t>(source.inputs.size(), 2);
  VP_RETURN_IF_ERROR(check_operand_counts(source, count, 1));
  for (std::size_t slot = 1; slot < count; ++slot) {
    VP_RETURN_IF_ERROR(check_same_type(source, 0, slot));
  }
  return lowered(Binary{BinaryKind::Add, FusedActivation::None}, source.inputs);
}

Lowered lower_unary(const TfliteOperator& source, UnaryKind kind, float alpha = 0.0F,
                    float beta = 0.0F) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  return lowered(Unary{kind, alpha, beta}, {source.inputs[0]});
}

Lowered lower_leaky_relu(const TfliteOperator& source) {
  const auto* options = source.table.builtin_options_as_LeakyReluOptions();
  if (options == nullptr) return missing_options(source);
  return lower_unary(source, UnaryKind::LeakyRelu, options->alpha());
}

Lowered lower_prelu(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const Shape& slopes = find_input(source, 1)->shape;
  const bool by_channel =
      std::all_of(slopes.begin(), slopes.empty() ? slopes.end() : slopes.end() - 1,
                  [](std::int64_t size) { return size == 1; });
  if (by_channel) return lowered(Prelu{}, {source.inputs[0], source.inputs[1]});
  // max(x, 0) + slope * min(x, 0), which broadcasts as the runtime does.
  LoweredOperator result;
  const auto step = [&](Op op, std::vector<TensorId> inputs, const char* suffix) {
    const TensorId value = make_value(source, result, suffix, 0);
    result.before.push_back({std::move(op), std::move(inputs), {value}});
    return value;
  };
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  const TensorId above = step(Unary{UnaryKind::Relu, 0.0F, 0.0F}, {source.inputs[0]}, "above");
  const TensorId below = step(Unary{UnaryKind::Clip, kLowest, 0.0F}, {source.inputs[0]}, "below");
  const TensorId bent =
      step(Binary{BinaryKind::Multiply, FusedActivation::None}, {below, source.inputs[1]}, "bent");
  result.op = Binary{BinaryKind::Add, FusedActivation::None};
  result.inputs = {above, bent};
  return result;
}

Lowered lower_not(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  VP_RETURN_IF_ERROR(check_type(source, 0, DType::Bool));
  return lowered(Unary{UnaryKind::LogicalNot, 0.0F, 0.0F}, source.inputs);
}

/// Uses the types of the tensors, as the runtime does, and ignores those in the options. A run
/// holds whole numbers and truth values as floats, so most casts are copies.
Lowered lower_cast(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  const DType from = find_input(source, 0)->dtype;
  const DType to = source.graph.tensor(source.outputs[0]).dtype;
  const bool travels = to == DType::Float32 || to == DType::Bool || is_whole(to);
  if (!travels) return unsupported(source, fmt::format("it casts to {}", name_of(to)));
  if (from == DType::Float32 && is_whole(to))
    return lowered(Unary{UnaryKind::Truncate, 0.0F, 0.0F}, source.inputs);
  if (to != DType::Bool || from == DType::Bool) return lowered(Identity{}, source.inputs);
  // Every value other than zero becomes true, which is what LogicalNot applied twice gives.
  LoweredOperator result;
  const Unary negation = {UnaryKind::LogicalNot, 0.0F, 0.0F};
  result.op = negation;
  result.inputs = source.inputs;
  result.outputs = {make_value(source, result, "is_zero", 0)};
  result.after = {{negation, result.outputs, source.outputs}};
  return result;
}

}  // namespace

Lowered lower_requantize(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  return lowered(Requantize{}, source.inputs);
}

Lowered lower_elementwise(const TfliteOperator& source) {
  if (source.code == Code::LEAKY_RELU) return lower_leaky_relu(source);
  if (source.code == Code::PRELU) return lower_prelu(source);
  if (source.code == Code::ADD_N) return lower_add_n(source);
  if (source.code == Code::CAST) return lower_cast(source);
  if (source.code == Code::RELU_0_TO_1) return lower_unary(source, UnaryKind::Clip, 0.0F, 1.0F);
  if (source.code == Code::LOGICAL_NOT) return lower_not(source);
  if (const auto kind = find_binary_kind(source.code)) return lower_binary(source, *kind);
  const auto kind = find_unary_kind(source.code);
  if (!kind) return unsupported(source, "there is no kernel for this operator");
  return lower_unary(source, *kind, source.code == Code::ELU ? 1.0F : 0.0F);
}

}  // namespace visionpress::tflite
