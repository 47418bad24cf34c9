#pragma once

// From a node's Op to its operator, or only to the sizes of its results.

#include <vector>

#include "run/operator.h"

namespace visionpress {

/// Whether an operator reads its inputs after the first as parameters, while it is built; else
/// every input is a value of the run.
[[nodiscard]] bool takes_parameters(const Op& op);

/// Whether it packs a kernel when it is built.
[[nodiscard]] bool has_kernel(const Op& op);

/// Calls the builder in ops/, for a convolution without an epilogue. errors: the builder's.
[[nodiscard]] OperatorResult make_operator(const Op& op, const BuildContext& context);

/// Sizes of the results in physical order; -1 where only a run knows them, be it because the
/// operator counts (Where) or because an input has a size of -1. Decodes no kernel. errors: as
/// make_operator.
[[nodiscard]] Result<std::vector<Shape>> operator_dims(const Op& op, const BuildContext& context);

/// Whether a size is -1.
[[nodiscard]] bool is_open(const Shape& dims);

}  // namespace visionpress
