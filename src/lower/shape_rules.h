#pragma once

// The shape rules give the sizes of an operator's results from those of its inputs, one rule per
// operator of model/ops.h. Readers, conversion passes and the runner all use them.
//
// A size of -1 is known only in a run. A rule passes it on and never invents a size: it gives a
// size only if every value of the open size leads to that size or to no result at all.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// Facts about one input that are known before a run.
struct RuleInput {
  Shape shape = {};  ///< in the graph's layout; for a kernel, as stored
  bool is_constant = false;
  /// The input's elements, where they are known whole numbers. Reshape reads its target from them.
  std::optional<std::vector<std::int64_t>> values = std::nullopt;
};

struct RuleContext {
  std::span<const RuleInput> inputs = {};
  std::size_t output_count = 1;  ///< results of the node; Split and NonMaxSuppression need it
  Layout layout = Layout::ChannelsLast;
  /// true: a size of 0 is valid, for a run that found nothing or an empty constant. false: a Slice
  /// that leaves nothing is a fault of the file.
  bool may_be_empty = false;
};

/// Most elements of a target shape that Reshape reads from its second input: no tensor has more
/// axes.
inline constexpr std::size_t kMostAxes = 16;

/// returns: one shape per result, in the graph's layout. errors: Malformed for shapes that do not
/// fit; Unsupported where the number of axes depends on an open size, and for nodes of type
/// Unsupported.
/// cost: reads sizes only.
[[nodiscard]] Result<std::vector<Shape>> infer_results(const Op& op, const RuleContext& context);

/// NumPy's rule for operands of different shapes, aligned from the right. An open size opposite a
/// size of 2 or more gives that size. errors: Malformed when the shapes do not combine.
[[nodiscard]] Result<Shape> broadcast_shapes(const Shape& a, const Shape& b);

}  // namespace visionpress
