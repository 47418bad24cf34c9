#pragma once

// Whole numbers travel as float32, which holds each up to 2^24. What a run cannot hold exactly ends
// the run instead of giving a number that looks right.

#include <span>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// Whether results of the node have to be checked: it computes with whole numbers, rather than
/// moving them.
[[nodiscard]] bool computes_whole_numbers(const Graph& graph, const Node& node);

/// For such a node, before it is built. errors: Unsupported for an operator whose sums could lose
/// digits on the way (a matrix product, a convolution).
[[nodiscard]] Result<void> check_whole_operator(const Graph& graph, const Node& node);

/// What a tensor of whole numbers holds, written by such a node. errors: Unsupported, naming the
/// value, beyond the type or from 2^24 on, where a float may stand for a neighbour.
[[nodiscard]] Result<void> check_whole_values(const Tensor& tensor, std::span<const float> values);

/// Operands of a Binary that are added up one by one in float32. errors: Unsupported where a sum on
/// the way could reach 2^24.
[[nodiscard]] Result<void> check_whole_sum(std::span<const std::span<const float>> operands);

/// A constant that is made of floats. errors: Unsupported, naming the value, as above.
[[nodiscard]] Result<void> check_whole_literal(const Tensor& tensor);

}  // namespace visionpress
