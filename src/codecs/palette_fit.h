#pragma once

// The best table for values of one dimension: exact k-means, without a random start.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace visionpress {

/// Equal or nearly equal values: their sum of weights, and of weight * value.
struct PalettePoint {
  double weight = 0.0;
  double sum = 0.0;
};

/// More points have no place in the search's table of 16-bit indices.
inline constexpr std::size_t kMostPalettePoints = 0xffff;

/// Divides points into `count` runs such that sum of weight * (value - mean of its run)^2 is the
/// least of all divisions. For each point, value is sum / weight.
/// points: by ascending value, with positive weights; at least `count`, at most kMostPalettePoints.
/// returns: the end of each run, ascending. The result does not depend on the threads.
/// cost: O(count * n log n) time, 2 * count * n bytes.
/// source: the runs of an optimal division begin no earlier for a longer prefix, and no earlier for
/// more runs (Wu, "Optimal quantization by matrix searching", 1991); so a row of the dynamic
/// program is filled by divide and conquer between bounds.
[[nodiscard]] std::vector<std::size_t> divide_points(std::span<const PalettePoint> points,
                                                     std::size_t count, int threads);

}  // namespace visionpress
