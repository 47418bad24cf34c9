#pragma once

// Builds a node's operator, or computes only the sizes of its results.

#include <vector>

#include "run/operator.h"

namespace visionpress {

/// Whether building the operator packs a kernel.
[[nodiscard]] bool has_kernel(const Op& op);

/// Calls the operator's shape rule, then its builder in ops/. A convolution gets no epilogue.
/// errors: those of both.
[[nodiscard]] OperatorResult make_operator(const Op& op, const BuildContext& context);

/// Sizes of the results by the operator's shape rule, in physical order. -1: known only during a
/// run, because the operator counts (Where) or an input has a size of -1. Decodes no kernel.
/// errors: those of infer_results; Malformed for a computed target shape that is not a shape.
[[nodiscard]] Result<std::vector<Shape>> operator_dims(const Op& op, const BuildContext& context);

}  // namespace visionpress
