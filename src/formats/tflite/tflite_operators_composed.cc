// Operators that are several of the graph's: normalization by a length, log softmax, GELU, one-hot
// codes, simulated quantization.

#include <cmath>
#include <numbers>
#include <utility>

#include "base/error.h"
#include "formats/tflite/tflite_operands.h"
#include "lower/quantized_range.h"

namespace visionpress::tflite {
namespace {

/// The steps of one operator, the last of which gives its result.
class Composition {
 public:
  explicit Composition(const TfliteOperator& source) : source_(source) {}

  /// returns: the value that the step gives, of the type of the first input.
  TensorId add(Op op, std::vector<TensorId> inputs, const char* suffix) {
    return add_step(std::move(op), std::move(inputs), make_value(source_, result_, suffix, 0));
  }
  /// returns: the truth value that the step gives.
  TensorId add_truth(Op op, std::vector<TensorId> inputs, const char* suffix) {
    Tensor truth;
    truth.name = fmt::format("{}/{}", source_.graph.tensor(source_.outputs[0]).name, suffix);
    truth.dtype = DType::Bool;
    return add_step(std::move(op), std::move(inputs), add_value(std::move(truth)));
  }
  TensorId add_value(Tensor value) { return make_value(source_, result_, std::move(value)); }
  LoweredOperator finish(Op op, std::vector<TensorId> inputs) {
    result_.op = std::move(op);
    result_.inputs = std::move(inputs);
    return std::move(result_);
  }

 private:
  TensorId add_step(Op op, std::vector<TensorId> inputs, TensorId value) {
    result_.before.push_back({std::move(op), std::move(inputs), {value}});
    return value;
  }

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
  if (has_codes(source))
    return lowered(CodedFunction{CodedFunctionKind::L2Normalization}, source.inputs);
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
  if (has_codes(source))
    return lowered(CodedFunction{CodedFunctionKind::LogSoftmax}, source.inputs);
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

/// inputs: indices, depth, the value at an index, the value elsewhere.
Lowered lower_one_hot(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 4, 1));
  VP_RETURN_IF_ERROR(check_index_type(source, 0));
  VP_RETURN_IF_ERROR(check_same_type(source, 2, 3));
  const auto* options = source.table.builtin_options_as_OneHotOptions();
  if (options == nullptr) return missing_options(source);
  const auto depth = find_integer(find_input(source, 1));
  if (!depth) return unsupported(source, "its depth is computed");
  constexpr std::int64_t kDeepest = 1 << 20;  // far more classes than any network has
  if (*depth < 1 || *depth > kDeepest) {
    return fail(ErrorKind::Malformed, "{}: ONE_HOT of depth {}, expected 1..{}", source.path,
                *depth, kDeepest);
  }
  const std::size_t rank = find_input(source, 0)->shape.size() + 1;
  VP_ASSIGN_OR_RETURN(const int axis, check_axis(source, options->axis(), rank));
  Tensor positions;
  positions.name = source.graph.tensor(source.outputs[0]).name + "/positions";
  positions.dtype = find_input(source, 0)->dtype;
  positions.shape.assign(rank - static_cast<std::size_t>(axis), 1);
  positions.shape[0] = *depth;
  for (std::int64_t i = 0; i < *depth; ++i) positions.literal.push_back(static_cast<float>(i));
  Composition steps(source);
  const TensorId rows = steps.add(ExpandDims{{axis}}, {source.inputs[0]}, "rows");
  const TensorId all = steps.add_value(std::move(positions));
  const TensorId hit = steps.add_truth(plain(BinaryKind::Equal), {rows, all}, "hit");
  return steps.finish(Select{}, {hit, source.inputs[2], source.inputs[3]});
}

/// Clamps to a range that is moved so that it has 0, and rounds to its steps.
/// source: tflite/kernels/internal/reference/fake_quant.h and common.h, NudgeQuantizationRange.
Lowered lower_fake_quant(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  const auto* options = source.table.builtin_options_as_FakeQuantOptions();
  if (options == nullptr) return missing_options(source);
  const bool fits =
      options->num_bits() >= 2 && options->num_bits() <= 16 && options->min() < options->max();
  if (!fits) {
    return fail(ErrorKind::Malformed, "{}: FAKE_QUANT of {} bits from {} to {}", source.path,
                options->num_bits(), options->min(), options->max());
  }
  const QuantizedRange range =
      nudge_range(options->min(), options->max(), options->num_bits(), options->narrow_range());
  Composition steps(source);
  TensorId x = source.inputs[0];
  const auto step = [&](UnaryKind kind, float alpha, float beta, const char* suffix) {
    x = steps.add(Unary{kind, alpha, beta}, {x}, suffix);
  };
  step(UnaryKind::Clip, range.low, range.high, "clamped");
  step(UnaryKind::Linear, 1.0F, -range.low, "shifted");
  step(UnaryKind::Linear, 1.0F / range.step, 0.5F, "counted");
  step(UnaryKind::Floor, 0.0F, 0.0F, "level");
  return steps.finish(Unary{UnaryKind::Linear, range.step, range.low}, {x});
}

}  // namespace visionpress::tflite
