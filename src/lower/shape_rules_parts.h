#pragma once

// The rules one by one, only for infer_results: an operator without a rule does not compile.

#include "lower/shape_rules.h"

namespace visionpress::shape_rules {

using Shapes = Result<std::vector<Shape>>;

/// errors: Malformed unless the operator has exactly `count` inputs.
[[nodiscard]] Result<void> expect_inputs(const RuleContext& context, std::size_t count);

// shape_rules.cc: results shaped as the input, or as the operands together.
[[nodiscard]] Shapes infer(const Unsupported& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Identity& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Unary& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Binary& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Prelu& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const BatchNorm& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const InstanceNorm& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Softmax& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Select& op, const RuleContext& context);

// shape_rules_spatial.cc: windows, products, pixels.
[[nodiscard]] Shapes infer(const Conv2d& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const FullyConnected& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const BatchMatMul& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Pool2d& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Resize& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const SpaceDepth& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const SpaceBatch& op, const RuleContext& context);

// shape_rules_axes.cc: axes that are joined, cut, moved or dropped.
[[nodiscard]] Shapes infer(const Concat& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Reshape& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Squeeze& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const ExpandDims& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Transpose& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Pad& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Slice& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Split& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Reduce& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Tile& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const ShapeOf& op, const RuleContext& context);

// shape_rules_selection.cc: elements that are picked.
[[nodiscard]] Shapes infer(const Gather& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const GatherNd& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const Where& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const NonMaxSuppression& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const TopK& op, const RuleContext& context);
[[nodiscard]] Shapes infer(const TakeRows& op, const RuleContext& context);

}  // namespace visionpress::shape_rules
