#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.h"
#include "kernels/float_functions.h"
#include "kernels/litert_math.h"
#include "run/operator.h"
#include "run/ops/elementwise.h"

namespace visionpress {
namespace {

// Values per task at most: they stay in the second-level cache. LiteRT's functions want tasks of
// whole groups.
constexpr std::size_t kBlock = 1 << 14;
constexpr std::size_t kGroup = 64;
constexpr std::size_t kPerValue = 4;  // the work on a value, in multiplications

template <typename Function>
void map_values(const float* x, float* y, std::size_t count, Function function) {
  for (std::size_t i = 0; i < count; ++i) y[i] = function(x[i]);
}

// -0 + 0 is 0, whose inverse has the other sign.
float plus(float x, float epsilon) { return epsilon == 0.0F ? x : x + epsilon; }

// In the default rounding mode nearbyint rounds ties to even.
void apply_stepwise(const Unary& op, const float* x, float* y, std::size_t count) {
  switch (op.kind) {
    case UnaryKind::Floor:
      return map_values(x, y, count, [](float v) { return std::floor(v); });
    case UnaryKind::Ceil:
      return map_values(x, y, count, [](float v) { return std::ceil(v); });
    case UnaryKind::Round:
      return map_values(x, y, count, [](float v) { return std::nearbyint(v); });
    case UnaryKind::Truncate:
      return map_values(x, y, count, [](float v) { return std::trunc(v); });
    case UnaryKind::Sign:
      // Zero and NaN are returned unchanged.
      return map_values(x, y, count, [](float v) {
        return v > 0.0F ? 1.0F : v < 0.0F ? -1.0F : v;
      });
    case UnaryKind::LogicalNot:
      return map_values(x, y, count, [](float v) { return v == 0.0F ? 1.0F : 0.0F; });
    default:
      return;
  }
}

void apply_bounded(const Unary& op, const float* x, float* y, std::size_t count) {
  const float a = op.alpha;
  const float b = op.beta;
  switch (op.kind) {
    case UnaryKind::Relu:
      return map_values(x, y, count, [](float v) { return v < 0.0F ? 0.0F : v; });
    case UnaryKind::Relu6:
      return map_values(x, y, count, [](float v) { return std::min(std::max(v, 0.0F), 6.0F); });
    case UnaryKind::ReluN1To1:
      return map_values(x, y, count, [](float v) { return std::min(std::max(v, -1.0F), 1.0F); });
    case UnaryKind::LeakyRelu:
      return map_values(x, y, count, [a](float v) { return v < 0.0F ? a * v : v; });
    case UnaryKind::ThresholdedRelu:
      return map_values(x, y, count, [a](float v) { return v < a ? 0.0F : v; });
    case UnaryKind::Threshold:
      return map_values(x, y, count, [a](float v) { return std::max(v, a); });
    case UnaryKind::Clip:
      return map_values(x, y, count, [a, b](float v) { return std::min(std::max(v, a), b); });
    case UnaryKind::HardSigmoid:
      return map_values(x, y, count,
                        [a, b](float v) { return std::min(std::max(a * v + b, 0.0F), 1.0F); });
    case UnaryKind::HardSwish:
      return map_values(
          x, y, count, [](float v) { return v * std::min(std::max(v + 3.0F, 0.0F), 6.0F) / 6.0F; });
    default:
      return map_values(x, y, count, [a, b](float v) { return a * v + b; });
  }
}

void apply_elu(float alpha, const float* x, float* y, std::size_t count) {
  std::array<float, 256> below = {};  // x may be y
  for (std::size_t at = 0; at < count; at += below.size()) {
    const std::size_t part = std::min(below.size(), count - at);
    apply_function(FloatFunction::Expm1, x + at, part, below.data());
    for (std::size_t i = 0; i < part; ++i) {
      const float v = x[at + i];
      y[at + i] = v < 0.0F ? alpha * below[i] : v;
    }
  }
}

void apply_transcendental(const Unary& op, const float* x, float* y, std::size_t count) {
  switch (op.kind) {
    case UnaryKind::Sin:
      return map_values(x, y, count, [](float v) { return std::sin(v); });
    case UnaryKind::Cos:
      return map_values(x, y, count, [](float v) { return std::cos(v); });
    case UnaryKind::Tan:
      return map_values(x, y, count, [](float v) { return std::tan(v); });
    case UnaryKind::Asin:
      return map_values(x, y, count, [](float v) { return std::asin(v); });
    case UnaryKind::Acos:
      return map_values(x, y, count, [](float v) { return std::acos(v); });
    case UnaryKind::Atan:
      return map_values(x, y, count, [](float v) { return std::atan(v); });
    case UnaryKind::Sinh:
      return map_values(x, y, count, [](float v) { return std::sinh(v); });
    case UnaryKind::Cosh:
      return map_values(x, y, count, [](float v) { return std::cosh(v); });
    case UnaryKind::Asinh:
      return map_values(x, y, count, [](float v) { return std::asinh(v); });
    case UnaryKind::Acosh:
      return map_values(x, y, count, [](float v) { return std::acosh(v); });
    case UnaryKind::Atanh:
      return map_values(x, y, count, [](float v) { return std::atanh(v); });
    case UnaryKind::Log1p:
      return map_values(x, y, count, [](float v) { return std::log1p(v); });
    case UnaryKind::Expm1:
      return map_values(x, y, count, [](float v) { return std::expm1(v); });
    default:
      return is_stepwise(op.kind) ? apply_stepwise(op, x, y, count)
                                  : apply_bounded(op, x, y, count);
  }
}

void apply_arithmetic(const Unary& op, const float* x, float* y, std::size_t count) {
  const float a = op.alpha;
  const float b = op.beta;
  switch (op.kind) {
    case UnaryKind::Sqrt:
      return map_values(x, y, count, [](float v) { return std::sqrt(v); });
    case UnaryKind::Rsqrt:
      return map_values(x, y, count, [b](float v) { return 1.0F / std::sqrt(plus(v, b)); });
    case UnaryKind::Inverse:
      return map_values(x, y, count, [b](float v) { return 1.0F / plus(v, b); });
    case UnaryKind::Power:
      return map_values(x, y, count, [a](float v) { return std::pow(v, a); });
    case UnaryKind::Exp:
      return apply_function(FloatFunction::Exp, x, count, y);
    case UnaryKind::Log:
      return apply_function(FloatFunction::Log, x, count, y);
    case UnaryKind::Abs:
      return map_values(x, y, count, [](float v) { return std::fabs(v); });
    case UnaryKind::Square:
      return map_values(x, y, count, [](float v) { return v * v; });
    case UnaryKind::Negate:
      return map_values(x, y, count, [](float v) { return -v; });
    case UnaryKind::Sigmoid:
      return apply_function(FloatFunction::Sigmoid, x, count, y);
    case UnaryKind::Tanh:
      return apply_function(FloatFunction::Tanh, x, count, y);
    case UnaryKind::ScaledTanh:
      return map_values(x, y, count, [a, b](float v) { return a * std::tanh(b * v); });
    case UnaryKind::Elu:
      return apply_elu(a, x, y, count);
    case UnaryKind::Softsign:
      return map_values(x, y, count, [](float v) { return v / (1.0F + std::fabs(v)); });
    case UnaryKind::Softplus:
      return apply_function(FloatFunction::Softplus, x, count, y);
    case UnaryKind::Erf:
      return map_values(x, y, count, [](float v) { return std::erf(v); });
    default:
      return apply_transcendental(op, x, y, count);
  }
}

// Applies the function with the rounding of LiteRT's kernel. returns: false, having done nothing,
// if LiteRT's kernel has no rounding of its own.
bool apply_as_litert(FloatMath math, const Unary& op, const float* x, std::size_t count, float* y) {
  if (math == FloatMath::Plain) return false;
  const bool by_xnnpack = math == FloatMath::Xnnpack;
  const auto kernels = by_xnnpack ? LitertKernels::Xnnpack : LitertKernels::Builtin;
  switch (op.kind) {
    case UnaryKind::Sigmoid:
      litert_sigmoid(kernels, x, count, y);
      return true;
    case UnaryKind::Tanh:
      litert_tanh(kernels, x, count, y);
      return true;
    case UnaryKind::HardSwish:
      litert_hard_swish(kernels, x, count, y);
      return true;
    case UnaryKind::Elu:
      if (by_xnnpack) {
        xnnpack_elu(x, count, y);
      } else {
        map_values(x, y, count, [&op](float v) { return v < 0.0F ? op.alpha * std::expm1(v) : v; });
      }
      return true;
    case UnaryKind::Exp:  // the standard library's, as LiteRT's kernels call it
      map_values(x, y, count, [](float v) { return std::exp(v); });
      return true;
    case UnaryKind::Log:
      map_values(x, y, count, [](float v) { return std::log(v); });
      return true;
    case UnaryKind::Sqrt:
      if (by_xnnpack) xnnpack_sqrt(x, count, y);
      return by_xnnpack;
    case UnaryKind::Rsqrt:
      if (by_xnnpack) xnnpack_rsqrt(x, count, y);
      return by_xnnpack;
    default:
      return false;
  }
}

class UnaryOperator final : public Operator {
 public:
  UnaryOperator(const Unary& op, const BuildContext& context)
      : op_(op), math_(context.float_math), threads_(context.threads) {
    output_dims = {context.inputs[0].dims};
    count_ = count_of(output_dims[0]);
    threads_ = threads_worth(count_ * kPerValue, threads_);
  }
  void run(const RunContext& context) const override {
    const std::size_t step = even_groups(count_, kBlock, threads_, kGroup);
    parallel_for_ranges(count_, step, threads_, [&](std::size_t begin, std::size_t end) {
      const float* x = context.inputs[0] + begin;
      float* y = context.outputs[0] + begin;
      if (!apply_as_litert(math_, op_, x, end - begin, y)) apply_unary(op_, x, y, end - begin);
    });
  }

