#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"
#include "lower/strided_slice.h"

namespace visionpress::graphdef {
namespace {

using Sizes = std::vector<std::int64_t>;
constexpr std::size_t kMostParts = 4096;  // of a split; no real network has more
constexpr std::int64_t kOpenEnd = std::numeric_limits<std::int64_t>::max();

/// Clamps the bounds to the known sizes.
void settle_slice(Slice& slice, const Shape& from) {
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    const std::int64_t size = from[axis];
    if (size < 0) continue;
    const auto place = [size](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
    };
    slice.begin[axis] = place(slice.begin[axis]);
    slice.end[axis] = std::max(place(slice.end[axis]), slice.begin[axis]);
  }
}

Result<void> lower_slice(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const auto begin, node.find_integers(1));
  if (!begin) return node.refuse_computed(1, "its bounds are computed");
  VP_ASSIGN_OR_RETURN(const auto size, node.find_integers(2));
  if (!size) return node.refuse_computed(2, "its bounds are computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const Shape& from = *x.shape;
  if (begin->size() != from.size() || size->size() != from.size()) {
    return malformed(node, fmt::format("{} begins and {} sizes for {}", begin->size(), size->size(),
                                       to_string(from)));
  }
  Slice slice;
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    const std::int64_t first = (*begin)[axis];
    const std::int64_t wanted = (*size)[axis];
    const bool fits = first >= 0 && first <= kLargestSize && wanted >= -1 &&
                      wanted <= kLargestSize &&
                      (from[axis] < 0 || first + std::max<std::int64_t>(wanted, 0) <= from[axis]);
    if (!fits) {
      return malformed(node, fmt::format("it takes {} elements from {} of axis {} of {}", wanted,
                                         first, axis, to_string(from)));
    }
    slice.begin.push_back(first);
    slice.end.push_back(wanted == -1 ? kOpenEnd : first + wanted);
    slice.stride.push_back(1);
  }
  settle_slice(slice, from);
  return node.finish(std::move(slice), {&x}, x.dtype);
}

Result<SliceMasks> read_masks(const GraphNode& node) {
  SliceMasks masks;
  VP_ASSIGN_OR_RETURN(masks.begin, read_int_attr(node, "begin_mask"));
  VP_ASSIGN_OR_RETURN(masks.end, read_int_attr(node, "end_mask"));
  VP_ASSIGN_OR_RETURN(masks.ellipsis, read_int_attr(node, "ellipsis_mask"));
  VP_ASSIGN_OR_RETURN(masks.new_axis, read_int_attr(node, "new_axis_mask"));
  VP_ASSIGN_OR_RETURN(masks.shrink, read_int_attr(node, "shrink_axis_mask"));
  return masks;
}

Result<void> check_shrunk(NodeLowering& node, const Slice& slice, const Shape& from) {
  for (const int number : slice.squeeze_axes) {
    const auto axis = static_cast<std::size_t>(number);
    const std::int64_t at = slice.begin[axis];
    if (from[axis] < 0 || (at >= -from[axis] && at < from[axis])) continue;
    return malformed(node, fmt::format("element {} of axis {} of {}", at, axis, to_string(from)));
  }
  return {};
}

Result<void> lower_strided_slice(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(4, 4));
  StridedBounds bounds;
  for (std::size_t i = 0; i < 3; ++i) {
    VP_ASSIGN_OR_RETURN(auto values, node.find_integers(i + 1));
    if (!values) return node.refuse_computed(i + 1, "its bounds are computed");
    (i == 0 ? bounds.begin : i == 1 ? bounds.end : bounds.stride) = std::move(*values);
  }
  if (!node.input(0).shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(bounds.masks, read_masks(node.node()));
  auto plan = plan_strided_slice(bounds, node.input(0).shape->size());
  if (!plan) return malformed(node, plan.error().message);
  VP_RETURN_IF_ERROR(check_shrunk(node, plan->slice, *node.input(0).shape));
  Value x = node.input(0);
  if (!plan->reverse.axes.empty()) {
    VP_ASSIGN_OR_RETURN(x, node.apply(std::move(plan->reverse), {&node.input(0)}, x.dtype));
  }
  settle_slice(plan->slice, *x.shape);
  if (plan->new_axes.axes.empty()) return node.finish(std::move(plan->slice), {&x}, x.dtype);
  VP_ASSIGN_OR_RETURN(Value sliced, node.apply(std::move(plan->slice), {&x}, x.dtype));
  return node.finish(std::move(plan->new_axes), {&sliced}, sliced.dtype);
}

/// Splits x along an axis, one part per output.
Result<void> take_parts(NodeLowering& node, Value& x, std::size_t axis, const Sizes& sizes) {
  std::int64_t at = 0;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    Slice slice;
    slice.begin.assign(x.shape->size(), 0);
    slice.end.assign(x.shape->size(), kOpenEnd);
    slice.stride.assign(x.shape->size(), 1);
    slice.begin[axis] = at;
    slice.end[axis] = at += sizes[k];
    settle_slice(slice, *x.shape);
    VP_ASSIGN_OR_RETURN(Value part, node.apply(std::move(slice), {&x}, x.dtype));
    node.set_output(k, std::move(part));
  }
  return {};
}

