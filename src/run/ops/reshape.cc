// Operators that only say how elements are to be read: reshape, squeeze, expand dims, transpose.

#include <algorithm>
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

// Row-major in the logical order, through a buffer where the physical order differs.
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
  TransposeOperator(const Shape& in, const std::vector<int>& permutation) {
    const Strides dense = dense_strides(in);
    Shape dims;
    for (const int axis : permutation) {
      dims.push_back(in[static_cast<std::size_t>(axis)]);
      strides_.push_back(dense[static_cast<std::size_t>(axis)]);
    }
    output_dims = {dims};
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

OperatorResult reshape_logical(const Shape& logical, const BuildContext& context) {
  const Shape& from = context.inputs[0].dims;
  Shape to = physical_shape(logical, context.layout);
  const bool from_planar = orders_differ(from, context.layout);
  const bool to_planar = orders_differ(to, context.layout);
  if (!from_planar && !to_planar) return std::make_unique<CopyOperator>(std::move(to));
  return std::make_unique<LogicalReshapeOperator>(from, std::move(to), from_planar, to_planar);
}

// A target that follows from sizes is known before the run.
Result<Shape> read_target(const BuildContext& context) {
  constexpr std::size_t kMaxAxes = 16;
  const bool is_there = context.inputs[1].values != nullptr;
  const std::size_t axes = is_there ? count_of(context.inputs[1].dims) : 0;
  if (!is_there || axes > kMaxAxes)
    return fail(ErrorKind::Unsupported, "its target shape is computed");
  Shape target;
  for (std::size_t a = 0; a < axes; ++a) {
    const float size = context.inputs[1].values[a];
    if (!(size >= -1.0F && size <= static_cast<float>(1 << 24)))
      return fail(ErrorKind::Malformed, "a computed target shape has the size {}", size);
    target.push_back(static_cast<std::int64_t>(size));
  }
  return target;
}

/// The target with the sizes that it takes over from the input's logical shape.
Result<Shape> keep_sizes(const Reshape& op, const Shape& from) {
  Shape target = op.target;
  for (std::size_t a = 0; op.zero_keeps && a < target.size(); ++a) {
    if (target[a] != 0) continue;
    if (a >= from.size())
      return fail(ErrorKind::Malformed, "reshape of {} keeps axis {}", to_string(from), a);
    target[a] = from[a];
  }
  return target;
}

Result<Shape> resolve_target(const Shape& target, std::int64_t count) {
  Shape resolved = target;
  std::int64_t known = 1;
  std::int64_t open = 0;
  for (const std::int64_t size : target) {
    if (size == -1) {
      ++open;
      continue;
    }
    const auto product = checked_multiply(known, size);
    if (!product) return fail(ErrorKind::Malformed, "reshape to {}", to_string(target));
    known = *product;
  }
  if (open > 1 || (open == 1 ? known == 0 || count % known != 0 : known != count)) {
    return fail(ErrorKind::Malformed, "reshape of {} values to {}", count, to_string(target));
  }
  std::replace(resolved.begin(), resolved.end(), std::int64_t{-1}, known == 0 ? 0 : count / known);
  return resolved;
}

}  // namespace

OperatorResult make_reshape(const Reshape& op, const BuildContext& context) {
  const Shape& from = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(Shape wanted, keep_sizes(op, logical_shape(from, context.layout)));
  // A second input holds a target that the network computes.
  if (context.inputs.size() > 1) {
    VP_ASSIGN_OR_RETURN(wanted, read_target(context));
  }
  VP_ASSIGN_OR_RETURN(const Shape target,
                      resolve_target(wanted, static_cast<std::int64_t>(count_of(from))));
  return reshape_logical(target, context);
}

OperatorResult make_squeeze(const Squeeze& op, const BuildContext& context) {
  const Shape from = logical_shape(context.inputs[0].dims, context.layout);
  std::vector<bool> dropped(from.size(), false);
  for (const int axis : op.axes) {
    const int at = axis < 0 ? axis + static_cast<int>(from.size()) : axis;
    if (at < 0 || at >= static_cast<int>(from.size()) || from[static_cast<std::size_t>(at)] != 1) {
      return fail(ErrorKind::Malformed, "axis {} of {} is not of size 1", axis, to_string(from));
    }
    dropped[static_cast<std::size_t>(at)] = true;
  }
  Shape target;
  for (std::size_t a = 0; a < from.size(); ++a) {
    const bool drops = op.axes.empty() ? from[a] == 1 : dropped[a];
    if (!drops) target.push_back(from[a]);
  }
  return reshape_logical(target, context);
}

OperatorResult make_expand_dims(const ExpandDims& op, const BuildContext& context) {
  const Shape from = logical_shape(context.inputs[0].dims, context.layout);
  const std::size_t rank = from.size() + op.axes.size();
  Shape target(rank, 0);
  for (const int axis : op.axes) {
    const int at = axis < 0 ? axis + static_cast<int>(rank) : axis;
    if (at < 0 || at >= static_cast<int>(rank))
      return fail(ErrorKind::Malformed, "axis {} of {}", axis, rank);
    target[static_cast<std::size_t>(at)] = 1;
  }
  std::size_t next = 0;
  for (std::int64_t& size : target) {
    if (size != 0) continue;
    if (next == from.size()) return fail(ErrorKind::Malformed, "an axis is expanded twice");
    size = from[next++];
  }
  return reshape_logical(target, context);
}

OperatorResult make_transpose(const Transpose& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  const std::size_t rank = in.size();
  std::vector<bool> seen(rank, false);
  std::vector<int> physical(rank, 0);
  if (op.permutation.size() != rank) {
    return fail(ErrorKind::Malformed, "permutation of {} axes for {}", op.permutation.size(),
                to_string(in));
  }
  for (std::size_t a = 0; a < rank; ++a) {
    VP_ASSIGN_OR_RETURN(const int to, physical_axis(static_cast<int>(a), rank, context.layout));
    VP_ASSIGN_OR_RETURN(const int from, physical_axis(op.permutation[a], rank, context.layout));
    if (seen[static_cast<std::size_t>(from)])
      return fail(ErrorKind::Malformed, "an axis is permuted twice");
    seen[static_cast<std::size_t>(from)] = true;
    physical[static_cast<std::size_t>(to)] = from;
  }
  return std::make_unique<TransposeOperator>(in, physical);
}

}  // namespace visionpress
