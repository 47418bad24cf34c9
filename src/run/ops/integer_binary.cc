// ADD, SUB, MUL, SQUARED_DIFFERENCE and PRELU of codes.

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "run/ops/broadcast.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

enum class CodeRule : std::uint8_t { Add, Subtract, Multiply, SquaredDifference, Prelu };

/// One result from two codes, with the zero points, factors and bounds of the operator.
struct BinaryRule {
  CodeRule kind = CodeRule::Add;
  bool is_xnnpack = false;
  TensorCode a = {};
  TensorCode b = {};
  TensorCode out = {};
  CodeBounds bounds = {};
  // builtin
  FixedFactor factor_a = {};
  FixedFactor factor_b = {};
  FixedFactor factor_out = {};
  // XNNPACK
  std::int32_t multiplier_a = 0;
  std::int32_t multiplier_b = 0;
  int shift = 0;
  float scale = 1.0F;

  [[nodiscard]] std::uint8_t apply(std::uint8_t x, std::uint8_t y) const {
    const std::int32_t value = result_of(x - a.zero_point, y - b.zero_point) + out.zero_point;
    return static_cast<std::uint8_t>(std::clamp(value, bounds.low, bounds.high));
  }

  /// The same for elements that the builtin kernel of ADD takes several at a time: each operand is
  /// rounded once, before (int8) or after (uint8) it is divided.
  [[nodiscard]] std::uint8_t add_in_vector(std::uint8_t x, std::uint8_t y) const {
    const std::int32_t sum =
        scale_in_vector(x - a.zero_point, factor_a) + scale_in_vector(y - b.zero_point, factor_b);
    const std::int32_t value = multiply_by(sum, factor_out) + out.zero_point;
    return static_cast<std::uint8_t>(std::clamp(value, bounds.low, bounds.high));
  }

 private:
  [[nodiscard]] std::int32_t scale_in_vector(std::int32_t x, const FixedFactor& factor) const {
    const int right = -factor.exponent;  // 0 or more, as the factor is at most 1/2
    if (!a.is_signed) return multiply_high(x * (1 << kLeftShift), factor.mantissa) >> right;
    const int left = kLeftShift - right;
    return multiply_high(left >= 0 ? x * (1 << left) : x >> std::min(-left, 31), factor.mantissa);
  }

  [[nodiscard]] std::int32_t result_of(std::int32_t x, std::int32_t y) const {
    if (kind == CodeRule::Prelu)
      return x >= 0 ? multiply_by(x, factor_a) : multiply_by(x * y, factor_b);
    if (kind == CodeRule::Multiply) {
      if (!is_xnnpack) return multiply_by(x * y, factor_out);
      const float scaled = static_cast<float>(x * y) * scale;
      return static_cast<std::int32_t>(std::nearbyint(std::clamp(scaled, -65536.0F, 65536.0F)));
    }
    if (is_xnnpack) return (x * multiplier_a + y * multiplier_b + (1 << (shift - 1))) >> shift;
    const bool squares = kind == CodeRule::SquaredDifference;
    const int bits = squares ? kSquareShift : kLeftShift;
    const std::int32_t scaled_a = multiply_by(x * (1 << bits), factor_a);
    const std::int32_t scaled_b = multiply_by(y * (1 << bits), factor_b);
    if (kind == CodeRule::Add) return multiply_by(scaled_a + scaled_b, factor_out);
    const std::int32_t difference = scaled_a - scaled_b;
    return multiply_by(squares ? difference * difference : difference, factor_out);
  }

 public:
  static constexpr int kLeftShift = 20;  ///< digits that the builtin kernels keep of each operand
  static constexpr int kSquareShift = 7;
};

