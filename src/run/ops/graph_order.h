#pragma once

// Runs an operator on tensors in the graph's own order, where a run holds them as N,H,W,C.

#include "run/operator.h"

namespace visionpress {

/// Whether the operator picks elements by their places, which it counts in the graph's order.
[[nodiscard]] bool needs_graph_order(const Op& op);

/// Shapes of the operands and results in the graph's order, for the builder of such an operator.
struct GraphOrder {
  std::vector<InputDesc> inputs = {};
  std::vector<Shape> results = {};
};
[[nodiscard]] GraphOrder in_graph_order(const BuildContext& context);

/// An operator that was built for these shapes, between copies of its operands and results from and
/// to the order of the run. physical: of the operands and results, as the run holds them.
[[nodiscard]] std::unique_ptr<Operator> wrap_graph_order(std::unique_ptr<Operator> built,
                                                         const BuildContext& physical);

}  // namespace visionpress
