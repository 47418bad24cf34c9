// Gather and GatherNd, whose indices are computed during the run.

#include <cstring>
#include <utility>

#include "base/error.h"
#include "run/operator.h"

namespace visionpress {
namespace {

// Converts an index value to a position in 0..size-1. errors: Malformed if it is outside.
Result<std::size_t> find_position(float index, std::size_t size) {
  // The negated comparison also rejects NaN.
  if (!(index >= 0.0F && index < static_cast<float>(size))) {
    return fail(ErrorKind::Malformed, "index {} is outside 0..{}", index,
                static_cast<std::int64_t>(size) - 1);
  }
  return static_cast<std::size_t>(index);
}

std::size_t product(Shape::const_iterator begin, Shape::const_iterator end) {
  return count_of(Shape(begin, end));
}

// Refuses tensors whose physical order differs from the logical order in which indices count.
Result<void> check_order(const Shape& physical, Layout layout) {
  if (!orders_differ(physical, layout)) return {};
  return fail(ErrorKind::Unsupported, "it picks elements of {}, an image of a channels-first graph",
              to_string(logical_shape(physical, layout)));
}

class GatherOperator final : public Operator {
 public:
  /// x: sizes of the input; axis: counted from the outermost.
  GatherOperator(const Shape& x, std::size_t axis, const Shape& indices, Shape out) {
    const auto at = x.begin() + static_cast<std::ptrdiff_t>(axis);
    outer_ = product(x.begin(), at);
    size_ = static_cast<std::size_t>(*at);
    inner_ = product(at + 1, x.end());
    count_ = count_of(indices);
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    float* y = context.outputs[0];
    for (std::size_t o = 0; o < outer_; ++o) {
      for (std::size_t i = 0; i < count_; ++i, y += inner_) {
        const auto at = find_position(context.inputs[1][i], size_);
        if (!at) {
          context.report->status = tl::unexpected<Error>(at.error());
          return;
        }
        std::memcpy(y, context.inputs[0] + (o * size_ + *at) * inner_, inner_ * sizeof(float));
      }
    }
  }

 private:
  std::size_t outer_ = 1;
  std::size_t size_ = 1;
  std::size_t inner_ = 1;
  std::size_t count_ = 1;
};

class GatherNdOperator final : public Operator {
 public:
  /// Each of `rows` rows of indices names one position on each axis of `indexed`.
  GatherNdOperator(Shape indexed, std::size_t rows, std::size_t inner, Shape out)
      : indexed_(std::move(indexed)), rows_(rows), inner_(inner) {
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    const float* index = context.inputs[1];
    for (std::size_t row = 0; row < rows_; ++row) {
      std::size_t from = 0;
      for (const std::int64_t size : indexed_) {
        const auto at = find_position(*index++, static_cast<std::size_t>(size));
        if (!at) {
          context.report->status = tl::unexpected<Error>(at.error());
          return;
        }
        from = from * static_cast<std::size_t>(size) + *at;
      }
      std::memcpy(context.outputs[0] + row * inner_, context.inputs[0] + from * inner_,
                  inner_ * sizeof(float));
    }
  }

 private:
  Shape indexed_;
  std::size_t rows_;
  std::size_t inner_;
};

}  // namespace

OperatorResult build_operator(const Gather& op, const BuildContext& context) {
  for (const Shape& dims : {context.inputs[0].dims, context.inputs[1].dims, context.results[0]})
    VP_RETURN_IF_ERROR(check_order(dims, context.layout));
  const Shape x = logical_shape(context.inputs[0].dims, context.layout);
  VP_ASSIGN_OR_RETURN(const int axis, resolve_axis(op.axis, x.size()));
  return std::make_unique<GatherOperator>(x, static_cast<std::size_t>(axis), context.inputs[1].dims,
                                          context.results[0]);
}

OperatorResult build_operator(const GatherNd& /*op*/, const BuildContext& context) {
  for (const Shape& dims : {context.inputs[0].dims, context.inputs[1].dims, context.results[0]})
    VP_RETURN_IF_ERROR(check_order(dims, context.layout));
  const Shape x = logical_shape(context.inputs[0].dims, context.layout);
  const Shape indices = logical_shape(context.inputs[1].dims, context.layout);
  const auto indexed = x.begin() + indices.back();
  return std::make_unique<GatherNdOperator>(Shape(x.begin(), indexed),
                                            product(indices.begin(), indices.end() - 1),
                                            product(indexed, x.end()), context.results[0]);
}

}  // namespace visionpress
