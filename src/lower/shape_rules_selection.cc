// Results that are picked from the input. Where the values decide the count, it is open.

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "lower/axis_order.h"
#include "lower/shape_rules_parts.h"

namespace visionpress::shape_rules {
namespace {

template <typename Sizes>
auto& at(Sizes& sizes, int axis) {
  return sizes[static_cast<std::size_t>(axis)];
}

/// Whether the shapes agree where neither size is open.
bool agree(const Shape& a, const Shape& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](std::int64_t p, std::int64_t q) { return p < 0 || q < 0 || p == q; });
}

}  // namespace

Shapes infer(const Gather& op, const RuleContext& context) {
  VP_RETURN_IF_ERROR(expect_inputs(context, 2));
  const Shape& x = context.inputs[0].shape;
  const Shape& indices = context.inputs[1].shape;
  VP_ASSIGN_OR_RETURN(const int axis, resolve_axis(op.axis, x.size()));
  const int batch = op.batch_axes;
  bool fits = batch >= 0 && batch <= axis && batch <= std::ssize(indices);
  Shape out(x.begin(), x.begin() + axis);
  for (int a = 0; fits && a < batch; ++a) fits = merge_size(at(out, a), at(indices, a));
  if (!fits) {
    return fail(ErrorKind::Malformed, "indices of shape {} into {} with {} axes of batches",
                to_string(indices), to_string(x), batch);
  }
  out.insert(out.end(), indices.begin() + batch, indices.end());
  out.insert(out.end(), x.begin() + axis + 1, x.end());
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const GatherNd& /*op*/, const RuleContext& context) {
  VP_RETURN_IF_ERROR(expect_inputs(context, 2));
  const Shape& x = context.inputs[0].shape;
  const Shape& indices = context.inputs[1].shape;
  if (indices.empty() || indices.back() > std::ssize(x)) {
    return fail(ErrorKind::Malformed, "indices of shape {} into {}", to_string(indices),
                to_string(x));
  }
  if (indices.back() < 0) {
    return fail(ErrorKind::Unsupported,
                "the number of axes of its result depends on sizes known only in the run");
  }
  Shape out(indices.begin(), indices.end() - 1);
  out.insert(out.end(), x.begin() + indices.back(), x.end());
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const GatherElements& op, const RuleContext& context) {
  VP_RETURN_IF_ERROR(expect_inputs(context, 2));
  const Shape& x = context.inputs[0].shape;
  const Shape& indices = context.inputs[1].shape;
  VP_ASSIGN_OR_RETURN(const int axis, resolve_axis(op.axis, x.size()));
  bool fits = indices.size() == x.size();
  for (std::size_t a = 0; fits && a < x.size(); ++a)
    fits = static_cast<int>(a) == axis || x[a] < 0 || indices[a] <= x[a];
  if (fits) return std::vector<Shape>{indices};
  return fail(ErrorKind::Malformed, "indices of shape {} into {} along axis {}", to_string(indices),
              to_string(x), axis);
}

Shapes infer(const ScatterNd& /*op*/, const RuleContext& context) {
  VP_RETURN_IF_ERROR(expect_inputs(context, 3));
  const Shape& x = context.inputs[0].shape;
  const Shape& indices = context.inputs[1].shape;
  const Shape& updates = context.inputs[2].shape;
  bool fits = !indices.empty() && indices.back() >= 0 && indices.back() <= std::ssize(x);
  if (fits) {
    Shape wanted(indices.begin(), indices.end() - 1);
    wanted.insert(wanted.end(), x.begin() + indices.back(), x.end());
    fits = agree(wanted, updates);
  }
  if (fits) return std::vector<Shape>{x};
  return fail(ErrorKind::Malformed, "updates of shape {} at indices of shape {} into {}",
              to_string(updates), to_string(indices), to_string(x));
}

