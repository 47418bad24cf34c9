// Functions of one code: a table of 256 results. Also QUANTIZE and DEQUANTIZE.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

using Table = std::array<std::uint8_t, 256>;

std::uint8_t as_code(float code) {
  return static_cast<std::uint8_t>(std::min(std::max(code, 0.0F), 255.0F));
}

// source: LUTPopulateInt8 in tflite/kernels/internal/common.h, LiteRT 2.3.
template <typename Function>
Table builtin_table(const TensorCode& in, const TensorCode& out, const Function& function) {
  Table table = {};
  const float inverse = 1.0F / out.scale;
  for (std::size_t code = 0; code < table.size(); ++code) {
    const float value = function(in.value_of(static_cast<std::uint8_t>(code)));
    table[code] = as_code(std::round(value * inverse) + static_cast<float>(out.zero_point));
  }
  return table;
}

// source: unary_ukernel_quantized in XNNPACK's src/reference/unary-elementwise.cc.
template <typename Function>
Table xnnpack_table(const TensorCode& in, const TensorCode& out, const Function& function) {
  Table table = {};
  const float inverse = 1.0F / out.scale;
  const std::int32_t shift = out.zero_point - out.file_zero_point();
  for (std::size_t code = 0; code < table.size(); ++code) {
    const float value = function(in.value_of(static_cast<std::uint8_t>(code)));
    const float sum = value * inverse + static_cast<float>(out.file_zero_point());
    table[code] = as_code(std::nearbyint(sum) + static_cast<float>(shift));
  }
  return table;
}

/// Which way the builtin kernels' second rounding moves halves.
enum class Halves : std::uint8_t { AwayFromZero, Upwards };

// Codes times a ratio of scales, rounded as the builtin kernels do. negative: the factor below the
// zero point.
Table scaled_table(const TensorCode& in, const TensorCode& out, double positive, double negative,
                   const CodeBounds& bounds, Halves halves = Halves::AwayFromZero) {
  Table table = {};
  const FixedFactor above = make_fixed_factor(positive);
  const FixedFactor below = make_fixed_factor(negative);
  for (std::size_t code = 0; code < table.size(); ++code) {
    const std::int32_t x = static_cast<std::int32_t>(code) - in.zero_point;
    const FixedFactor& factor = x >= 0 ? above : below;
    const std::int32_t scaled =
        halves == Halves::Upwards ? multiply_upwards(x, factor) : multiply_by(x, factor);
    table[code] =
        static_cast<std::uint8_t>(std::clamp(scaled + out.zero_point, bounds.low, bounds.high));
  }
  return table;
}

// The same by XNNPACK, in multiples of 1/256.
// source: xnn_init_qs8_cvt_scalar_params and xnn_init_qs8_lrelu_scalar_params.
Table short_scaled_table(const TensorCode& in, const TensorCode& out, float positive,
                         float negative) {
  Table table = {};
  const auto above = static_cast<std::int32_t>(std::nearbyint(256.0F * positive));
  const auto below = static_cast<std::int32_t>(std::nearbyint(256.0F * negative));
  for (std::size_t code = 0; code < table.size(); ++code) {
    const std::int32_t x = static_cast<std::int32_t>(code) - in.zero_point;
    const std::int32_t scaled = (x * (x >= 0 ? above : below) + 128) >> 8;
    table[code] = static_cast<std::uint8_t>(std::clamp(scaled + out.zero_point, 0, 255));
  }
  return table;
}

