#include "run/operator_factory.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "base/error.h"
#include "lower/graph_shapes.h"
#include "lower/shape_rules.h"
#include "run/codes.h"
#include "run/ops/graph_order.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

// The target shape that Reshape reads from an input, if it is known before the run.
// errors: Malformed for a value that is not a size.
Result<std::optional<std::vector<std::int64_t>>> find_target(const InputDesc& input) {
  std::optional<std::vector<std::int64_t>> target;
  if (input.values == nullptr || is_open(input.dims) || count_of(input.dims) > kMostAxes)
    return target;
  target.emplace();
  for (std::size_t a = 0; a < count_of(input.dims); ++a) {
    const float size = input.values[a];
    if (!(size >= -1.0F && size <= static_cast<float>(1 << 24)))
      return fail(ErrorKind::Malformed, "a computed target shape has the size {}", size);
    target->push_back(static_cast<std::int64_t>(size));
  }
  return target;
}

// Whether the operator's output sizes are those of its shape rule. Sizes that the run counts are
// not compared, because the rule does not know them.
[[maybe_unused]] bool has_shapes_of(const Operator& built, const std::vector<Shape>& results) {
  return std::equal(
      built.output_dims.begin(), built.output_dims.end(), results.begin(), results.end(),
      [](const Shape& dims, const Shape& rule) { return is_open(rule) || dims == rule; });
}

}  // namespace

OperatorResult build_operator(const Unsupported& op, const BuildContext& /*context*/) {
  return fail(ErrorKind::Unsupported, "{}", op.why);
}

bool has_kernel(const Op& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<FullyConnected>(op);
}

OperatorResult make_operator(const Op& op, const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const std::vector<Shape> results, operator_dims(op, context));
  BuildContext with_results = context;
  with_results.results = results;
  const auto build = [&op](const BuildContext& shapes) {
    return std::visit([&](const auto& known) { return build_operator(known, shapes); }, op);
  };
  if (works_on_codes(context)) {
    VP_ASSIGN_OR_RETURN(auto coded, make_integer_operator(op, with_results));
    assert(has_shapes_of(*coded, results));
    return coded;
  }
  if (context.layout == Layout::ChannelsFirst && needs_graph_order(op)) {
    const GraphOrder order = in_graph_order(with_results);
    BuildContext logical = with_results;
    logical.layout = Layout::ChannelsLast;
    logical.inputs = order.inputs;
    logical.results = order.results;
    VP_ASSIGN_OR_RETURN(auto built, build(logical));
    return wrap_graph_order(std::move(built), with_results);
  }
  VP_ASSIGN_OR_RETURN(auto built, build(with_results));
  assert(has_shapes_of(*built, results));
  return built;
}

Result<std::vector<Shape>> operator_dims(const Op& op, const BuildContext& context) {
  std::vector<RuleInput> inputs;
  for (std::size_t i = 0; i < context.inputs.size(); ++i) {
    const InputDesc& input = context.inputs[i];
    RuleInput known;
    known.is_constant = input.tensor != nullptr && input.tensor->is_constant();
    if (i > 0 && takes_parameters(op)) {
      if (input.tensor != nullptr) known.shape = input.tensor->shape;
    } else {
      known.shape = logical_shape(input.dims, context.layout);
    }
    if (i == 1 && std::holds_alternative<Reshape>(op)) {
      VP_ASSIGN_OR_RETURN(known.values, find_target(input));
    }
    inputs.push_back(std::move(known));
  }
  VP_ASSIGN_OR_RETURN(
      std::vector<Shape> results,
      infer_results(op, {inputs, context.output_count, context.layout, context.may_be_empty}));
  for (Shape& shape : results) shape = physical_shape(shape, context.layout);
  return results;
}

}  // namespace visionpress
