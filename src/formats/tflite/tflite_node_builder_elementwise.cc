#include <algorithm>

#include "base/error.h"
#include "formats/tflite/tflite_codes.h"
#include "formats/tflite/tflite_node_builder.h"

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;

bool has_activation_option(BinaryKind kind) {
  return kind == BinaryKind::Add || kind == BinaryKind::Subtract || kind == BinaryKind::Multiply ||
         kind == BinaryKind::Divide;
}

/// Higher versions are needed for operands with more axes than the first kernels took, and for
/// float FLOOR_DIV.
int binary_version(Code code, std::size_t rank) {
  if (code == Code::FLOOR_DIV) return 2;
  const bool bounds = code == Code::MAXIMUM || code == Code::MINIMUM;
  return bounds && rank > 4 ? 3 : 1;
}

}  // namespace

void NodeBuilder::add_binary(BinaryKind kind, FileTensor a, FileTensor b, FileTensor y,
                             std::size_t rank, tfl::Activation activation) {
  const Code code = find_binary_code(kind).value_or(Code::ADD);  // an average starts as a sum
  NewOptions table;
  switch (code) {
    case Code::ADD:
      table =
          options(tfl::BuiltinOptions::AddOptions, tfl::CreateAddOptions(builder(), activation));
      break;
    case Code::SUB:
      table =
          options(tfl::BuiltinOptions::SubOptions, tfl::CreateSubOptions(builder(), activation));
      break;
    case Code::MUL:
      table =
          options(tfl::BuiltinOptions::MulOptions, tfl::CreateMulOptions(builder(), activation));
      break;
    case Code::DIV:
      table =
          options(tfl::BuiltinOptions::DivOptions, tfl::CreateDivOptions(builder(), activation));
      break;
    case Code::MAXIMUM:
    case Code::MINIMUM:
      table = options(tfl::BuiltinOptions::MaximumMinimumOptions,
                      tfl::CreateMaximumMinimumOptions(builder()));
      break;
    default:
      break;  // the other operators have empty tables, which their kernels do not read
  }
  model_.add_operator(code, binary_version(code, rank), {a, b}, {y}, table);
}

void NodeBuilder::add_activation(FusedActivation activation, FileTensor x, FileTensor y) {
  Code code = Code::RELU;
  if (activation == FusedActivation::Relu6) code = Code::RELU6;
  if (activation == FusedActivation::ReluN1To1) code = Code::RELU_N1_TO_1;
  model_.add_operator(code, 1, {x}, {y});
}

Result<void> NodeBuilder::operator()(const Binary& op) {
  VP_RETURN_IF_ERROR(check_inputs(std::max<std::size_t>(2, node_.inputs.size())));
  if (node_.inputs.size() > 2 && !has_activation_option(op.kind) &&
      op.kind != BinaryKind::Maximum && op.kind != BinaryKind::Minimum &&
      op.kind != BinaryKind::Average) {
    return fail(ErrorKind::Unsupported, "it has {} operands", node_.inputs.size());
  }
  const std::size_t rank = output_shape().size();
  const bool is_average = op.kind == BinaryKind::Average;
  const bool activated = op.activation != FusedActivation::None;
  const bool fused = activated && has_activation_option(op.kind);
  FileTensor sum = input(0);
  for (std::size_t slot = 1; slot < node_.inputs.size(); ++slot) {
    const bool last = slot + 1 == node_.inputs.size() && !is_average && (!activated || fused);
    const FileTensor y = last ? output() : intermediate("part");
    add_binary(op.kind, sum, input(slot), y, rank,
               last ? activation_of(op.activation) : tfl::Activation::NONE);
    sum = y;
  }
  if (is_average) {
    const float part = 1.0F / static_cast<float>(node_.inputs.size());
    add_binary(BinaryKind::Multiply, sum, model_.add_scalar(part), output(), rank,
               activation_of(op.activation));
  } else if (activated && !fused) {
    add_activation(op.activation, sum, output());
  }
  return {};
}

Result<void> NodeBuilder::build_plain_unary(const Unary& op, Code code) {
  NewOptions table;
  if (code == Code::LEAKY_RELU) {
    table = options(tfl::BuiltinOptions::LeakyReluOptions,
                    tfl::CreateLeakyReluOptions(builder(), op.alpha));
  }
  model_.add_operator(code, 1, {input(0)}, {output()}, table);
  return {};
}