// source: Prepare in tflite/kernels/add.cc, sub.cc, mul.cc and squared_difference.cc, LiteRT 2.3.
void choose_builtin_factors(BinaryRule& rule) {
  if (rule.kind == CodeRule::Multiply) {
    const float product = rule.a.scale * rule.b.scale;
    rule.factor_out = make_fixed_factor(static_cast<double>(product / rule.out.scale));
    return;
  }
  const bool squares = rule.kind == CodeRule::SquaredDifference;
  const double twice = 2.0 * static_cast<double>(std::max(rule.a.scale, rule.b.scale));
  rule.factor_a = make_fixed_factor(static_cast<double>(rule.a.scale) / twice);
  rule.factor_b = make_fixed_factor(static_cast<double>(rule.b.scale) / twice);
  const int bits = squares ? 2 * BinaryRule::kSquareShift : BinaryRule::kLeftShift;
  const auto unit = static_cast<float>(1 << bits);
  rule.factor_out = make_fixed_factor((squares ? twice * twice : twice) /
                                      static_cast<double>(unit * rule.out.scale));
}

// Whether XNNPACK takes the operator with these scales; then sets its factors.
// source: VisitBinaryNode in tflite/delegates/xnnpack/xnnpack_delegate.cc, LiteRT 2.3;
// xnn_init_qs8_add_minmax_scalar_params in XNNPACK's src/microparams-init.c.
bool choose_xnnpack_factors(BinaryRule& rule) {
  if (rule.kind == CodeRule::SquaredDifference) return false;
  if (rule.a.is_signed != rule.b.is_signed || rule.a.is_signed != rule.out.is_signed) return false;
  constexpr float kMost = 256.0F;
  if (rule.kind == CodeRule::Multiply) {
    rule.scale = rule.a.scale * rule.b.scale / rule.out.scale;
    return rule.scale >= 1.0F / 65536.0F && rule.scale < kMost;
  }
  const float ratio_a = rule.a.scale / rule.out.scale;
  const float ratio_b = rule.b.scale / rule.out.scale;
  constexpr float kLeast = 1.0F / 1024.0F;
  if (std::min(ratio_a, ratio_b) < kLeast || std::max(ratio_a, ratio_b) >= kMost) return false;
  constexpr int kMultiplierBits = 20;
  rule.shift = kMultiplierBits - std::ilogb(std::max(ratio_a, ratio_b));
  rule.multiplier_a = static_cast<std::int32_t>(std::nearbyint(std::ldexp(ratio_a, rule.shift)));
  rule.multiplier_b = static_cast<std::int32_t>(std::nearbyint(std::ldexp(ratio_b, rule.shift)));
  if (rule.kind == CodeRule::Subtract) rule.multiplier_b = -rule.multiplier_b;
  return true;
}

// Whether the runtime has a kernel: of one type, uint8 or int8.
Result<void> check_types(const BinaryRule& rule) {
  if (rule.a.is_signed == rule.b.is_signed && rule.a.is_signed == rule.out.is_signed) return {};
  return fail(ErrorKind::Unsupported, "its operands and its result have different types");
}

class IntegerBinaryOperator final : public Operator {
 public:
  /// slopes: stored codes of a constant second operand; empty if it is given in the run.
  IntegerBinaryOperator(const BinaryRule& rule, const Shape& second,
                        std::vector<std::uint8_t> slopes, const BuildContext& context)
      : rule_(rule), slopes_(std::move(slopes)) {
    const Shape& out = context.results[0];
    output_dims = {out};
    a_ = broadcast_strides(widen(context.inputs[0].dims, out.size(), context.layout), out,
                           context.layout);
    b_ = broadcast_strides(widen(second, out.size(), context.layout), out, context.layout);
    if (rule.kind == CodeRule::Add && !rule.is_xnnpack && second == context.inputs[0].dims) {
      const std::size_t vector = rule.a.is_signed ? 16 : 8;
      in_vectors_ = count_of(out) / vector * vector;
    }
  }

