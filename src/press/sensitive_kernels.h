#pragma once

// The kernels that get 8 bits where the wish is for few: they hold few bytes, and their errors cost
// more than those of others.

#include <string>
#include <vector>

#include "model/form.h"
#include "model/graph.h"

namespace visionpress {

/// Why each weight is such a kernel, empty for all others: "depthwise kernel", "first layer" (no
/// kernel lies before it), "last layer" (none lies behind it).
/// returns: one entry per weight.
[[nodiscard]] std::vector<std::string> find_sensitive_kernels(const Graph& graph);

/// The form that such a kernel gets: below 6 bits, 8 bits of the same family; else `wish` itself.
[[nodiscard]] Form widen_form(const Form& wish);

}  // namespace visionpress