 private:
  Unary op_;
  FloatMath math_;
  int threads_;
  std::size_t count_ = 0;
};

}  // namespace

void apply_unary(const Unary& op, const float* x, float* y, std::size_t count) {
  apply_arithmetic(op, x, y, count);
}

void apply_unary_in_place(const Unary& op, float* y, std::size_t count, int threads) {
  threads = threads_worth(count * kPerValue, threads);
  const std::size_t step = even_groups(count, kBlock, threads, kGroup);
  parallel_for_ranges(count, step, threads, [&](std::size_t begin, std::size_t end) {
    apply_unary(op, y + begin, y + begin, end - begin);
  });
}

bool is_fused(FusedActivation activation) { return activation != FusedActivation::None; }

bool is_monotone(const Unary& op) {
  switch (op.kind) {
    case UnaryKind::Relu:
    case UnaryKind::Relu6:
    case UnaryKind::ReluN1To1:
    case UnaryKind::Threshold:
      return true;
    case UnaryKind::LeakyRelu:
      return op.alpha >= 0.0F && op.alpha <= 1.0F;
    case UnaryKind::Linear:
      return op.alpha >= 0.0F;
    default:
      return false;
  }
}

// A run in float, or of tensors that are not codes, keeps the values.
OperatorResult build_operator(const Requantize& /*op*/, const BuildContext& context) {
  return build_operator(Identity{}, context);
}

OperatorResult build_operator(const Identity& /*op*/, const BuildContext& context) {
  return build_operator(Unary{UnaryKind::Linear, 1.0F, 0.0F}, context);
}

OperatorResult build_operator(const Unary& op, const BuildContext& context) {
  return std::make_unique<UnaryOperator>(op, context);
}

}  // namespace visionpress
