// Reverse and CumulativeSum, which walk axes from one end to the other.

#include <utility>

#include "base/error.h"
#include "run/operator.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

class ReverseOperator final : public Operator {
 public:
  /// reversed: one flag per axis of the input, in the order of the run.
  ReverseOperator(const Shape& in, const std::vector<bool>& reversed)
      : strides_(dense_strides(in)) {
    for (std::size_t a = 0; a < in.size(); ++a) {
      if (!reversed[a]) continue;
      offset_ += strides_[a] * (in[a] - 1);
      strides_[a] = -strides_[a];
    }
    output_dims = {in};
  }

  void run(const RunContext& context) const override {
    const Shape& dims = output_dims[0];
    walk_lines(dims, strides_, dense_strides(dims),
               [&](std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t step,
                   std::int64_t) {
                 const float* x = context.inputs[0] + offset_ + from;
                 for (std::int64_t i = 0; i < count; ++i) context.outputs[0][to + i] = x[i * step];
               });
  }

 private:
  Strides strides_;
  std::int64_t offset_ = 0;
};

class CumulativeSumOperator final : public Operator {
 public:
  CumulativeSumOperator(const CumulativeSum& op, const Shape& in, std::size_t axis)
      : op_(op), split_(split_at(in, axis)) {
    output_dims = {in};
  }

  void run(const RunContext& context) const override {
    for (std::size_t outer = 0; outer < split_.outer; ++outer) {
      for (std::size_t inner = 0; inner < split_.inner; ++inner) add_line(context, outer, inner);
    }
  }

 private:
  void add_line(const RunContext& context, std::size_t outer, std::size_t inner) const {
    float sum = 0.0F;  // as the runtimes do, in float32
    for (std::size_t i = 0; i < split_.channels; ++i) {
      const std::size_t place = op_.reverse ? split_.channels - 1 - i : i;
      const std::size_t at = (outer * split_.channels + place) * split_.inner + inner;
      const float before = sum;
      sum += context.inputs[0][at];
      context.outputs[0][at] = op_.exclusive ? before : sum;
    }
  }

  CumulativeSum op_;
  AxisSplit split_;
};

}  // namespace

OperatorResult build_operator(const Reverse& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  std::vector<bool> reversed(in.size(), false);
  for (const int axis : op.axes) {
    VP_ASSIGN_OR_RETURN(const int at, physical_axis(axis, in.size(), context.layout));
    reversed[static_cast<std::size_t>(at)] = true;
  }
  return std::make_unique<ReverseOperator>(in, reversed);
}

OperatorResult build_operator(const CumulativeSum& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const int axis, physical_axis(op.axis, in.size(), context.layout));
  return std::make_unique<CumulativeSumOperator>(op, in, static_cast<std::size_t>(axis));
}

}  // namespace visionpress