/// The sizes of the parts along the axis, from the operator's shape rule.
Result<Sizes> part_sizes(const NodeLowering& node, const Split& op, Value& x, std::size_t count) {
  VP_ASSIGN_OR_RETURN(const auto parts, node.infer(op, {&x}, count));
  Sizes sizes;
  for (const auto& part : parts) sizes.push_back((*part)[static_cast<std::size_t>(op.axis)]);
  return sizes;
}

/// Reads the number of outputs. errors: Malformed above kMostParts.
Result<std::size_t> read_count(NodeLowering& node, const char* name) {
  VP_ASSIGN_OR_RETURN(const std::int64_t count, read_int_attr(node.node(), name));
  if (count >= 1 && count <= static_cast<std::int64_t>(kMostParts))
    return static_cast<std::size_t>(count);
  return malformed(node,
                   fmt::format("attribute \"{}\" is {}, expected 1..{}", name, count, kMostParts));
}

Result<void> lower_split(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const std::size_t count, read_count(node, "num_split"));
  VP_ASSIGN_OR_RETURN(const auto wanted, node.find_integer(0));
  if (!wanted) return node.refuse_computed(0, "its axis is computed");
  Value& x = node.input(1);
  if (!x.shape) return node.refuse_computed(1, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(*wanted, x.shape->size()));
  const Split op = {checked, {}};
  VP_ASSIGN_OR_RETURN(const Sizes sizes, part_sizes(node, op, x, count));
  if (count == 1) return node.forward(x);
  if (node.is_constant(1) && sizes[0] >= 0)
    return take_parts(node, x, static_cast<std::size_t>(checked), sizes);
  VP_ASSIGN_OR_RETURN(std::vector<Value> parts,
                      node.apply_many(op, {&x}, std::vector<DataType>(count, x.dtype)));
  for (std::size_t k = 0; k < count; ++k) node.set_output(k, std::move(parts[k]));
  return {};
}

/// A Split node with parts of these sizes along the axis. Equal parts need no list of sizes.
Result<void> add_split(NodeLowering& node, Value& x, std::size_t axis, const Sizes& sizes) {
  const bool is_even = std::ranges::adjacent_find(sizes, std::not_equal_to<>()) == sizes.end();
  Split op = {static_cast<int>(axis), is_even && (*x.shape)[axis] >= 0 ? Sizes() : sizes};
  VP_ASSIGN_OR_RETURN(
      std::vector<Value> parts,
      node.apply_many(std::move(op), {&x}, std::vector<DataType>(sizes.size(), x.dtype)));
  for (std::size_t k = 0; k < parts.size(); ++k) node.set_output(k, std::move(parts[k]));
  return {};
}

Result<void> lower_split_v(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const auto wanted_sizes, node.find_integers(1));
  if (!wanted_sizes) return node.refuse_computed(1, "the sizes of its parts are computed");
  VP_ASSIGN_OR_RETURN(const auto wanted, node.find_integer(2));
  if (!wanted) return node.refuse_computed(2, "its axis is computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(*wanted, x.shape->size()));
  const auto axis = static_cast<std::size_t>(checked);
  if (wanted_sizes->empty() || wanted_sizes->size() > kMostParts) {
    return malformed(node, fmt::format("parts of {} along axis {} of {}", to_string(*wanted_sizes),
                                       axis, to_string(*x.shape)));
  }
  const Split op = {checked, *wanted_sizes};
  VP_ASSIGN_OR_RETURN(const Sizes sizes, part_sizes(node, op, x, wanted_sizes->size()));
  if (sizes.size() == 1) return node.forward(x);
  // Nothing reads an empty part, but a Split node would have to write it, so take the parts one by
  // one.
  const bool has_empty = std::ranges::find(sizes, 0) != sizes.end();
  if (has_empty || node.is_constant(0)) return take_parts(node, x, axis, sizes);
  return add_split(node, x, axis, sizes);
}

/// Lowers to a Split and, for each part, the removal of the axis.
Result<void> lower_unpack(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::size_t count, read_count(node, "num"));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, read_int_attr(node.node(), "axis"));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(wanted, x.shape->size()));
  const auto axis = static_cast<std::size_t>(checked);
  if ((*x.shape)[axis] >= 0 && (*x.shape)[axis] != static_cast<std::int64_t>(count)) {
    return malformed(node,
                     fmt::format("{} outputs for axis {} of {}", count, axis, to_string(*x.shape)));
  }
  std::vector<Value> parts;
  if (count == 1) {
    parts.push_back(x);
  } else if (node.is_constant(0)) {
    VP_RETURN_IF_ERROR(take_parts(node, x, axis, Sizes(count, 1)));
    parts = node.lowering().values[node.index()];
  } else {
    VP_ASSIGN_OR_RETURN(
        parts, node.apply_many(Split{checked, {}}, {&x}, std::vector<DataType>(count, x.dtype)));
  }
  for (std::size_t k = 0; k < count; ++k) {
    VP_ASSIGN_OR_RETURN(Value part, node.apply(Squeeze{{checked}}, {&parts[k]}, x.dtype));
    node.set_output(k, std::move(part));
  }
  return {};
}

constexpr std::array kSliceRows = std::to_array<OperatorRow>({
    {"Slice", lower_slice},
    {"StridedSlice", lower_strided_slice},
    {"Split", lower_split},
    {"SplitV", lower_split_v},
    {"Unpack", lower_unpack},
});

}  // namespace

std::span<const OperatorRow> slice_rows() { return kSliceRows; }

}  // namespace visionpress::graphdef
