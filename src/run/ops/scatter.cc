// ScatterNd and ScatterElements: a copy of a tensor with updates at places that the run computes.

#include <algorithm>
#include <utility>

#include "lower/axis_order.h"
#include "run/operator.h"
#include "run/ops/indices.h"

namespace visionpress {
namespace {

float combine(ScatterKind kind, float x, float update) {
  switch (kind) {
    case ScatterKind::Update:
      return update;
    case ScatterKind::Add:
      return x + update;
    case ScatterKind::Subtract:
      return x - update;
    case ScatterKind::Multiply:
      return x * update;
    case ScatterKind::Divide:
      return x / update;
    case ScatterKind::Maximum:
      return std::max(x, update);
    case ScatterKind::Minimum:
      return std::min(x, update);
  }
  return update;
}

class ScatterNdOperator final : public Operator {
 public:
  ScatterNdOperator(ScatterKind kind, IndexRows rows, Shape out)
      : kind_(kind), rows_(std::move(rows)) {
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    std::copy_n(context.inputs[0], count_of(output_dims[0]), context.outputs[0]);
    context.report->status =
        rows_.visit(context.inputs[1], [&](std::size_t row, std::size_t place) {
          const float* updates = context.inputs[2] + row * rows_.inner;
          float* y = context.outputs[0] + place;
          for (std::size_t i = 0; i < rows_.inner; ++i) y[i] = combine(kind_, y[i], updates[i]);
        });
  }

 private:
  ScatterKind kind_;
  IndexRows rows_;
};

class ScatterElementsOperator final : public Operator {
 public:
  ScatterElementsOperator(ScatterKind kind, IndexAlongAxis places, Shape out)
      : kind_(kind), places_(std::move(places)) {
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    std::copy_n(context.inputs[0], count_of(output_dims[0]), context.outputs[0]);
    context.report->status =
        places_.visit(context.inputs[1], [&](std::size_t at, std::size_t place) {
          float& y = context.outputs[0][place];
          y = combine(kind_, y, context.inputs[2][at]);
        });
  }

 private:
  ScatterKind kind_;
  IndexAlongAxis places_;
};

}  // namespace

OperatorResult build_operator(const ScatterNd& op, const BuildContext& context) {
  return std::make_unique<ScatterNdOperator>(
      op.kind, index_rows(context.inputs[0].dims, context.inputs[1].dims, op.counts_back),
      context.results[0]);
}

OperatorResult build_operator(const ScatterElements& op, const BuildContext& context) {
  const Shape& x = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const int axis, resolve_axis(op.axis, x.size()));
  return std::make_unique<ScatterElementsOperator>(
      op.kind,
      IndexAlongAxis{x, context.inputs[1].dims, static_cast<std::size_t>(axis), op.counts_back},
      context.results[0]);
}

}  // namespace visionpress
