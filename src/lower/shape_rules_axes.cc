// Axes that are joined, cut, padded, repeated, moved, added or dropped; values stay what they are.

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "lower/axis_order.h"
#include "lower/shape_rules_parts.h"
#include "lower/window.h"

namespace visionpress::shape_rules {
namespace {

tl::unexpected<Error> open_rank() {
  return fail(ErrorKind::Unsupported,
              "the number of axes of its result depends on sizes known only in the run");
}

/// The target with its -1 resolved. count: elements of the input; nothing where sizes are open.
Result<Shape> resolve_target(Shape target, const Shape& from, std::optional<std::int64_t> count) {
  const auto wrong = [&] {
    return count
               ? fail(ErrorKind::Malformed, "reshape of {} values to {}", *count, to_string(target))
               : fail(ErrorKind::Malformed, "reshape of {} to {}", to_string(from),
                      to_string(target));
  };
  std::int64_t known = 1;
  for (const std::int64_t size : target) {
    if (size == -1) continue;
    const auto product = checked_multiply(known, size);
    if (!product) return fail(ErrorKind::Malformed, "reshape to {}", to_string(target));
    known = *product;
  }
  const auto open = std::count(target.begin(), target.end(), -1);
  if (open > 1) return wrong();
  if (!count) return target;
  if (open == 1 ? known == 0 || *count % known != 0 : known != *count) return wrong();
  std::replace(target.begin(), target.end(), std::int64_t{-1}, known == 0 ? 0 : *count / known);
  return target;
}

/// A target that the network computes, if its values are known before the run.
Result<Shape> read_target(const RuleInput& input) {
  if (!input.values || input.values->size() > kMostAxes)
    return fail(ErrorKind::Unsupported, "its target shape is computed");
  return *input.values;
}

/// Sizes of the parts of an axis of `whole` elements. errors: Malformed where they do not add up to
/// it.
Result<std::vector<std::int64_t>> part_sizes(const Split& op, std::int64_t whole,
                                             std::size_t parts) {
  const auto count = static_cast<std::int64_t>(parts);
  if (op.sizes.empty()) {
    if (count == 0 || (whole >= 0 && whole % count != 0))
      return fail(ErrorKind::Malformed, "{} elements do not split into {}", whole, count);
    return std::vector<std::int64_t>(parts, whole < 0 ? -1 : whole / count);
  }
  std::vector<std::int64_t> sizes = op.sizes;
  const auto open = std::ranges::find(sizes, -1);
  std::int64_t left = whole;
  bool fits = sizes.size() == parts;
  for (const std::int64_t size : op.sizes) {
    if (size == -1) continue;
    fits = fits && size >= 0 && (whole < 0 || size <= left);
    if (fits && whole >= 0) left -= size;
  }
  if (whole >= 0 && open != sizes.end()) {
    *open = left;
    left = 0;
  }
  const auto still_open = std::ranges::count(sizes, -1);
  if (!fits || (whole >= 0 && (left != 0 || still_open > 0)) || still_open > 1) {
    return fail(ErrorKind::Malformed, "{} elements do not split into {}", whole,
                to_string(op.sizes));
  }
  return sizes;
}

/// Elements that a slice takes from an axis of `size`; -1 where `size` is open.
std::int64_t slice_length(const Slice& op, std::size_t axis, std::int64_t size) {
  if (size < 0) return -1;
  return slice_span(op.begin[axis], op.end[axis], op.stride[axis], size).count;
}

/// errors: Malformed unless there is one amount per axis.
Result<void> check_amounts(const std::vector<std::int64_t>& amounts, std::size_t rank,
                           const char* what) {
  if (amounts.size() == rank) return {};
  return fail(ErrorKind::Malformed, "{} of {} axes for a tensor with {}", what, amounts.size(),
              rank);
}

}  // namespace

bool merge_size(std::int64_t& size, std::int64_t other) {
  if (size < 0) size = other;
  return other < 0 || other == size;
}

Shapes infer(const Concat& op, const RuleContext& context) {
  Shape out = context.inputs[0].shape;
  VP_ASSIGN_OR_RETURN(const int number, resolve_axis(op.axis, out.size()));
  const auto axis = static_cast<std::size_t>(number);
  for (const RuleInput& input : context.inputs.subspan(1)) {
    const Shape& other = input.shape;
    bool fits = other.size() == out.size();
    for (std::size_t a = 0; fits && a < out.size(); ++a) {
      if (a != axis) {
        fits = merge_size(out[a], other[a]);
      } else if (out[a] >= 0) {
        const auto sum = checked_add(out[a], std::max<std::int64_t>(other[a], 0));
        fits = sum.has_value();
        out[a] = other[a] < 0 ? -1 : sum.value_or(0);
      }
    }
    if (!fits) {
      return fail(ErrorKind::Malformed, "{} does not join {} along axis {}", to_string(other),
                  to_string(context.inputs[0].shape), axis);
    }
  }
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Reshape& op, const RuleContext& context) {
  const Shape& from = context.inputs[0].shape;
  if (context.inputs.size() > 1) {
    VP_ASSIGN_OR_RETURN(const Shape target, read_target(context.inputs[1]));
    VP_ASSIGN_OR_RETURN(Shape out, resolve_target(target, from, element_count(from)));
    return std::vector<Shape>{std::move(out)};
  }
  // An open size that the target keeps is taken out on both sides; the other sizes must match the
  // rest.
  Shape rest = from;
  Shape target = op.target;
  std::vector<std::size_t> kept_open;
  for (std::size_t a = 0; op.zero_keeps && a < target.size(); ++a) {
    if (target[a] != 0) continue;
    if (a >= from.size())
      return fail(ErrorKind::Malformed, "reshape of {} keeps axis {}", to_string(from), a);
    target[a] = from[a];
    if (from[a] >= 0) continue;
    kept_open.push_back(a);
    target[a] = rest[a] = 1;
  }
  VP_ASSIGN_OR_RETURN(Shape out, resolve_target(std::move(target), from, element_count(rest)));
  for (const std::size_t a : kept_open) out[a] = -1;
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Squeeze& op, const RuleContext& context) {
  const Shape& from = context.inputs[0].shape;
  std::vector<bool> dropped(from.size(), false);
  for (const int axis : op.axes) {
    const int at = axis < 0 ? axis + static_cast<int>(from.size()) : axis;
    const bool is_one =
        at >= 0 && at < static_cast<int>(from.size()) &&
        (from[static_cast<std::size_t>(at)] == 1 || from[static_cast<std::size_t>(at)] < 0);
    if (!is_one)
      return fail(ErrorKind::Malformed, "axis {} of {} is not of size 1", axis, to_string(from));
    dropped[static_cast<std::size_t>(at)] = true;
  }
  if (op.axes.empty() && is_open(from)) return open_rank();
  Shape out;
  for (std::size_t a = 0; a < from.size(); ++a) {
    const bool drops = op.axes.empty() ? from[a] == 1 : dropped[a];
    if (!drops) out.push_back(from[a]);
  }
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const ExpandDims& op, const RuleContext& context) {
  const Shape& from = context.inputs[0].shape;
  const std::size_t rank = from.size() + op.axes.size();
  std::vector<bool> added(rank, false);
  for (const int axis : op.axes) {
    const int at = axis < 0 ? axis + static_cast<int>(rank) : axis;
    if (at < 0 || at >= static_cast<int>(rank))
      return fail(ErrorKind::Malformed, "axis {} of {}", axis, rank);
    if (added[static_cast<std::size_t>(at)])
      return fail(ErrorKind::Malformed, "an axis is expanded twice");
    added[static_cast<std::size_t>(at)] = true;
  }
  Shape out;
  auto next = from.begin();
  for (const bool is_new : added) out.push_back(is_new ? 1 : *next++);
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Transpose& op, const RuleContext& context) {
  const Shape& in = context.inputs[0].shape;
  if (op.permutation.size() != in.size()) {
    return fail(ErrorKind::Malformed, "permutation of {} axes for {}", op.permutation.size(),
                to_string(in));
  }
  std::vector<bool> seen(in.size(), false);
  Shape out;
  for (const int axis : op.permutation) {
    VP_ASSIGN_OR_RETURN(const int from, resolve_axis(axis, in.size()));
    const auto at = static_cast<std::size_t>(from);
    if (seen[at]) return fail(ErrorKind::Malformed, "an axis is permuted twice");
    seen[at] = true;
    out.push_back(in[at]);
  }
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Pad& op, const RuleContext& context) {
  Shape out = context.inputs[0].shape;
  VP_RETURN_IF_ERROR(check_amounts(op.before, out.size(), "padding"));
  VP_RETURN_IF_ERROR(check_amounts(op.after, out.size(), "padding"));
  for (std::size_t a = 0; a < out.size(); ++a) {
    const std::int64_t size = out[a];
    const bool is_known = size >= 0;
    const std::int64_t reach = op.mode == PadMode::Reflect ? size - 1 : size;
    const bool mirrors = op.mode == PadMode::Reflect || op.mode == PadMode::Symmetric;
    const bool fits = op.before[a] >= 0 && op.after[a] >= 0 && op.before[a] <= kMostPixels &&
                      op.after[a] <= kMostPixels &&
                      (!mirrors || !is_known || std::max(op.before[a], op.after[a]) <= reach) &&
                      (size != 0 || context.may_be_empty);
    if (!fits) {
      return fail(ErrorKind::Malformed, "padding {} and {} of {} elements", op.before[a],
                  op.after[a], size);
    }
    if (!is_known) continue;
    const auto sum = checked_add(size, op.before[a] + op.after[a]);
    if (!sum) return fail(ErrorKind::Malformed, "padded shape {}", to_string(out));
    out[a] = *sum;
  }
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Slice& op, const RuleContext& context) {
  const Shape& in = context.inputs[0].shape;
  VP_RETURN_IF_ERROR(check_amounts(op.begin, in.size(), "begin"));
  VP_RETURN_IF_ERROR(check_amounts(op.end, in.size(), "end"));
  VP_RETURN_IF_ERROR(check_amounts(op.stride, in.size(), "stride"));
  Shape out;
  for (std::size_t a = 0; a < in.size(); ++a) {
    const std::int64_t length = op.stride[a] > 0 ? slice_length(op, a, in[a]) : 0;
    if (op.stride[a] <= 0 || (length == 0 && !context.may_be_empty)) {
      return fail(ErrorKind::Malformed, "slice [{}:{}:{}] of {} elements", op.begin[a], op.end[a],
                  op.stride[a], in[a]);
    }
    const bool drops = std::find(op.squeeze_axes.begin(), op.squeeze_axes.end(),
                                 static_cast<int>(a)) != op.squeeze_axes.end();
    if (!drops) out.push_back(length);
  }
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Split& op, const RuleContext& context) {
  const Shape& in = context.inputs[0].shape;
  VP_ASSIGN_OR_RETURN(const int axis, resolve_axis(op.axis, in.size()));
  const auto at = static_cast<std::size_t>(axis);
  VP_ASSIGN_OR_RETURN(const auto sizes, part_sizes(op, in[at], context.output_count));
  std::vector<Shape> parts(sizes.size(), in);
  for (std::size_t k = 0; k < parts.size(); ++k) parts[k][at] = sizes[k];
  return parts;
}

Shapes infer(const Reduce& op, const RuleContext& context) {
  const Shape& in = context.inputs[0].shape;
  std::vector<bool> reduced(in.size(), op.axes.empty());
  for (const int axis : op.axes) {
    VP_ASSIGN_OR_RETURN(const int at, resolve_axis(axis, in.size()));
    reduced[static_cast<std::size_t>(at)] = true;
  }
  const bool finds = op.kind == ReduceKind::ArgMax || op.kind == ReduceKind::ArgMin;
  if (finds && std::count(reduced.begin(), reduced.end(), true) != 1)
    return fail(ErrorKind::Unsupported, "the index of an extreme over several axes");
  Shape out;
  for (std::size_t a = 0; a < in.size(); ++a) {
    if (!reduced[a]) out.push_back(in[a]);
    if (reduced[a] && op.keep_dims) out.push_back(1);
  }
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Tile& op, const RuleContext& context) {
  const Shape& in = context.inputs[0].shape;
  if (op.multiples.size() != in.size()) {
    return fail(ErrorKind::Malformed, "{} multiples for {}", op.multiples.size(), to_string(in));
  }
  Shape out = in;
  for (std::size_t a = 0; a < in.size(); ++a) {
    const bool stays_open = in[a] < 0 && op.multiples[a] > 0;
    const auto size = stays_open
                          ? std::optional<std::int64_t>(-1)
                          : checked_multiply(std::max<std::int64_t>(in[a], 0), op.multiples[a]);
    if (!size) {
      return fail(ErrorKind::Malformed, "{} repeated {} times", to_string(in),
                  to_string(op.multiples));
    }
    out[a] = *size;
  }
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const ShapeOf& /*op*/, const RuleContext& context) {
  return std::vector<Shape>{{std::ssize(context.inputs[0].shape)}};
}

}  // namespace visionpress::shape_rules