  void run(const RunContext& context) const override {
    const std::uint8_t* a = codes_in(context.inputs[0]);
    const std::uint8_t* b = slopes_.empty() ? codes_in(context.inputs[1]) : slopes_.data();
    std::uint8_t* y = codes_in(context.outputs[0]);
    if (in_vectors_ > 0) {
      for (std::size_t i = 0; i < in_vectors_; ++i) y[i] = rule_.add_in_vector(a[i], b[i]);
      for (std::size_t i = in_vectors_; i < count_of(output_dims[0]); ++i)
        y[i] = rule_.apply(a[i], b[i]);
      return;
    }
    walk_lines(output_dims[0], a_, b_,
               [&](std::int64_t at_a, std::int64_t at_b, std::int64_t count, std::int64_t step_a,
                   std::int64_t step_b) {
                 const std::uint8_t* x = a + at_a;
                 const std::uint8_t* z = b + at_b;
                 for (std::int64_t i = 0; i < count; ++i)
                   y[i] = rule_.apply(x[i * step_a], z[i * step_b]);
                 y += count;
               });
  }

 private:
  BinaryRule rule_;
  std::vector<std::uint8_t> slopes_;
  std::size_t in_vectors_ = 0;  ///< elements of ADD that the builtin kernel takes several at a time
  Strides a_ = {};
  Strides b_ = {};
};

std::optional<CodeRule> find_rule(BinaryKind kind) {
  switch (kind) {
    case BinaryKind::Add:
      return CodeRule::Add;
    case BinaryKind::Subtract:
      return CodeRule::Subtract;
    case BinaryKind::Multiply:
      return CodeRule::Multiply;
    case BinaryKind::SquaredDifference:
      return CodeRule::SquaredDifference;
    default:
      return std::nullopt;
  }
}

}  // namespace

OperatorResult make_integer_binary(const Binary& op, const BuildContext& context) {
  if (op.kind == BinaryKind::Maximum || op.kind == BinaryKind::Minimum)
    return make_integer_mover(op, context);
  const auto kind = find_rule(op.kind);
  if (!kind || context.inputs.size() != 2)
    return fail(ErrorKind::Unsupported, "it has no kernel for 8-bit integers");
  BinaryRule rule;
  rule.kind = *kind;
  rule.a = input_code(context, 0);
  rule.b = input_code(context, 1);
  rule.out = output_code(context);
  VP_RETURN_IF_ERROR(check_types(rule));
  if (rule.kind == CodeRule::SquaredDifference && !rule.a.is_signed)
    return fail(ErrorKind::Unsupported, "it has no kernel for uint8");
  rule.is_xnnpack = is_xnnpack(context) && choose_xnnpack_factors(rule);
  if (!rule.is_xnnpack) choose_builtin_factors(rule);
  rule.bounds = activation_codes(op.activation, rule.out, rule.is_xnnpack);
  return std::make_unique<IntegerBinaryOperator>(rule, context.inputs[1].dims,
                                                 std::vector<std::uint8_t>{}, context);
}

// source: PreluPrepare in tflite/kernels/activations.cc, LiteRT 2.3; XNNPACK takes floats alone.
OperatorResult make_integer_prelu(const BuildContext& context) {
  const InputDesc& slopes = context.inputs[1];
  if (slopes.weight == nullptr || !find_code(*slopes.tensor, slopes.weight))
    return fail(ErrorKind::Unsupported, "its slopes are not constants of 8-bit codes");
  BinaryRule rule;
  rule.kind = CodeRule::Prelu;
  rule.a = input_code(context, 0);
  rule.b = input_code(context, 1);
  rule.out = output_code(context);
  VP_RETURN_IF_ERROR(check_types(rule));
  rule.factor_a = make_fixed_factor(static_cast<double>(rule.a.scale / rule.out.scale));
  rule.factor_b =
      make_fixed_factor(static_cast<double>(rule.a.scale * rule.b.scale / rule.out.scale));
  VP_ASSIGN_OR_RETURN(auto codes, load_stored_codes(*slopes.weight));
  return std::make_unique<IntegerBinaryOperator>(rule, slopes.tensor->shape, std::move(codes),
                                                 context);
}

}  // namespace visionpress
