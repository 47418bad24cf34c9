// Functions of rows of codes along the last axis: SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION,
// none of which XNNPACK takes.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

/// exp(-scale * distance) of each distance between two codes.
std::array<float, 256> list_powers(float scale) {
  std::array<float, 256> powers = {};
  for (std::size_t below = 0; below < powers.size(); ++below)
    powers[below] = std::exp(-scale * static_cast<float>(below));
  return powers;
}

/// Calls row(x, y) for each row of the last axis.
class IntegerRowOperator : public Operator {
 public:
  explicit IntegerRowOperator(const BuildContext& context)
      : out_(output_code(context)), depth_(static_cast<std::size_t>(context.results[0].back())) {
    output_dims = {context.results[0]};
  }
  void run(const RunContext& context) const override {
    if (depth_ == 0) return;
    for (std::size_t row = 0; row < count_of(output_dims[0]) / depth_; ++row) {
      run_row(codes_in(context.inputs[0]) + row * depth_,
              codes_in(context.outputs[0]) + row * depth_);
    }
  }

 protected:
  virtual void run_row(const std::uint8_t* x, std::uint8_t* y) const = 0;
  [[nodiscard]] std::size_t depth() const { return depth_; }
  [[nodiscard]] const TensorCode& out() const { return out_; }

 private:
  TensorCode out_;
  std::size_t depth_;
};

// source: Softmax and QuantizeSoftmaxOutput in tflite/kernels/internal/optimized/optimized_ops.h.
class IntegerSoftmaxOperator final : public IntegerRowOperator {
 public:
  IntegerSoftmaxOperator(float beta, const BuildContext& context)
      : IntegerRowOperator(context), powers_(list_powers(input_code(context, 0).scale * beta)) {}

 protected:
  void run_row(const std::uint8_t* x, std::uint8_t* y) const override {
    const std::uint8_t most = *std::max_element(x, x + depth());
    float sum = 0.0F;
    for (std::size_t i = 0; i < depth(); ++i) sum += powers_[most - x[i]];
    const float inverse = 1.0F / (sum * out().scale);
    for (std::size_t i = 0; i < depth(); ++i) y[i] = code_of(powers_[most - x[i]] * inverse);
  }

 private:
  [[nodiscard]] std::uint8_t code_of(float share) const {
    // Codes without a sign are taken to have the zero point 0, whatever the file says.
    const float code = out().is_signed ? std::round(share) + static_cast<float>(out().zero_point)
                                       : std::trunc(share + 0.5F);
    return static_cast<std::uint8_t>(std::clamp(code, 0.0F, 255.0F));
  }

  std::array<float, 256> powers_;
};

// source: LogSoftmax in tflite/kernels/internal/optimized/optimized_ops.h.
class IntegerLogSoftmaxOperator final : public IntegerRowOperator {
 public:
  explicit IntegerLogSoftmaxOperator(const BuildContext& context)
      : IntegerRowOperator(context), in_(input_code(context, 0)), powers_(list_powers(in_.scale)) {}

 protected:
  void run_row(const std::uint8_t* x, std::uint8_t* y) const override {
    const std::int32_t shift = in_.is_signed ? 128 : 0;
    const std::uint8_t most = *std::max_element(x, x + depth());
    float sum = 0.0F;
    for (std::size_t i = 0; i < depth(); ++i) sum += powers_[most - x[i]];
    const float scale = in_.scale / out().scale;
    const float base = (in_.scale * static_cast<float>(most - shift) + std::log(sum)) / out().scale;
    for (std::size_t i = 0; i < depth(); ++i) {
      const float code = std::nearbyint(scale * static_cast<float>(x[i] - shift) - base);
      y[i] = static_cast<std::uint8_t>(
          std::clamp(code + static_cast<float>(out().zero_point), 0.0F, 255.0F));
    }
  }

 private:
  TensorCode in_;
  std::array<float, 256> powers_;
};

/// a * b as numbers with 31 - `bits` digits behind the point, as gemmlowp multiplies them: rounded,
/// and then shifted back with saturation.
std::int32_t multiply_fixed(std::int32_t a, std::int32_t b) { return multiply_high(a, b); }

