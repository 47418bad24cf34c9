// Functions that TFLite lacks, composed of those that it has. Each step rounds, so results differ
// from the function's by some roundings of its largest operand.

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "formats/tflite/tflite_node_builder.h"

namespace visionpress::tflite {

/// GELU is x * (1 + erf(x / sqrt 2)) / 2, so erf(y) of a = |sqrt 2 * y| is (2 gelu(a) - a) / a,
/// with the sign of y. The divisor is kept off 0, where both results are 0.
void NodeBuilder::build_erf(FileTensor x, FileTensor y) {
  const std::size_t rank = output_shape().size();
  const auto step = [&](BinaryKind kind, FileTensor a, FileTensor b, const char* suffix) {
    const FileTensor result = intermediate(suffix);
    add_binary(kind, a, b, result, rank);
    return result;
  };
  constexpr float kFlat = 8.0F;  // beyond it erf is 1 or -1 in float32
  const FileTensor low = step(BinaryKind::Maximum, x, model_.add_scalar(-kFlat), "low");
  const FileTensor clamped = step(BinaryKind::Minimum, low, model_.add_scalar(kFlat), "clamped");
  const FileTensor scaled = step(BinaryKind::Multiply, clamped,
                                 model_.add_scalar(std::numbers::sqrt2_v<float>), "scaled");
  const FileTensor size = intermediate("size");
  model_.add_operator(Code::ABS, 1, {scaled}, {size});
  const FileTensor bent = intermediate("gelu");
  model_.add_operator(
      Code::GELU, 1, {size}, {bent},
      options(tfl::BuiltinOptions::GeluOptions, tfl::CreateGeluOptions(builder(), false)));
  constexpr float kLeast = 1e-30F;
  const FileTensor divisor = step(BinaryKind::Maximum, size, model_.add_scalar(kLeast), "divisor");
  const FileTensor twice = step(BinaryKind::Add, bent, bent, "twice");
  const FileTensor rest = step(BinaryKind::Subtract, twice, size, "rest");
  const FileTensor share = step(BinaryKind::Divide, rest, divisor, "share");
  const FileTensor sign = step(BinaryKind::Divide, scaled, divisor, "sign");
  add_binary(BinaryKind::Multiply, share, sign, y, rank);
}

Result<void> NodeBuilder::build_function(const Unary& op) {
  const std::size_t rank = output_shape().size();
  const auto apply = [&](Code code, FileTensor x, const char* suffix) {
    const FileTensor result = intermediate(suffix);
    model_.add_operator(code, 1, {x}, {result});
    return result;
  };
  const auto step = [&](BinaryKind kind, FileTensor a, FileTensor b, const char* suffix) {
    const FileTensor result = intermediate(suffix);
    add_binary(kind, a, b, result, rank);
    return result;
  };
  const auto last = [&](BinaryKind kind, FileTensor a, FileTensor b) {
    add_binary(kind, a, b, output(), rank);
    return Result<void>();
  };
  const FileTensor x = input(0);
  const FileTensor one = model_.add_scalar(1.0F);
  const auto half = [&] { return model_.add_scalar(0.5F); };
  // sqrt((1 - x) * (1 + x)), the other side of the triangle of asin and acos
  const auto other_side = [&] {
    const FileTensor product =
        step(BinaryKind::Multiply, step(BinaryKind::Subtract, one, x, "less"),
             step(BinaryKind::Add, one, x, "more"), "product");
    return apply(Code::SQRT, product, "side");
  };
  switch (op.kind) {
    case UnaryKind::Erf:
      build_erf(x, output());
      return {};
    case UnaryKind::Tan:
      return last(BinaryKind::Divide, apply(Code::SIN, x, "sin"), apply(Code::COS, x, "cos"));
    case UnaryKind::Asin:
      return last(BinaryKind::Atan2, x, other_side());
    case UnaryKind::Acos:
      return last(BinaryKind::Atan2, other_side(), x);
    case UnaryKind::Atan:
      // ATAN2 does not broadcast: divide x by itself for a tensor of ones would lose 0.
      return last(BinaryKind::Atan2, x,
                  step(BinaryKind::Add, step(BinaryKind::Subtract, x, x, "zero"), one, "ones"));
    case UnaryKind::Sinh:
    case UnaryKind::Cosh: {
      const FileTensor up = apply(Code::EXP, x, "up");
      const FileTensor down = apply(Code::EXP, apply(Code::NEG, x, "negated"), "down");
      const auto kind = op.kind == UnaryKind::Sinh ? BinaryKind::Subtract : BinaryKind::Add;
      return last(BinaryKind::Multiply, step(kind, up, down, "both"), half());
    }
    case UnaryKind::Log1p: {
      const FileTensor sum = step(BinaryKind::Add, x, one, "sum");
      model_.add_operator(Code::LOG, 1, {sum}, {output()});
      return {};
    }
    case UnaryKind::Expm1:
      return last(BinaryKind::Subtract, apply(Code::EXP, x, "power"), one);
    case UnaryKind::Atanh: {
      const FileTensor ratio = step(BinaryKind::Divide, step(BinaryKind::Add, one, x, "more"),
                                    step(BinaryKind::Subtract, one, x, "less"), "ratio");
      return last(BinaryKind::Multiply, apply(Code::LOG, ratio, "log"), half());
    }
    case UnaryKind::Elu: {
      // max(x, 0) + alpha * elu(min(x, 0))
      const FileTensor zero = model_.add_scalar(0.0F);
      const FileTensor below =
          apply(Code::ELU, step(BinaryKind::Minimum, x, zero, "below"), "bent");
      const FileTensor scaled =
          step(BinaryKind::Multiply, below, model_.add_scalar(op.alpha), "scaled");
      return last(BinaryKind::Add, apply(Code::RELU, x, "above"), scaled);
    }
    default:
      return fail(ErrorKind::Unsupported, "TFLite has no such function");
  }
}

}  // namespace visionpress::tflite
