#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "kernels/litert_math.h"
#include "run/operator.h"
#include "run/ops/elementwise.h"

namespace visionpress {
namespace {

// Values per task: enough to hide the cost of the parallel loop.
constexpr std::size_t kBlock = 1 << 14;
constexpr std::size_t kPerValue = 4;  // the work on a value, in multiplications

template <typename Function>
void map_values(const float* x, float* y, std::size_t count, Function function) {
  for (std::size_t i = 0; i < count; ++i) y[i] = function(x[i]);
}

float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

float softplus(float x) {
  return x > 20.0F ? x : std::log1p(std::exp(x));
}  // e^-20 is below one ulp of 20

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
      return map_values(x, y, count, [](float v) { return std::exp(v); });
    case UnaryKind::Log:
      return map_values(x, y, count, [](float v) { return std::log(v); });
    case UnaryKind::Abs:
      return map_values(x, y, count, [](float v) { return std::fabs(v); });
    case UnaryKind::Square:
      return map_values(x, y, count, [](float v) { return v * v; });
    case UnaryKind::Negate:
      return map_values(x, y, count, [](float v) { return -v; });
    case UnaryKind::Sigmoid:
      return map_values(x, y, count, sigmoid);
    case UnaryKind::Tanh:
      return map_values(x, y, count, [](float v) { return std::tanh(v); });
    case UnaryKind::ScaledTanh:
      return map_values(x, y, count, [a, b](float v) { return a * std::tanh(b * v); });
    case UnaryKind::Elu:
      return map_values(x, y, count, [a](float v) { return v < 0.0F ? a * std::expm1(v) : v; });
    case UnaryKind::Softsign:
      return map_values(x, y, count, [](float v) { return v / (1.0F + std::fabs(v)); });
    case UnaryKind::Softplus:
      return map_values(x, y, count, softplus);
    case UnaryKind::Erf:
      return map_values(x, y, count, [](float v) { return std::erf(v); });
    default:
      return is_stepwise(op.kind) ? apply_stepwise(op, x, y, count)
                                  : apply_bounded(op, x, y, count);
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
      if (by_xnnpack) xnnpack_elu(x, count, y);
      return by_xnnpack;
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
    parallel_for((count_ + kBlock - 1) / kBlock, threads_, [&](std::size_t block) {
      const std::size_t begin = block * kBlock;
      const std::size_t count = std::min(kBlock, count_ - begin);
      const float* x = context.inputs[0] + begin;
      float* y = context.outputs[0] + begin;
      if (!apply_as_litert(math_, op_, x, count, y)) apply_unary(op_, x, y, count);
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
  parallel_for((count + kBlock - 1) / kBlock, threads, [&](std::size_t block) {
    float* begin = y + block * kBlock;
    apply_unary(op, begin, begin, std::min(kBlock, count - block * kBlock));
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

OperatorResult build_operator(const Identity& /*op*/, const BuildContext& context) {
  return build_operator(Unary{UnaryKind::Linear, 1.0F, 0.0F}, context);
}

OperatorResult build_operator(const Unary& op, const BuildContext& context) {
  return std::make_unique<UnaryOperator>(op, context);
}

}  // namespace visionpress
