#pragma once

// The rules one by one, only for infer_results: an operator without a rule does not link.

#include <cstdint>

#include "lower/shape_rules.h"

namespace visionpress::shape_rules {

using Shapes = Result<std::vector<Shape>>;

/// errors: Malformed unless the operator has exactly `count` inputs.
[[nodiscard]] Result<void> expect_inputs(const RuleContext& context, std::size_t count);

/// Merges the sizes of an axis that two operands share; an open size takes the value of the other.
/// returns: whether they agree.
[[nodiscard]] bool merge_size(std::int64_t& size, std::int64_t other);

// The rule of each operator. shape_rules.cc: results shaped as the input, or as the operands
// together. shape_rules_spatial.cc: windows, products, pixels. shape_rules_axes.cc: axes that are
// joined, cut, moved or dropped. shape_rules_selection.cc: elements that are picked.
#define VP_DECLARE_RULE(Name) \
  [[nodiscard]] Shapes infer(const Name& op, const RuleContext& context);
VP_DECLARE_RULE(Unsupported)
VP_EACH_OPERATOR(VP_DECLARE_RULE)
#undef VP_DECLARE_RULE

}  // namespace visionpress::shape_rules