Shapes infer(const ScatterElements& op, const RuleContext& context) {
  VP_RETURN_IF_ERROR(expect_inputs(context, 3));
  const Shape& x = context.inputs[0].shape;
  const Shape& indices = context.inputs[1].shape;
  const Shape& updates = context.inputs[2].shape;
  VP_ASSIGN_OR_RETURN(const int axis, resolve_axis(op.axis, x.size()));
  bool fits = indices.size() == x.size() && agree(indices, updates);
  for (std::size_t a = 0; fits && a < x.size(); ++a)
    fits = static_cast<int>(a) == axis || x[a] < 0 || indices[a] <= x[a];
  if (fits) return std::vector<Shape>{x};
  return fail(ErrorKind::Malformed, "updates of shape {} at indices of shape {} into {}",
              to_string(updates), to_string(indices), to_string(x));
}

Shapes infer(const Where& /*op*/, const RuleContext& context) {
  return std::vector<Shape>{{-1, std::ssize(context.inputs[0].shape)}};
}

Shapes infer(const DetectionPostprocess& op, const RuleContext& context) {
  VP_RETURN_IF_ERROR(expect_inputs(context, 3));
  const Shape& boxes = context.inputs[0].shape;
  const Shape& scores = context.inputs[1].shape;
  const Shape& anchors = context.inputs[2].shape;
  const bool fits = boxes.size() == 3 && scores.size() == 3 && anchors.size() == 2 &&
                    boxes[0] == 1 && scores[0] == 1 && boxes[1] >= 1 && boxes[1] == scores[1] &&
                    boxes[1] == anchors[0] && boxes[2] >= 4 && anchors[1] == 4 &&
                    (scores[2] == op.classes || scores[2] == op.classes + 1);
  if (!fits) {
    return fail(ErrorKind::Malformed, "boxes {}, scores {} and anchors {} for {} classes",
                to_string(boxes), to_string(scores), to_string(anchors), op.classes);
  }
  const std::int64_t count = op.max_boxes * (op.per_class ? 1 : op.classes_per_box);
  return std::vector<Shape>{{1, count, 4}, {1, count}, {1, count}, {1}};
}

Shapes infer(const NonMaxSuppression& op, const RuleContext& context) {
  if (context.inputs.size() < 2)
    return fail(ErrorKind::Malformed, "it has {} inputs, not 2", context.inputs.size());
  const Shape& boxes = context.inputs[0].shape;
  const Shape& scores = context.inputs[1].shape;
  const auto differ = [](std::int64_t a, std::int64_t b) { return a >= 0 && b >= 0 && a != b; };
  if (boxes.size() != 2 || differ(boxes[1], 4) || scores.size() != 1 ||
      differ(scores[0], boxes[0])) {
    return fail(ErrorKind::Malformed, "boxes {} with scores {}", to_string(boxes),
                to_string(scores));
  }
  if (op.max_outputs < 0 || context.output_count > 3) {
    return fail(ErrorKind::Malformed, "{} boxes at most, in {} outputs", op.max_outputs,
                context.output_count);
  }
  const Shape chosen = {op.pad ? op.max_outputs : -1};
  std::vector<Shape> results = {chosen, {}, chosen};
  results.resize(std::max<std::size_t>(context.output_count, 1));
  return results;
}

Shapes infer(const TopK& op, const RuleContext& context) {
  const Shape& x = context.inputs[0].shape;
  if (x.empty() || op.k < -1 || (x.back() >= 0 && op.k > x.back()))
    return fail(ErrorKind::Malformed, "the {} largest of {}", op.k, to_string(x));
  Shape out = x;
  if (op.k >= 0) out.back() = op.k;
  return std::vector<Shape>{out, out};
}

Shapes infer(const TakeRows& /*op*/, const RuleContext& context) {
  VP_RETURN_IF_ERROR(expect_inputs(context, 2));
  const Shape& x = context.inputs[0].shape;
  const Shape& sizes = context.inputs[1].shape;
  if (x.empty() || sizes.size() != 1 || (sizes[0] >= 0 && sizes[0] != std::ssize(x)))
    return fail(ErrorKind::Malformed, "sizes of shape {} for {}", to_string(sizes), to_string(x));
  Shape out = x;
  out[0] = -1;
  return std::vector<Shape>{std::move(out)};
}

}  // namespace visionpress::shape_rules
