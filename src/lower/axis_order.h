#pragma once

// Axes by their number and by what they are: which one is the image's height, which the channels.

#include <cstddef>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// An axis as a count from the outermost. axis: negative counts from the innermost.
/// errors: Malformed when it lies outside `rank` axes.
[[nodiscard]] Result<int> resolve_axis(int axis, std::size_t rank);

/// The sizes of a tensor of four axes in the order N,H,W,C; those of any other rank as they are.
/// The runner keeps values in this order, whatever the graph's layout.
[[nodiscard]] Shape physical_shape(const Shape& logical, Layout layout);
/// The way back: in the order of the graph's layout.
[[nodiscard]] Shape logical_shape(const Shape& physical, Layout layout);

/// Whether a size is -1: known only in a run.
[[nodiscard]] bool is_open(const Shape& shape);

}  // namespace visionpress
