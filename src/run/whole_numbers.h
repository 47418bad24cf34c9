#pragma once

// Runs hold whole numbers as float32, which is exact up to 2^24. A number that float32 cannot hold
// exactly ends the run, instead of giving a result that looks right.

#include <span>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// Whether the node's results must be checked: it computes whole numbers and does not only move
/// them.
[[nodiscard]] bool computes_whole_numbers(const Graph& graph, const Node& node);

/// Checks such a node before it is built. errors: Unsupported for an operator whose intermediate
/// sums could lose digits (a matrix product, a convolution).
[[nodiscard]] Result<void> check_whole_operator(const Graph& graph, const Node& node);

/// Checks the values that such a node wrote. errors: Unsupported, naming the value, if it is
/// outside the type's range or is 2^24 or more, where a float may stand for a neighbouring number.
[[nodiscard]] Result<void> check_whole_values(const Tensor& tensor, std::span<const float> values);

/// Checks the operands of a Binary that are added one by one in float32. errors: Unsupported if an
/// intermediate sum could reach 2^24.
[[nodiscard]] Result<void> check_whole_sum(std::span<const std::span<const float>> operands);

/// Checks a constant whose values the graph holds as floats. errors: Unsupported, naming the value,
/// for a magnitude of 2^24 or more.
[[nodiscard]] Result<void> check_whole_literal(const Tensor& tensor);

}  // namespace visionpress
