#pragma once

// Axes by number and by meaning: which axis is the image's height, which holds the channels.

#include <cstddef>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// The axis counted from the outermost. axis: a negative one counts from the innermost.
/// errors: Malformed when it lies outside `rank` axes.
[[nodiscard]] Result<int> resolve_axis(int axis, std::size_t rank);

/// The elements that a slice takes from one axis.
struct SliceSpan {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};
/// begin, end: negative ones count from the end; both are clamped to the axis.  stride: positive.
/// size: of the axis, known.
[[nodiscard]] SliceSpan slice_span(std::int64_t begin, std::int64_t end, std::int64_t stride,
                                   std::int64_t size);

/// The sizes of a tensor of four axes in the order N,H,W,C; other ranks stay as they are. The
/// runner keeps values in this order, whatever the graph's layout.
[[nodiscard]] Shape physical_shape(const Shape& logical, Layout layout);
/// The inverse: the sizes in the order of the graph's layout.
[[nodiscard]] Shape logical_shape(const Shape& physical, Layout layout);

/// Whether any size is -1, known only in a run.
[[nodiscard]] bool is_open(const Shape& shape);

}  // namespace visionpress
