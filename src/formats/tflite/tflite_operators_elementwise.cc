#include <algorithm>

#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;

/// MAXIMUM and MINIMUM have no activation; a missing table means none for the others too, as the
/// runtime reads it.
tfl::Activation binary_activation(const TfliteOperator& source) {
  if (const auto* add = source.table.builtin_options_as_AddOptions()) return add->activation();
  if (const auto* sub = source.table.builtin_options_as_SubOptions()) return sub->activation();
  if (const auto* mul = source.table.builtin_options_as_MulOptions()) return mul->activation();
  if (const auto* div = source.table.builtin_options_as_DivOptions()) return div->activation();
  return tfl::Activation::NONE;
}

Lowered lower_binary(const TfliteOperator& source, BinaryKind kind) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto activation = find_activation(binary_activation(source));
  if (!activation) return unsupported(source, activation_reason(binary_activation(source)));
  return lowered(Binary{kind, *activation}, {source.inputs[0], source.inputs[1]});
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
  if (!by_channel) {
    return unsupported(source, fmt::format("its slopes have shape {}", to_string(slopes)));
  }
  return lowered(Prelu{}, {source.inputs[0], source.inputs[1]});
}

}  // namespace

Lowered lower_elementwise(const TfliteOperator& source) {
  switch (source.code) {
    case Code::RELU:
      return lower_unary(source, UnaryKind::Relu);
    case Code::RELU6:
      return lower_unary(source, UnaryKind::Relu6);
    case Code::RELU_N1_TO_1:
      return lower_unary(source, UnaryKind::ReluN1To1);
    case Code::RELU_0_TO_1:
      return lower_unary(source, UnaryKind::Clip, 0.0F, 1.0F);
    case Code::LEAKY_RELU:
      return lower_leaky_relu(source);
    case Code::PRELU:
      return lower_prelu(source);
    case Code::LOGISTIC:
      return lower_unary(source, UnaryKind::Sigmoid);
    case Code::TANH:
      return lower_unary(source, UnaryKind::Tanh);
    case Code::HARD_SWISH:
      return lower_unary(source, UnaryKind::HardSwish);
    case Code::ELU:
      return lower_unary(source, UnaryKind::Elu, 1.0F);
    case Code::EXP:
      return lower_unary(source, UnaryKind::Exp);
    case Code::LOG:
      return lower_unary(source, UnaryKind::Log);
    case Code::SQRT:
      return lower_unary(source, UnaryKind::Sqrt);
    case Code::RSQRT:
      return lower_unary(source, UnaryKind::Rsqrt);
    case Code::SQUARE:
      return lower_unary(source, UnaryKind::Square);
    case Code::ABS:
      return lower_unary(source, UnaryKind::Abs);
    case Code::NEG:
      return lower_unary(source, UnaryKind::Negate);
    case Code::FLOOR:
      return lower_unary(source, UnaryKind::Floor);
    case Code::CEIL:
      return lower_unary(source, UnaryKind::Ceil);
    case Code::ADD:
      return lower_binary(source, BinaryKind::Add);
    case Code::SUB:
      return lower_binary(source, BinaryKind::Subtract);
    case Code::MUL:
      return lower_binary(source, BinaryKind::Multiply);
    case Code::DIV:
      return lower_binary(source, BinaryKind::Divide);
    case Code::MAXIMUM:
      return lower_binary(source, BinaryKind::Maximum);
    case Code::MINIMUM:
      return lower_binary(source, BinaryKind::Minimum);
    default:
      return unsupported(source, "there is no kernel for this operator");
  }
}

}  // namespace visionpress::tflite
