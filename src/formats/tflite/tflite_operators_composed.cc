// Operators that are several of the graph's: normalization by a length, log softmax, GELU.

#include <cmath>
#include <numbers>
#include <utility>

#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

/// The steps of one operator, the last of which gives its result.
class Composition {
 public:
  explicit Composition(const TfliteOperator& source) : source_(source) {}

  /// returns: the value that the step gives.
  TensorId add(Op op, std::vector<TensorId> inputs, const char* suffix) {
    const TensorId value = make_value(source_, result_, suffix, 0);
    result_.before.push_back({std::move(op), std::move(inputs), {value}});
    return value;
  }
  LoweredOperator finish(Op op, std::vector<TensorId> inputs) {
    result_.op = std::move(op);
    result_.inputs = std::move(inputs);
    return std::move(result_);
  }

 private:
  const TfliteOperator& source_;
  LoweredOperator result_ = {};
};

Reduce reduce_last(ReduceKind kind) {
  Reduce reduce;
  reduce.kind = kind;
  reduce.axes = {-1};
  reduce.keep_dims = true;
  return reduce;
}

Binary plain(BinaryKind kind) { return Binary{kind, FusedActivation::None}; }

}  // namespace

/// x / max(its length along the last axis, 1e-6).
Lowered lower_l2_normalization(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  const auto* options = source.table.builtin_options_as_L2NormOptions();
  if (options != nullptr && options->activation() != tfl::Activation::NONE)
    return unsupported(source, activation_reason(options->activation()));
  constexpr float kLeastLength = 1e-6F;
  const TensorId x = source.inputs[0];
  Composition steps(source);
  const TensorId length = steps.add(reduce_last(ReduceKind::L2), {x}, "length");
  const TensorId divisor =
      steps.add(Unary{UnaryKind::Threshold, kLeastLength, 0.0F}, {length}, "divisor");
  return steps.finish(plain(BinaryKind::Divide), {x, divisor});
}

/// Of the last axis; the largest value is taken out first, as the runtime does.
Lowered lower_log_softmax(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  const TensorId x = source.inputs[0];
  Composition steps(source);
  const TensorId most = steps.add(reduce_last(ReduceKind::Maximum), {x}, "most");
  const TensorId below = steps.add(plain(BinaryKind::Subtract), {x, most}, "below");
  const TensorId powers = steps.add(Unary{UnaryKind::Exp, 0.0F, 0.0F}, {below}, "powers");
  const TensorId sum = steps.add(reduce_last(ReduceKind::Sum), {powers}, "sum");
  const TensorId log = steps.add(Unary{UnaryKind::Log, 0.0F, 0.0F}, {sum}, "log");
  return steps.finish(plain(BinaryKind::Subtract), {below, log});
}

/// x times the share of a normal distribution below x: by erf, or by tanh as an approximation.
Lowered lower_gelu(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  const auto* options = source.table.builtin_options_as_GeluOptions();
  const TensorId x = source.inputs[0];
  Composition steps(source);
  TensorId share = kNoTensor;
  if (options != nullptr && options->approximate()) {
    constexpr float kCubic = 0.044715F;
    const float factor = std::sqrt(2.0F * std::numbers::inv_pi_v<float>);
    const TensorId square = steps.add(Unary{UnaryKind::Square, 0.0F, 0.0F}, {x}, "square");
    const TensorId ratio = steps.add(Unary{UnaryKind::Linear, kCubic, 1.0F}, {square}, "ratio");
    const TensorId bent = steps.add(plain(BinaryKind::Multiply), {x, ratio}, "bent");
    const TensorId half = steps.add(Unary{UnaryKind::ScaledTanh, 0.5F, factor}, {bent}, "half");
    share = steps.add(Unary{UnaryKind::Linear, 1.0F, 0.5F}, {half}, "share");
  } else {
    const float factor = 1.0F / std::numbers::sqrt2_v<float>;
    const TensorId scaled = steps.add(Unary{UnaryKind::Linear, factor, 0.0F}, {x}, "scaled");
    const TensorId erf = steps.add(Unary{UnaryKind::Erf, 0.0F, 0.0F}, {scaled}, "erf");
    share = steps.add(Unary{UnaryKind::Linear, 0.5F, 0.5F}, {erf}, "share");
  }
  return steps.finish(plain(BinaryKind::Multiply), {x, share});
}

}  // namespace visionpress::tflite