// In 16 bits. errors: Unsupported for a result whose scale is too fine, which the runtime refuses.
// source: HardSwishPrepare in tflite/kernels/activations.cc; HardSwish in
// tflite/kernels/internal/reference/hard_swish.h, LiteRT 2.3.
Result<Table> hard_swish_table(const TensorCode& in, const TensorCode& out) {
  const auto saturate = [](std::int64_t x) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(x, -32768, 32767));
  };
  const auto high_product = [&](std::int32_t a, std::int32_t b) {  // rounded, a half upwards
    return saturate((a * b + (1 << 14)) >> 15);
  };
  const auto short_mantissa = [](const FixedFactor& factor) {
    constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max() - (1 << 15);
    return factor.mantissa >= kMost ? 32767 : (factor.mantissa + (1 << 15)) >> 16;
  };
  const float fine_scale = (1.0F / 128.0F) * in.scale;
  const FixedFactor to_out = make_fixed_factor(static_cast<double>(fine_scale / out.scale));
  const FixedFactor to_three =
      make_fixed_factor(static_cast<double>(fine_scale / (3.0F / 32768.0F)));
  if (to_out.exponent > 0)
    return fail(ErrorKind::Unsupported, "its result's scale is too small for its operand's");
  Table table = {};
  for (std::size_t code = 0; code < table.size(); ++code) {
    const std::int32_t x = (static_cast<std::int32_t>(code) - in.zero_point) * (1 << 7);
    const std::int32_t value = high_product(x, short_mantissa(to_out));
    std::int32_t share = x;  // of [-3, 3], then of [0, 1]
    if (to_three.exponent > 0)
      share = saturate(std::int64_t{share} << std::min(to_three.exponent - 1, 31));
    share = high_product(share, short_mantissa(to_three));
    if (to_three.exponent > 0) share = saturate(std::int64_t{share} * 2);
    if (to_three.exponent < 0) share = shift_rounding_away(share, std::min(-to_three.exponent, 31));
    share = (share + (1 << 15)) >> 1;
    const std::int32_t product = saturate(share * value / (1 << 15));
    const std::int32_t scaled = shift_rounding_away(product, std::min(-to_out.exponent, 31));
    table[code] = static_cast<std::uint8_t>(std::clamp(scaled + out.zero_point, 0, 255));
  }
  return table;
}

class TableOperator final : public Operator {
 public:
  /// tail: for the elements from `tail_begin` on.
  TableOperator(const Table& table, const Table& tail, std::size_t tail_begin,
                const BuildContext& context)
      : table_(table), tail_(tail), tail_begin_(tail_begin), count_(count_of(context.results[0])) {
    output_dims = {context.results[0]};
    threads_ = threads_worth(count_, std::max(context.threads, 1));
  }

  void run(const RunContext& context) const override {
    const std::uint8_t* x = codes_in(context.inputs[0]);
    std::uint8_t* y = codes_in(context.outputs[0]);
    constexpr std::size_t kBlock = 1 << 14;
    parallel_for((tail_begin_ + kBlock - 1) / kBlock, threads_, [&](std::size_t b) {
      const std::size_t end = std::min(tail_begin_, (b + 1) * kBlock);
      for (std::size_t i = b * kBlock; i < end; ++i) y[i] = table_[x[i]];
    });
    for (std::size_t i = tail_begin_; i < count_; ++i) y[i] = tail_[x[i]];
  }

 private:
  Table table_;
  Table tail_;
  std::size_t tail_begin_;
  std::size_t count_;
  int threads_ = 1;
};

class QuantizeOperator final : public Operator {
 public:
  QuantizeOperator(const TensorCode& code, const BuildContext& context)
      : code_(code),
        rounding_(is_xnnpack(context) ? CodeRounding::Xnnpack : CodeRounding::Builtin),
        count_(count_of(context.results[0])) {
    output_dims = {context.results[0]};
  }
  void run(const RunContext& context) const override {
    quantize({context.inputs[0], count_}, code_, rounding_, codes_in(context.outputs[0]));
  }

 private:
  TensorCode code_;
  CodeRounding rounding_;
  std::size_t count_;
};

class DequantizeOperator final : public Operator {
 public:
  DequantizeOperator(const TensorCode& code, CodeRounding rounding, const BuildContext& context)
      : code_(code), rounding_(rounding), count_(count_of(context.results[0])) {
    output_dims = {context.results[0]};
  }
  void run(const RunContext& context) const override {
    dequantize({codes_in(context.inputs[0]), count_}, code_, rounding_, context.outputs[0]);
  }

 private:
  TensorCode code_;
  CodeRounding rounding_;
  std::size_t count_;
};

float builtin_logistic(float x) { return 1.0F / (1.0F + std::exp(-x)); }

// source: SigmoidOp in XNNPACK's src/reference/unary-elementwise.cc.
float xnnpack_logistic(float x) {
  if (x > 100.0F) return 1.0F;
  if (x < -100.0F) return 0.0F;
  const double e = std::exp(static_cast<double>(x));
  return static_cast<float>(e / (1.0 + e));
}