std::int32_t shift_saturating(std::int32_t x, int bits) {
  const std::int64_t wide = static_cast<std::int64_t>(x) << bits;
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(
      wide, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
}

// The reciprocal of a sum's square root, by five steps of Newton's method from 1.
// source: GetInvSqrtQuantizedMultiplierExp in tflite/kernels/internal/common.h.
FixedFactor inverse_root(std::int32_t sum) {
  if (sum <= 1) return {std::numeric_limits<std::int32_t>::max(), 0};
  int right = 11;
  while (sum >= (1 << 29)) {
    sum /= 4;
    ++right;
  }
  const int pairs = (std::countl_zero(static_cast<std::uint32_t>(sum)) - 1) / 2 - 1;
  right -= pairs;
  sum <<= 2 * pairs;
  // Numbers with three digits before the point; a product of two has six, of three nine.
  const std::int32_t input = sum >> 1;
  const std::int32_t half = shift_rounding_away(input, 1);
  constexpr std::int32_t kThreeHalves = (1 << 28) + (1 << 27);
  std::int32_t x = 1 << 28;
  for (int step = 0; step < 5; ++step) {
    const std::int32_t cube = shift_saturating(multiply_fixed(multiply_fixed(x, x), x), 6);
    x = shift_saturating(multiply_fixed(kThreeHalves, x) - multiply_fixed(half, cube), 3);
  }
  constexpr std::int32_t kHalfRootOfTwo = 1518500250;
  x = multiply_fixed(x, kHalfRootOfTwo);
  if (right < 0) {
    x <<= -right;
    right = 0;
  }
  return {x, -right};
}

// source: L2Normalization in tflite/kernels/internal/reference/.
class IntegerLengthOperator final : public IntegerRowOperator {
 public:
  explicit IntegerLengthOperator(const BuildContext& context)
      : IntegerRowOperator(context), zero_(input_code(context, 0).zero_point) {}

 protected:
  void run_row(const std::uint8_t* x, std::uint8_t* y) const override {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < depth(); ++i) sum += (x[i] - zero_) * (x[i] - zero_);
    FixedFactor factor = inverse_root(sum);
    constexpr int kOutputBits = 7;  // the result's scale is 1/128
    std::int32_t scale = 1 << kOutputBits;
    if (out().is_signed) {
      factor.exponent += kOutputBits;
      scale = 1;
    }
    for (std::size_t i = 0; i < depth(); ++i) {
      const std::int32_t code = multiply_by(scale * (x[i] - zero_), factor) + 128;
      y[i] = static_cast<std::uint8_t>(std::clamp(code, 0, 255));
    }
  }

 private:
  std::int32_t zero_;
};

bool has_code(const BuildContext& context, float scale, std::int32_t stored_zero) {
  return output_code(context).scale == scale && output_code(context).zero_point == stored_zero;
}

}  // namespace

OperatorResult make_integer_softmax(const Softmax& op, const BuildContext& context) {
  const auto rank = static_cast<int>(context.results[0].size());
  if (rank == 0 || (op.axis != -1 && op.axis != rank - 1))
    return fail(ErrorKind::Unsupported, "a softmax of 8-bit integers along axis {}", op.axis);
  if (input_code(context, 0).is_signed != output_code(context).is_signed)
    return fail(ErrorKind::Unsupported, "its operand and its result have different types");
  return std::make_unique<IntegerSoftmaxOperator>(op.beta, context);
}

// The runtime refuses results of other scales, too.
OperatorResult make_integer_function(const CodedFunction& op, const BuildContext& context) {
  if (context.results[0].empty())
    return fail(ErrorKind::Unsupported, "it takes a single 8-bit integer");
  if (input_code(context, 0).is_signed != output_code(context).is_signed)
    return fail(ErrorKind::Unsupported, "its operand and its result have different types");
  if (op.kind == CodedFunctionKind::LogSoftmax) {
    if (!has_code(context, 1.0F / 16.0F, 255))
      return fail(ErrorKind::Unsupported, "its result does not have the scale 1/16 from the top");
    return std::make_unique<IntegerLogSoftmaxOperator>(context);
  }
  if (!has_code(context, 1.0F / 128.0F, 128))
    return fail(ErrorKind::Unsupported, "its result does not have the scale 1/128 and zero at 0");
  return std::make_unique<IntegerLengthOperator>(context);
}

}  // namespace visionpress
