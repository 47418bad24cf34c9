#include "run/ops/graph_order.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

class GraphOrderOperator final : public Operator {
 public:
  GraphOrderOperator(std::unique_ptr<Operator> built, const BuildContext& context)
      : built_(std::move(built)) {
    counted_outputs = built_->counted_outputs;
    for (const Shape& dims : built_->output_dims)
      output_dims.push_back(physical_shape(dims, context.layout));
    scratch_bytes = align_up(built_->scratch_bytes);
    for (const InputDesc& input : context.inputs) operands_.push_back(place(input.dims));
    for (const Shape& dims : output_dims) results_.push_back(place(dims));
  }

  void run(const RunContext& context) const override {
    std::vector<const float*> inputs(context.inputs.begin(), context.inputs.end());
    for (std::size_t i = 0; i < operands_.size(); ++i) {
      if (!operands_[i].is_copied) continue;
      auto* copy = view_as<float>(context.scratch + operands_[i].offset);
      swap_layout(operands_[i].dims, inputs[i], copy, true);
      inputs[i] = copy;
    }
    std::vector<float*> outputs(context.outputs.begin(), context.outputs.end());
    for (std::size_t i = 0; i < results_.size(); ++i)
      if (results_[i].is_copied) outputs[i] = view_as<float>(context.scratch + results_[i].offset);
    RunContext inner = context;
    inner.inputs = inputs;
    inner.outputs = outputs;
    built_->run(inner);
    if (!context.report->status) return;
    for (std::size_t i = 0; i < results_.size(); ++i) {
      if (results_[i].is_copied)
        swap_layout(results_[i].dims, outputs[i], context.outputs[i], false);
    }
  }

 private:
  /// An operand or result, and where its copy in the graph's order is in the scratch memory.
  struct Copy {
    Shape dims = {};  ///< as the run holds it
    bool is_copied = false;
    std::size_t offset = 0;
  };

  Copy place(const Shape& dims) {
    Copy copy = {dims, orders_differ(dims, Layout::ChannelsFirst), scratch_bytes};
    if (copy.is_copied) scratch_bytes += align_up(count_of(dims) * sizeof(float));
    return copy;
  }

  std::unique_ptr<Operator> built_;
  std::vector<Copy> operands_ = {};
  std::vector<Copy> results_ = {};
};

}  // namespace

bool needs_graph_order(const Op& op) {
  return std::holds_alternative<Gather>(op) || std::holds_alternative<GatherNd>(op) ||
         std::holds_alternative<GatherElements>(op) || std::holds_alternative<ScatterNd>(op) ||
         std::holds_alternative<ScatterElements>(op) || std::holds_alternative<Where>(op) ||
         std::holds_alternative<TopK>(op) || std::holds_alternative<BatchMatMul>(op);
}

GraphOrder in_graph_order(const BuildContext& context) {
  GraphOrder order = {{context.inputs.begin(), context.inputs.end()},
                      {context.results.begin(), context.results.end()}};
  for (InputDesc& input : order.inputs) input.dims = logical_shape(input.dims, context.layout);
  for (Shape& dims : order.results) dims = logical_shape(dims, context.layout);
  return order;
}

std::unique_ptr<Operator> wrap_graph_order(std::unique_ptr<Operator> built,
                                           const BuildContext& physical) {
  return std::make_unique<GraphOrderOperator>(std::move(built), physical);
}

}  // namespace visionpress
