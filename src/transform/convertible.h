#pragma once

// Checks before any pass runs whether a graph can be converted at all.

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// errors: Unsupported with every operator of the graph that cannot be converted, in one message.
[[nodiscard]] Result<void> check_convertible(const Graph& graph);

/// The shape of the graph's one input with every size known; an open batch becomes 1.
/// is_image_wanted: the user gave a width and height, which reading the file has put in.
/// errors: Usage for sizes that are still open and for an image size given to another input;
/// Unsupported for an input that holds nothing.
[[nodiscard]] Result<Shape> choose_input_shape(const Graph& graph, bool is_image_wanted);

}  // namespace visionpress
