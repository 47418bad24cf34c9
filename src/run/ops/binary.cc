#include <algorithm>
#include <cmath>
#include <functional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/operator.h"
#include "run/ops/broadcast.h"
#include "run/ops/elementwise.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

/// One line of values to combine: y[i] = f(a[i], b[i * step_b]). y may be a.
struct OperandLine {
  const float* a = nullptr;
  const float* b = nullptr;
  float* y = nullptr;
  std::int64_t count = 0;
  std::int64_t step_b = 0;
};

template <typename Function>
void combine_line(const OperandLine& line, Function function) {
  // Copies, since a store to y might change the fields of `line` as far as the compiler knows.
  const float* const a = line.a;
  const float* const b = line.b;
  float* const y = line.y;
  const std::int64_t count = line.count;
  const std::int64_t step_b = line.step_b;
  if (step_b == 0) {
    const float value = *b;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) y[i] = function(a[i], value);
  } else if (step_b == 1) {
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) y[i] = function(a[i], b[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) y[i] = function(a[i], b[i * step_b]);
  }
}

/// Computes the kinds that give 1 or 0.
void compare(BinaryKind kind, const OperandLine& line) {
  const auto truth = [&](auto holds) {
    combine_line(line, [holds](float p, float q) { return holds(p, q) ? 1.0F : 0.0F; });
  };
  switch (kind) {
    case BinaryKind::Greater:
      return truth(std::greater<>());
    case BinaryKind::GreaterEqual:
      return truth(std::greater_equal<>());
    case BinaryKind::Less:
      return truth(std::less<>());
    case BinaryKind::LessEqual:
      return truth(std::less_equal<>());
    case BinaryKind::Equal:
      return truth(std::equal_to<>());
    case BinaryKind::NotEqual:
      return truth(std::not_equal_to<>());
    case BinaryKind::LogicalAnd:
      return truth([](float p, float q) { return p != 0.0F && q != 0.0F; });
    case BinaryKind::LogicalOr:
      return truth([](float p, float q) { return p != 0.0F || q != 0.0F; });
    default:
      return;
  }
}

void combine_keeping_nan(BinaryKind kind, const OperandLine& line) {
  if (kind == BinaryKind::Maximum) {
    combine_line(line, [](float p, float q) { return p > q || std::isnan(p) ? p : q; });
  } else {
    combine_line(line, [](float p, float q) { return p < q || std::isnan(p) ? p : q; });
  }
}

/// The operand that a maximum or minimum returns if one is NaN or both are equal.
enum class NanRule : std::uint8_t {
  Second,
  First,
  Nan,  ///< NaN, whichever operand it is
};

NanRule nan_rule_of(const Binary& op, const BuildContext& context) {
  if (op.keeps_nan) return NanRule::Nan;
  const Tensor* second = context.inputs[1].tensor;
  const bool clamps = context.inputs.size() == 2 && second != nullptr && second->is_constant() &&
                      count_of(context.inputs[1].dims) == 1;
  return clamps && context.arithmetic != Arithmetic::Builtin ? NanRule::First : NanRule::Second;
}

void combine_extremes(BinaryKind kind, NanRule rule, const OperandLine& line) {
  if (rule == NanRule::Nan) return combine_keeping_nan(kind, line);
  const bool is_first = rule == NanRule::First;
  if (kind == BinaryKind::Maximum) {
    return is_first ? combine_line(line, [](float p, float q) { return q > p ? q : p; })
                    : combine_line(line, [](float p, float q) { return p > q ? p : q; });
  }
  return is_first ? combine_line(line, [](float p, float q) { return q < p ? q : p; })
                  : combine_line(line, [](float p, float q) { return p < q ? p : q; });
}

void combine(const Binary& op, NanRule rule, const OperandLine& line) {
  switch (op.kind) {
    case BinaryKind::Add:
    case BinaryKind::Average:
      return combine_line(line, [](float p, float q) { return p + q; });
    case BinaryKind::Subtract:
      return combine_line(line, [](float p, float q) { return p - q; });
    case BinaryKind::Multiply:
      return combine_line(line, [](float p, float q) { return p * q; });
    case BinaryKind::Divide:
      return combine_line(line, [](float p, float q) { return p / q; });
    case BinaryKind::Maximum:
    case BinaryKind::Minimum:
      return combine_extremes(op.kind, rule, line);
    case BinaryKind::FloorDivide:
      return combine_line(line, [](float p, float q) {
        return static_cast<float>(std::floor(static_cast<double>(p) / static_cast<double>(q)));
      });
    case BinaryKind::FloorModulo:
      return combine_line(line, floor_modulo<float>);
    case BinaryKind::Power:
      return combine_line(line, [](float p, float q) { return std::pow(p, q); });
    case BinaryKind::Atan2:
      return combine_line(line, [](float p, float q) { return std::atan2(p, q); });
    case BinaryKind::SquaredDifference:
      return combine_line(line, [](float p, float q) { return (p - q) * (p - q); });
    default:
      return compare(op.kind, line);
  }
}

class BinaryOperator final : public Operator {
 public:
  BinaryOperator(const Binary& op, std::vector<Shape> inputs, Shape out,
                 const BuildContext& context)
      : op_(op),
        rule_(nan_rule_of(op, context)),
        inputs_(std::move(inputs)),
        threads_(context.threads) {
    for (Shape& dims : inputs_) {
      dims = widen(dims, out.size(), context.layout);
      strides_.push_back(broadcast_strides(dims, out, context.layout));
    }
    output_dims = {std::move(out)};
    constexpr std::size_t kPerValue = 4;  // the work on a value, in multiplications
    threads_ = threads_worth(count_of(output_dims[0]) * kPerValue, threads_);
    choose_line();
  }

