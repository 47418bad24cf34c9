#pragma once

// The shape rules: the sizes of an operator's results from those of its inputs, one rule per
// operator of model/ops.h. Readers, conversion passes and the runner all ask here.
//
// A size of -1 is known only in a run. A rule passes it on and never invents a size: it says one
// where every value that the open size may take gives that one or no result at all.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// What is known of one input before a run.
struct RuleInput {
  Shape shape = {};  ///< in the graph's layout; of a kernel as it is stored
  bool is_constant = false;
  /// Its elements, where they are whole numbers and known. Reshape reads its target from them.
  std::optional<std::vector<std::int64_t>> values = std::nullopt;
};

struct RuleContext {
  std::span<const RuleInput> inputs = {};
  std::size_t output_count = 1;  ///< results that the node has; Split and NonMaxSuppression ask
  Layout layout = Layout::ChannelsLast;
  /// A size of 0 is nothing found in a run or an empty constant on the way; else a Slice that
  /// leaves nothing is a fault of the file.
  bool may_be_empty = false;
};

/// Elements of a target shape that Reshape reads from its second input: no tensor has more axes.
inline constexpr std::size_t kMostAxes = 16;

/// One shape per result, in the graph's layout. errors: Malformed for shapes that do not fit;
/// Unsupported where the number of axes depends on an open size, and for Unsupported nodes.
/// cost: looks at sizes alone.
[[nodiscard]] Result<std::vector<Shape>> infer_results(const Op& op, const RuleContext& context);

/// NumPy's rule for operands of different shapes, aligned from the right. An open size beside one
/// of 2 or more is that one. errors: Malformed when they do not combine.
[[nodiscard]] Result<Shape> broadcast_shapes(const Shape& a, const Shape& b);

}  // namespace visionpress
