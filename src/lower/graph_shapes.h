#pragma once

// Sizes of every tensor of a graph, by the shape rules.

#include <vector>

#include "lower/shape_rules.h"
#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// Whether an operator reads its inputs after the first as parameters, while it is built; else
/// every input is a value of the run.
[[nodiscard]] bool takes_parameters(const Op& op);

/// A constant's shape as its readers see it. rank: the most axes of their other operands. In a
/// channels-first graph a constant beside a tensor of four axes has as many.
[[nodiscard]] Shape constant_shape(const Shape& stored, Layout layout, std::size_t rank);

/// Puts the node's path and type before the message.
[[nodiscard]] tl::unexpected<Error> in_node(const Node& node, Error error);

/// errors: Malformed unless a node of `found` outputs has as many as its operator gives results.
[[nodiscard]] Result<void> check_output_count(std::size_t found, std::size_t results);

/// input_shape: of the graph's one input, in its layout; sizes may be -1 where they are not known.
/// returns: by TensorId, in the graph's layout; -1 where a size is known only in a run. Constants
/// have their own shapes. errors: Unsupported for a node that cannot be run, Malformed for shapes
/// that do not fit, with the node's path. cost: decodes no kernel and no constant.
[[nodiscard]] Result<std::vector<Shape>> infer_shapes(const Graph& graph, const Shape& input_shape);

}  // namespace visionpress
