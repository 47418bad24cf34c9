#pragma once

// From a node's Op to its operator, or only to the sizes of its results.

#include <vector>

#include "run/operator.h"

namespace visionpress {

/// Whether it packs a kernel when it is built.
[[nodiscard]] bool has_kernel(const Op& op);

/// Asks the shape rule, then the builder in ops/; a convolution gets no epilogue. errors: of both.
[[nodiscard]] OperatorResult make_operator(const Op& op, const BuildContext& context);

/// Sizes of the results in physical order by the operator's shape rule; -1 where only a run knows
/// them, be it because the operator counts (Where) or because an input has a size of -1. Decodes no
/// kernel. errors: of infer_results; Malformed for a computed target shape that is none.
[[nodiscard]] Result<std::vector<Shape>> operator_dims(const Op& op, const BuildContext& context);

}  // namespace visionpress
