#pragma once

// Infers the sizes of every tensor of a graph with the shape rules.

#include <vector>

#include "lower/shape_rules.h"
#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// Whether an operator reads its inputs after the first as parameters when it is built. Otherwise
/// every input is a value of the run.
[[nodiscard]] bool takes_parameters(const Op& op);

/// A constant's shape as the nodes that read it see it. rank: the most axes of their other
/// operands. In a channels-first graph, a constant next to a tensor of four axes gets four axes
/// too.
[[nodiscard]] Shape constant_shape(const Shape& stored, Layout layout, std::size_t rank);

/// Puts the node's path and type before the message.
[[nodiscard]] tl::unexpected<Error> in_node(const Node& node, Error error);

/// errors: Malformed unless `found`, the outputs of a node, equals `results`, the results of its
/// operator.
[[nodiscard]] Result<void> check_output_count(std::size_t found, std::size_t results);

/// Infers the shape of every tensor. input_shape: of the graph's one input, in the graph's layout;
/// unknown sizes are -1. returns: by TensorId, in the graph's layout; -1 where a size is known only
/// in a run. Constants have their own shapes. errors: Unsupported for a node that cannot be run,
/// Malformed for shapes that do not fit, with the node's path. cost: decodes neither kernels nor
/// constants.
[[nodiscard]] Result<std::vector<Shape>> infer_shapes(const Graph& graph, const Shape& input_shape);

}  // namespace visionpress