  void run(const RunContext& context) const override {
    if (op_.kind == BinaryKind::FloorDivide && divides_by_zero(context)) {
      context.report->status = fail(ErrorKind::Unsupported, "it divides by zero");
      return;
    }
    float* y = context.outputs[0];
    const auto count = static_cast<std::int64_t>(count_of(output_dims[0]));
    if (inputs_.size() == 2 && inputs_[0] == output_dims[0]) return run_pair(context, count);
    spread(context.inputs[0], strides_[0], y);
    for (std::size_t i = 1; i < inputs_.size(); ++i) fold(context.inputs[i], strides_[i], y);
    if (op_.kind == BinaryKind::Average) {
      const auto divisor = static_cast<float>(inputs_.size());
      for (std::int64_t i = 0; i < count; ++i) y[i] /= divisor;
    }
    if (is_fused(op_.activation))
      apply_unary(unary_of(op_.activation), y, y, static_cast<std::size_t>(count));
  }

 private:
  [[nodiscard]] bool divides_by_zero(const RunContext& context) const {
    for (std::size_t i = 1; i < inputs_.size(); ++i) {
      const float* divisors = context.inputs[i];
      const float* end = divisors + count_of(inputs_[i]);
      if (std::find(divisors, end, 0.0F) != end) return true;
    }
    return false;
  }

  // A second operand of few channels is repeated, so that lines are long enough for vectors.
  void choose_line() {
    if (inputs_.size() != 2 || inputs_[0] != output_dims[0] || output_dims[0].empty()) return;
    const auto line = static_cast<std::size_t>(output_dims[0].back());
    const bool is_line = count_of(inputs_[1]) == line && strides_[1].back() == 1;
    if (!is_line || inputs_[1] == output_dims[0] || line == 0) return;
    constexpr std::size_t kLeast = 256;
    line_ = line;
    repeats_ = std::max<std::size_t>(kLeast / line, 1);
    if (repeats_ > 1) scratch_bytes = line_ * repeats_ * sizeof(float);
  }

  // The usual case: the first operand has the result's shape; the second has it too, or is one
  // value or one line of channels.
  void run_pair(const RunContext& context, std::int64_t count) const {
    const std::int64_t other = static_cast<std::int64_t>(count_of(inputs_[1]));
    const bool is_whole = inputs_[1] == output_dims[0];
    const bool is_line = line_ > 0;
    if (!is_whole && other != 1 && !is_line) {
      spread(context.inputs[0], strides_[0], context.outputs[0]);
      fold(context.inputs[1], strides_[1], context.outputs[0]);
      finish(context.outputs[0], count);
      return;
    }
    const float* b_line = is_line ? repeat_line(context) : nullptr;
    const auto line = static_cast<std::int64_t>(line_ * repeats_);
    const auto block = static_cast<std::int64_t>(
        even_groups(static_cast<std::size_t>(count), 16384, threads_,
                    is_line ? static_cast<std::size_t>(line) : std::size_t{64}));
    parallel_for(
        static_cast<std::size_t>((count + block - 1) / block), threads_, [&](std::size_t b) {
          const std::int64_t begin = static_cast<std::int64_t>(b) * block;
          const std::int64_t end = std::min(begin + block, count);
          const float* a = context.inputs[0];
          float* y = context.outputs[0];
          if (is_whole) {
            combine(op_, rule_, {a + begin, context.inputs[1] + begin, y + begin, end - begin, 1});
          } else if (other == 1) {
            combine(op_, rule_, {a + begin, context.inputs[1], y + begin, end - begin, 0});
          } else {
            for (std::int64_t at = begin; at < end; at += line)
              combine(op_, rule_, {a + at, b_line, y + at, std::min(line, end - at), 1});
          }
          finish(y + begin, end - begin);
        });
  }

  [[nodiscard]] const float* repeat_line(const RunContext& context) const {
    if (repeats_ == 1) return context.inputs[1];
    auto* repeated = view_as<float>(context.scratch);
    for (std::size_t i = 0; i < repeats_; ++i)
      std::copy_n(context.inputs[1], line_, repeated + i * line_);
    return repeated;
  }

  void finish(float* y, std::int64_t count) const {
    if (op_.kind == BinaryKind::Average) {
      for (std::int64_t i = 0; i < count; ++i) y[i] /= 2.0F;
    }
    if (is_fused(op_.activation))
      apply_unary(unary_of(op_.activation), y, y, static_cast<std::size_t>(count));
  }

  void spread(const float* x, const Strides& strides, float* y) const {
    walk_lines(
        output_dims[0], strides, dense_strides(output_dims[0]),
        [&](std::int64_t at, std::int64_t to, std::int64_t count, std::int64_t step, std::int64_t) {
          for (std::int64_t i = 0; i < count; ++i) y[to + i] = x[at + i * step];
        });
  }

  void fold(const float* x, const Strides& strides, float* y) const {
    walk_lines(
        output_dims[0], strides, dense_strides(output_dims[0]),
        [&](std::int64_t at, std::int64_t to, std::int64_t count, std::int64_t step, std::int64_t) {
          combine(op_, rule_, {y + to, x + at, y + to, count, step});
        });
  }

  Binary op_;
  NanRule rule_;
  std::vector<Shape> inputs_;
  std::vector<Strides> strides_ = {};
  std::size_t line_ = 0;  ///< channels of a second operand that has one value for each; else 0
  std::size_t repeats_ = 1;
  int threads_;
};

}  // namespace

OperatorResult build_operator(const Binary& op, const BuildContext& context) {
  std::vector<Shape> inputs;
  for (const InputDesc& input : context.inputs) inputs.push_back(input.dims);
  return std::make_unique<BinaryOperator>(op, std::move(inputs), context.results[0], context);
}

}  // namespace visionpress
