#include "lower/shape_rules.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "lower/axis_order.h"
#include "lower/shape_rules_parts.h"

namespace visionpress {
namespace shape_rules {
namespace {

// The rule of operators with parameters per channel. errors: Malformed for a tensor without
// channels.
Shapes infer_per_channel(const RuleContext& context) {
  const Shape& x = context.inputs[0].shape;
  const Shape physical = physical_shape(x, context.layout);
  if (physical.empty() || physical.back() == 0)
    return fail(ErrorKind::Malformed, "input {} has no channels", to_string(x));
  return std::vector<Shape>{x};
}

}  // namespace

Result<void> expect_inputs(const RuleContext& context, std::size_t count) {
  if (context.inputs.size() == count) return {};
  return fail(ErrorKind::Malformed, "it has {} inputs, not {}", context.inputs.size(), count);
}

Shapes infer(const Unsupported& op, const RuleContext& /*context*/) {
  return fail(ErrorKind::Unsupported, "{}", op.why);
}

Shapes infer(const Identity& /*op*/, const RuleContext& context) {
  return std::vector<Shape>{context.inputs[0].shape};
}

Shapes infer(const Requantize& /*op*/, const RuleContext& context) {
  return std::vector<Shape>{context.inputs[0].shape};
}

Shapes infer(const CodedFunction& /*op*/, const RuleContext& context) {
  return std::vector<Shape>{context.inputs[0].shape};
}

Shapes infer(const Unary& /*op*/, const RuleContext& context) {
  return std::vector<Shape>{context.inputs[0].shape};
}

Shapes infer(const Binary& /*op*/, const RuleContext& context) {
  if (context.inputs.size() < 2)
    return fail(ErrorKind::Malformed, "one input where two are needed");
  Shape out = context.inputs[0].shape;
  for (const RuleInput& input : context.inputs.subspan(1)) {
    VP_ASSIGN_OR_RETURN(out, broadcast_shapes(out, input.shape));
  }
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Prelu& /*op*/, const RuleContext& context) {
  if (context.inputs.size() < 2) return fail(ErrorKind::Malformed, "PReLU needs its slopes");
  return infer_per_channel(context);
}

Shapes infer(const BatchNorm& /*op*/, const RuleContext& context) {
  if (context.inputs.size() < 5) return fail(ErrorKind::Malformed, "batch norm needs four vectors");
  return infer_per_channel(context);
}

Shapes infer(const InstanceNorm& /*op*/, const RuleContext& context) {
  if (context.inputs.size() < 3)
    return fail(ErrorKind::Malformed, "instance norm needs gamma and beta");
  return infer_per_channel(context);
}

Shapes infer(const LocalResponseNorm& op, const RuleContext& context) {
  const Shape& x = context.inputs[0].shape;
  VP_RETURN_IF_ERROR(resolve_axis(op.axis, x.size()));
  if (op.radius < 0)
    return fail(ErrorKind::Malformed, "a radius of {} channels, expected 0 or more", op.radius);
  return std::vector<Shape>{x};
}

Shapes infer(const Softmax& op, const RuleContext& context) {
  const Shape& x = context.inputs[0].shape;
  VP_RETURN_IF_ERROR(resolve_axis(op.axis, x.size()));
  return std::vector<Shape>{x};
}

Shapes infer(const Reverse& op, const RuleContext& context) {
  const Shape& x = context.inputs[0].shape;
  for (const int axis : op.axes) VP_RETURN_IF_ERROR(resolve_axis(axis, x.size()));
  return std::vector<Shape>{x};
}

Shapes infer(const CumulativeSum& op, const RuleContext& context) {
  const Shape& x = context.inputs[0].shape;
  VP_RETURN_IF_ERROR(resolve_axis(op.axis, x.size()));
  return std::vector<Shape>{x};
}

Shapes infer(const Select& /*op*/, const RuleContext& context) {
  VP_RETURN_IF_ERROR(expect_inputs(context, 3));
  VP_ASSIGN_OR_RETURN(Shape out,
                      broadcast_shapes(context.inputs[1].shape, context.inputs[2].shape));
  VP_ASSIGN_OR_RETURN(out, broadcast_shapes(context.inputs[0].shape, out));
  return std::vector<Shape>{std::move(out)};
}

}  // namespace shape_rules

Result<Shape> broadcast_shapes(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t p = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t q = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (p != q && p != 1 && q != 1 && p >= 0 && q >= 0) {
      return fail(ErrorKind::Malformed, "shapes {} and {} do not combine", to_string(a),
                  to_string(b));
    }
    // A size of 0 stays. An open size opposite a size other than 1 can only be that size or 1.
    out[out.size() - 1 - i] = p == 1 || (p < 0 && q != 1) ? q : p;
  }
  return out;
}

Result<std::vector<Shape>> infer_results(const Op& op, const RuleContext& context) {
  if (context.inputs.empty() && !std::holds_alternative<Unsupported>(op))
    return fail(ErrorKind::Malformed, "it has no input");
  VP_ASSIGN_OR_RETURN(
      std::vector<Shape> results,
      std::visit([&context](const auto& known) { return shape_rules::infer(known, context); }, op));
  for (const Shape& shape : results) {
    if (!is_open(shape) && !element_count(shape))
      return fail(ErrorKind::Malformed, "result of shape {}", to_string(shape));
  }
  return results;
}

}  // namespace visionpress
