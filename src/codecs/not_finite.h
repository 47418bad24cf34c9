#pragma once

// Weights that hold NaN or infinity: a network with one gives NaN for every picture whose values
// reach it.

#include <cstddef>
#include <string>

#include "model/graph.h"

namespace visionpress {

struct NotFiniteCount {
  std::size_t nan = 0;
  std::size_t infinite = 0;
};

/// Counts in stored floats; for codes, in their scales, offsets and table entries.
/// cost: one read of the payload.
[[nodiscard]] NotFiniteCount count_not_finite(const WeightRef& stored, int threads = 1);

/// "2 NaN, 1 infinite"; empty where all are finite.
[[nodiscard]] std::string describe(const NotFiniteCount& count);

/// One line that names the weights of a graph which hold NaN or infinity, the first few with their
/// counts; empty where all are finite.
[[nodiscard]] std::string describe_not_finite(const Graph& graph);

}  // namespace visionpress
