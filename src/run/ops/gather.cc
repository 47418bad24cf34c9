// Gather, GatherNd and GatherElements, whose indices are computed during the run.

#include <cstring>
#include <utility>

#include "lower/axis_order.h"
#include "run/operator.h"
#include "run/ops/indices.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

std::size_t product(Shape::const_iterator begin, Shape::const_iterator end) {
  return count_of(Shape(begin, end));
}

class GatherOperator final : public Operator {
 public:
  /// x: sizes of the input; axis: counted from the outermost.
  GatherOperator(const Gather& op, const Shape& x, std::size_t axis, const Shape& indices,
                 Shape out)
      : counts_back_(op.counts_back) {
    const auto at = x.begin() + static_cast<std::ptrdiff_t>(axis);
    batches_ = product(x.begin(), x.begin() + op.batch_axes);
    outer_ = product(x.begin() + op.batch_axes, at);
    size_ = static_cast<std::size_t>(*at);
    inner_ = product(at + 1, x.end());
    count_ = product(indices.begin() + op.batch_axes, indices.end());
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    float* y = context.outputs[0];
    for (std::size_t o = 0; o < batches_ * outer_; ++o) {
      const float* index = context.inputs[1] + o / outer_ * count_;
      for (std::size_t i = 0; i < count_; ++i, y += inner_) {
        const auto at = find_position(index[i], size_, counts_back_);
        if (!at) {
          context.report->status = tl::unexpected<Error>(at.error());
          return;
        }
        std::memcpy(y, context.inputs[0] + (o * size_ + *at) * inner_, inner_ * sizeof(float));
      }
    }
  }

 private:
  bool counts_back_;
  std::size_t batches_ = 1;
  std::size_t outer_ = 1;
  std::size_t size_ = 1;
  std::size_t inner_ = 1;
  std::size_t count_ = 1;
};

class GatherNdOperator final : public Operator {
 public:
  GatherNdOperator(IndexRows rows, Shape out) : rows_(std::move(rows)) {
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    context.report->status =
        rows_.visit(context.inputs[1], [&](std::size_t row, std::size_t place) {
          std::memcpy(context.outputs[0] + row * rows_.inner, context.inputs[0] + place,
                      rows_.inner * sizeof(float));
        });
  }

 private:
  IndexRows rows_;
};

class GatherElementsOperator final : public Operator {
 public:
  GatherElementsOperator(IndexAlongAxis places, Shape out) : places_(std::move(places)) {
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    context.report->status =
        places_.visit(context.inputs[1], [&](std::size_t at, std::size_t place) {
          context.outputs[0][at] = context.inputs[0][place];
        });
  }

 private:
  IndexAlongAxis places_;
};

}  // namespace

OperatorResult build_operator(const Gather& op, const BuildContext& context) {
  const Shape& x = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const int axis, resolve_axis(op.axis, x.size()));
  return std::make_unique<GatherOperator>(op, x, static_cast<std::size_t>(axis),
                                          context.inputs[1].dims, context.results[0]);
}

OperatorResult build_operator(const GatherNd& op, const BuildContext& context) {
  return std::make_unique<GatherNdOperator>(
      index_rows(context.inputs[0].dims, context.inputs[1].dims, op.counts_back),
      context.results[0]);
}

OperatorResult build_operator(const GatherElements& op, const BuildContext& context) {
  const Shape& x = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const int axis, resolve_axis(op.axis, x.size()));
  return std::make_unique<GatherElementsOperator>(
      IndexAlongAxis{x, context.inputs[1].dims, static_cast<std::size_t>(axis), op.counts_back},
      context.results[0]);
}

}  // namespace visionpress
