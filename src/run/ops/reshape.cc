// Operators that change only how elements are arranged: reshape, squeeze, expand dims, transpose.

#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "run/operator.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

class CopyOperator final : public Operator {
 public:
  explicit CopyOperator(Shape dims) : count_(count_of(dims)) { output_dims = {std::move(dims)}; }
  void run(const RunContext& context) const override {
    std::memcpy(context.outputs[0], context.inputs[0], count_ * sizeof(float));
  }

 private:
  std::size_t count_;
};

// Reshapes row-major in the logical order, through a buffer if the physical order differs.
class LogicalReshapeOperator final : public Operator {
 public:
  LogicalReshapeOperator(Shape from, Shape to, bool from_planar, bool to_planar)
      : from_(std::move(from)), from_planar_(from_planar), to_planar_(to_planar) {
    output_dims = {std::move(to)};
    scratch_bytes = count_of(from_) * sizeof(float);
  }
  void run(const RunContext& context) const override {
    const float* source = context.inputs[0];
    float* buffer = view_as<float>(context.scratch);
    if (from_planar_) {
      float* target = to_planar_ ? buffer : context.outputs[0];
      swap_layout(from_, source, target, true);
      source = target;
    }
    if (to_planar_) swap_layout(output_dims[0], source, context.outputs[0], false);
  }

 private:
  Shape from_;
  bool from_planar_;
  bool to_planar_;
};

class TransposeOperator final : public Operator {
 public:
  TransposeOperator(const Shape& in, const std::vector<int>& permutation, Shape out) {
    const Strides dense = dense_strides(in);
    for (const int axis : permutation) strides_.push_back(dense[static_cast<std::size_t>(axis)]);
    output_dims = {std::move(out)};
  }
  void run(const RunContext& context) const override {
    walk_lines(output_dims[0], strides_, dense_strides(output_dims[0]),
               [&](std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t step,
                   std::int64_t) {
                 for (std::int64_t i = 0; i < count; ++i)
                   context.outputs[0][to + i] = context.inputs[0][from + i * step];
               });
  }

 private:
  Strides strides_ = {};
};

OperatorResult make_view(const BuildContext& context) {
  const Shape& from = context.inputs[0].dims;
  const Shape& to = context.results[0];
  const bool from_planar = orders_differ(from, context.layout);
  const bool to_planar = orders_differ(to, context.layout);
  if (!from_planar && !to_planar) return std::make_unique<CopyOperator>(to);
  return std::make_unique<LogicalReshapeOperator>(from, to, from_planar, to_planar);
}

}  // namespace

OperatorResult build_operator(const Reshape& /*op*/, const BuildContext& context) {
  return make_view(context);
}
OperatorResult build_operator(const Squeeze& /*op*/, const BuildContext& context) {
  return make_view(context);
}
OperatorResult build_operator(const ExpandDims& /*op*/, const BuildContext& context) {
  return make_view(context);
}

OperatorResult build_operator(const Transpose& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  std::vector<int> physical(in.size(), 0);
  for (std::size_t a = 0; a < in.size(); ++a) {
    VP_ASSIGN_OR_RETURN(const int to,
                        physical_axis(static_cast<int>(a), in.size(), context.layout));
    VP_ASSIGN_OR_RETURN(const int from,
                        physical_axis(op.permutation[a], in.size(), context.layout));
    physical[static_cast<std::size_t>(to)] = from;
  }
  return std::make_unique<TransposeOperator>(in, physical, context.results[0]);
}

}  // namespace visionpress