/// Builds softplus as max(x, 0) + log(1 + exp(-|x|)), in which no step overflows, or softsign as x
/// / (1 + |x|).
void NodeBuilder::build_soft_unary(UnaryKind kind) {
  const std::size_t rank = output_shape().size();
  const FileTensor one = model_.add_scalar(1.0F);
  const FileTensor size = intermediate("size");
  const FileTensor sum = intermediate("sum");
  model_.add_operator(Code::ABS, 1, {input(0)}, {size});
  if (kind == UnaryKind::Softsign) {
    add_binary(BinaryKind::Add, size, one, sum, rank);
    add_binary(BinaryKind::Divide, input(0), sum, output(), rank);
    return;
  }
  const FileTensor low = intermediate("low");
  const FileTensor power = intermediate("power");
  const FileTensor rest = intermediate("rest");
  const FileTensor positive = intermediate("positive");
  model_.add_operator(Code::NEG, 1, {size}, {low});
  model_.add_operator(Code::EXP, 1, {low}, {power});
  add_binary(BinaryKind::Add, power, one, sum, rank);
  model_.add_operator(Code::LOG, 1, {sum}, {rest});
  model_.add_operator(Code::RELU, 1, {input(0)}, {positive});
  add_binary(BinaryKind::Add, positive, rest, output(), rank);
}

/// Builds kinds that need several operators. The operators follow the steps of the kind's formula,
/// so the result has one rounding per step.
Result<void> NodeBuilder::build_composed_unary(const Unary& op) {
  const std::size_t rank = output_shape().size();
  const auto step = [&](BinaryKind kind, FileTensor x, float value, FileTensor y) {
    add_binary(kind, x, model_.add_scalar(value), y, rank);
  };
  switch (op.kind) {
    case UnaryKind::Linear:
    case UnaryKind::HardSigmoid: {
      const bool clips = op.kind == UnaryKind::HardSigmoid;
      const FileTensor scaled = op.alpha == 1.0F && !clips ? input(0) : intermediate("scaled");
      const FileTensor shifted = clips ? intermediate("shifted") : output();
      if (scaled != input(0)) step(BinaryKind::Multiply, input(0), op.alpha, scaled);
      step(BinaryKind::Add, scaled, op.beta, shifted);
      if (!clips) return {};
      const FileTensor low = intermediate("low");
      step(BinaryKind::Maximum, shifted, 0.0F, low);
      step(BinaryKind::Minimum, low, 1.0F, output());
      return {};
    }
    case UnaryKind::Clip: {
      const FileTensor low = intermediate("low");
      step(BinaryKind::Maximum, input(0), op.alpha, low);
      step(BinaryKind::Minimum, low, op.beta, output());
      return {};
    }
    case UnaryKind::Threshold:
      step(BinaryKind::Maximum, input(0), op.alpha, output());
      return {};
    case UnaryKind::Power:
      step(BinaryKind::Power, input(0), op.alpha, output());
      return {};
    case UnaryKind::Rsqrt:
    case UnaryKind::Inverse: {
      FileTensor x = input(0);
      if (op.beta != 0.0F) {
        x = intermediate("shifted");
        step(BinaryKind::Add, input(0), op.beta, x);
      }
      if (op.kind == UnaryKind::Rsqrt) {
        model_.add_operator(Code::RSQRT, 1, {x}, {output()});
      } else {
        add_binary(BinaryKind::Divide, model_.add_scalar(1.0F), x, output(), rank);
      }
      return {};
    }
    case UnaryKind::ScaledTanh: {
      const FileTensor scaled = intermediate("scaled");
      const FileTensor bent = intermediate("tanh");
      step(BinaryKind::Multiply, input(0), op.beta, scaled);
      model_.add_operator(Code::TANH, 1, {scaled}, {bent});
      step(BinaryKind::Multiply, bent, op.alpha, output());
      return {};
    }
    case UnaryKind::Softplus:
    case UnaryKind::Softsign:
      build_soft_unary(op.kind);
      return {};
    default:
      return build_function(op);
  }
}

Result<void> NodeBuilder::operator()(const Unary& op) {
  if (op.kind == UnaryKind::Elu && op.alpha != 1.0F) return build_function(op);
  const bool shifts = op.kind == UnaryKind::Rsqrt && op.beta != 0.0F;
  const auto code = find_unary_code(op.kind);
  if (code && !shifts) return build_plain_unary(op, *code);
  if (op.kind == UnaryKind::Truncate) {
    const tfl::TensorType type = model_.type_of(node_.outputs[0]);
    if (type != tfl::TensorType::FLOAT32) {
      model_.add_operator(Code::CAST, 1, {input(0)}, {output()});
      return {};
    }
    const FileTensor whole =
        model_.add_value(node_.name + "/whole", output_shape(), tfl::TensorType::INT32);
    model_.add_operator(Code::CAST, 1, {input(0)}, {whole});
    model_.add_operator(Code::CAST, 1, {whole}, {output()});
    return {};
  }
  return build_composed_unary(op);
}

Result<void> NodeBuilder::operator()(const Prelu& /*op*/) {
  VP_RETURN_IF_ERROR(check_inputs(2));
  model_.add_operator(Code::PRELU, 1, {input(0), input(1)}, {output()});
  return {};
}

Result<void> NodeBuilder::operator()(const Select& /*op*/) {
  VP_RETURN_IF_ERROR(check_inputs(3));
  model_.add_operator(
      Code::SELECT_V2, 1, {input(0), input(1), input(2)}, {output()},
      options(tfl::BuiltinOptions::SelectV2Options, tfl::CreateSelectV2Options(builder())));
  return {};
}

}  // namespace visionpress::tflite