Result<Table> make_table(const Unary& op, const BuildContext& context) {
  const TensorCode in = input_code(context, 0);
  const TensorCode out = output_code(context);
  const float ratio = in.scale / out.scale;
  const auto relu = [&](FusedActivation activation) {
    return scaled_table(in, out, ratio, ratio, activation_codes(activation, out, false));
  };
  switch (op.kind) {
    case UnaryKind::Relu:
      return relu(FusedActivation::Relu);
    case UnaryKind::Relu6:
      return relu(FusedActivation::Relu6);
    case UnaryKind::ReluN1To1:
      return relu(FusedActivation::ReluN1To1);
    case UnaryKind::Sigmoid:
      return is_xnnpack(context) ? xnnpack_table(in, out, xnnpack_logistic)
                                 : builtin_table(in, out, builtin_logistic);
    case UnaryKind::Tanh: {
      const auto tanh = [](float x) { return std::tanh(x); };
      return is_xnnpack(context) ? xnnpack_table(in, out, tanh) : builtin_table(in, out, tanh);
    }
    case UnaryKind::HardSwish:
      return hard_swish_table(in, out);
    case UnaryKind::Elu: {
      if (!in.is_signed) return fail(ErrorKind::Unsupported, "it has no kernel for uint8");
      const auto elu = [](float x) { return x < 0.0F ? std::expm1(x) : x; };
      return is_xnnpack(context) ? xnnpack_table(in, out, elu) : builtin_table(in, out, elu);
    }
    case UnaryKind::LeakyRelu: {
      const float negative = ratio * op.alpha;
      // source: VisitUnaryNode in tflite/delegates/xnnpack/xnnpack_delegate.cc, LiteRT 2.3.
      const bool is_taken = is_xnnpack(context) && std::isnormal(op.alpha) &&
                            ratio >= 1.0F / 256.0F && ratio <= 128.0F &&
                            negative >= -127.99609375F && negative <= 128.0F &&
                            std::fabs(negative) >= 1.0F / 256.0F;
      if (is_taken) return short_scaled_table(in, out, ratio, negative);
      const float alpha = in.scale * op.alpha / out.scale;
      return scaled_table(in, out, ratio, alpha, {});
    }
    default:
      return fail(ErrorKind::Unsupported, "it has no kernel for 8-bit integers");
  }
}

}  // namespace

OperatorResult make_integer_unary(const Unary& op, const BuildContext& context) {
  if (input_code(context, 0).is_signed != output_code(context).is_signed)
    return fail(ErrorKind::Unsupported, "its operand and its result have different types");
  VP_ASSIGN_OR_RETURN(const Table table, make_table(op, context));
  return std::make_unique<TableOperator>(table, table, count_of(context.results[0]), context);
}

OperatorResult make_requantize(const Requantize& op, const BuildContext& context) {
  const auto in = find_code(*context.inputs[0].tensor, context.inputs[0].weight);
  const auto out = find_code(*context.outputs[0], nullptr);
  const std::size_t count = count_of(context.results[0]);
  if (in && out) {
    const float ratio = in->scale / out->scale;
    const bool is_taken = is_xnnpack(context) && in->is_signed == out->is_signed &&
                          ratio >= 1.0F / 256.0F && ratio <= 128.0F;
    if (is_taken) {
      const Table table = short_scaled_table(*in, *out, ratio, ratio);
      return std::make_unique<TableOperator>(table, table, count, context);
    }
    const double exact = static_cast<double>(in->scale) / static_cast<double>(out->scale);
    constexpr std::size_t kVector = 16;  // codes that the builtin kernel takes at a time
    return std::make_unique<TableOperator>(
        scaled_table(*in, *out, exact, exact, {}, Halves::Upwards),
        scaled_table(*in, *out, exact, exact, {}), count / kVector * kVector, context);
  }
  if (out) return std::make_unique<QuantizeOperator>(*out, context);
  CodeRounding rounding = is_xnnpack(context) ? CodeRounding::Xnnpack : CodeRounding::Builtin;
  if (op.rule == DequantizeRule::OneProduct) rounding = CodeRounding::Xnnpack;
  if (op.rule == DequantizeRule::TwoProducts) rounding = CodeRounding::Builtin;
  return std::make_unique<DequantizeOperator>(*in, rounding, context);
}

}  // namespace visionpress
