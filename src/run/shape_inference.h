#pragma once

// Sizes of every tensor of a graph, without planning a run.

#include <vector>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// input_shape: of the graph's one input, in its layout; sizes may be -1 where they are not known.
/// returns: by TensorId, in the graph's layout; -1 where a size is known only in a run. Constants
/// have their own shapes. errors: Unsupported for a node that cannot be run, Malformed for shapes
/// that do not fit, with the node's path. cost: decodes no kernel and no constant.
[[nodiscard]] Result<std::vector<Shape>> infer_shapes(const Graph& graph, const Shape& input_shape);

}  // namespace visionpress
