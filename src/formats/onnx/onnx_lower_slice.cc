// Operators that take parts of a tensor at known places.

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"
#include "formats/onnx/onnx_gather.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

using Sizes = std::vector<std::int64_t>;
constexpr std::int64_t kOpenEnd = std::numeric_limits<std::int64_t>::max();

/// The bounds of a slice as the node gives them: one entry for each of `axes`.
struct Bounds {
  Sizes starts = {};
  Sizes ends = {};
  Sizes axes = {};
  Sizes steps = {};
};

/// Bounds are inputs from opset 10 on, attributes before. returns: the input that is computed, if
/// one is.
Result<std::optional<std::size_t>> read_bounds(NodeLowering& node, Bounds& bounds) {
  const bool has_inputs = node.input_count() > 1;
  std::optional<std::size_t> computed;
  const auto read = [&](std::size_t input, const char* name) -> Result<std::optional<Sizes>> {
    if (!has_inputs) return node.read_ints(name);
    if (!node.has_input(input)) return std::optional<Sizes>();
    auto values = node.find_integers(input);
    if (!values) computed = input;
    return values;
  };
  VP_ASSIGN_OR_RETURN(const auto starts, read(1, "starts"));
  VP_ASSIGN_OR_RETURN(const auto ends, read(2, "ends"));
  VP_ASSIGN_OR_RETURN(const auto axes, read(3, "axes"));
  VP_ASSIGN_OR_RETURN(const auto steps, read(4, "steps"));
  if (computed) return computed;
  bounds = {starts.value_or(Sizes()), ends.value_or(Sizes()), axes.value_or(Sizes()),
            steps.value_or(Sizes())};
  if (!axes) {
    for (std::size_t a = 0; a < bounds.starts.size(); ++a)
      bounds.axes.push_back(static_cast<std::int64_t>(a));
  }
  if (!steps) bounds.steps.assign(bounds.starts.size(), 1);
  const std::size_t count = bounds.starts.size();
  const bool fits =
      bounds.ends.size() == count && bounds.axes.size() == count && bounds.steps.size() == count;
  if (!fits) {
    return node.malformed(fmt::format("{} starts, {} ends, {} axes and {} steps", count,
                                      bounds.ends.size(), bounds.axes.size(), bounds.steps.size()));
  }
  return computed;
}

/// Elements from `start` down to but not including `end`.
Sizes list_backwards(std::int64_t start, std::int64_t end, std::int64_t step, std::int64_t size) {
  const auto place = [size](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, -1, size - 1);
  };
  // An end far below zero means: down to the first element.
  const std::int64_t last = end < -size ? -1 : place(end);
  Sizes indices;
  for (std::int64_t at = place(start); at > last && at >= 0; at += step) indices.push_back(at);
  return indices;
}

/// Takes elements in descending order along one axis.
Result<Value> slice_backwards(NodeLowering& node, Value& x, std::size_t axis, const Bounds& bounds,
                              std::size_t i) {
  Value indices =
      make_indices(list_backwards(bounds.starts[i], bounds.ends[i],
                                  std::max(bounds.steps[i], -kLargestSize), (*x.shape)[axis]));
  return gather_along(node, x, indices, static_cast<int>(axis));
}

/// The axis that entry `i` of the bounds is about, once its step is known to move.
Result<std::size_t> check_bound(NodeLowering& node, const Bounds& bounds, std::size_t i,
                                std::size_t rank) {
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(bounds.axes[i], rank));
  if (bounds.steps[i] == 0) return node.malformed("a step of 0");
  return static_cast<std::size_t>(axis);
}

/// Enters bounds of ascending order into `slice`, as places within `size` where that is known.
void set_forward_range(Slice& slice, std::size_t axis, const Bounds& bounds, std::size_t i,
                       std::int64_t size) {
  slice.begin[axis] = bounds.starts[i];
  slice.end[axis] = bounds.ends[i];
  slice.stride[axis] = std::min(bounds.steps[i], kLargestSize);
  if (size < 0) return;
  const auto place = [size](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? std::max(at, -size) + size : at, 0, size);
  };
  slice.begin[axis] = place(slice.begin[axis]);
  slice.end[axis] = std::max(place(slice.end[axis]), slice.begin[axis]);
}

Result<void> lower_slice(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 5));
  Bounds bounds;
  VP_ASSIGN_OR_RETURN(const auto computed, read_bounds(node, bounds));
  if (computed) return node.refuse_computed(*computed, "its bounds are computed");
  Value x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const Shape from = *x.shape;
  Slice slice = {Sizes(from.size(), 0), Sizes(from.size(), kOpenEnd), Sizes(from.size(), 1), {}};
  bool cuts = false;
  for (std::size_t i = 0; i < bounds.starts.size(); ++i) {
    VP_ASSIGN_OR_RETURN(const std::size_t axis, check_bound(node, bounds, i, from.size()));
    if (bounds.steps[i] < 0) {
      if (from[axis] < 0) return node.refuse("it goes backwards along an open size");
      VP_ASSIGN_OR_RETURN(x, slice_backwards(node, x, axis, bounds, i));
      continue;
    }
    cuts = true;
    set_forward_range(slice, axis, bounds, i, (*x.shape)[axis]);
  }
  if (!cuts) return node.finish(std::move(x));
  return node.finish(std::move(slice), x);
}

/// The sizes of the parts: an input or attribute, or equal ones.
Result<std::optional<Sizes>> read_parts(NodeLowering& node, std::size_t outputs,
                                        std::int64_t whole) {
  if (node.has_input(1)) return node.find_integers(1);
  VP_ASSIGN_OR_RETURN(auto parts, node.read_ints("split"));
  if (parts) return parts;
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted,
                      node.read_int("num_outputs", static_cast<std::int64_t>(outputs)));
  if (wanted < 1 || wanted > (1 << 16)) {
    return node.malformed(fmt::format("num_outputs is {}", wanted));
  }
  Sizes sizes;
  const std::int64_t size = whole < 0 ? -1 : (whole + wanted - 1) / wanted;
  for (std::int64_t k = 0; k < wanted; ++k) {
    sizes.push_back(whole < 0 ? -1 : std::clamp<std::int64_t>(whole - k * size, 0, size));
  }
  return std::optional<Sizes>(std::move(sizes));
}

/// Splits a constant into constants.
Result<void> cut_constant(NodeLowering& node, Value& x, std::size_t axis, const Sizes& sizes) {
  std::int64_t at = 0;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const std::size_t rank = x.shape->size();
    Slice slice = {Sizes(rank, 0), Sizes(rank, kOpenEnd), Sizes(rank, 1), {}};
    slice.begin[axis] = at;
    slice.end[axis] = at += sizes[k];
    VP_ASSIGN_OR_RETURN(Value part, node.apply(std::move(slice), x));
    node.set_output(k, std::move(part));
  }
  return {};
}

Result<void> lower_split(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 2));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", 0));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  const std::int64_t whole = (*x.shape)[static_cast<std::size_t>(axis)];
  const std::size_t outputs = node.node().outputs.size();
  VP_ASSIGN_OR_RETURN(const auto parts, read_parts(node, outputs, whole));
  if (!parts) return node.refuse_computed(1, "the sizes of its parts are computed");
  if (parts->size() < outputs || outputs == 0) {
    return node.malformed(fmt::format("{} outputs for {} parts", outputs, parts->size()));
  }
  const bool is_open = std::ranges::find(*parts, -1) != parts->end();
  const Split op = {axis, is_open ? Sizes() : *parts};
  VP_RETURN_IF_ERROR(node.infer(op, {&x}, parts->size()));
  if (parts->size() == 1) return node.finish(node.view(Identity{}, x));
  if (x.is_constant() && !is_open)
    return cut_constant(node, x, static_cast<std::size_t>(axis), *parts);
  VP_ASSIGN_OR_RETURN(std::vector<Value> values,
                      node.apply_many(op, {&x}, std::vector<DataType>(parts->size(), x.dtype)));
  for (std::size_t k = 0; k < outputs; ++k) node.set_output(k, std::move(values[k]));
  return {};
}

constexpr std::array kSliceRows = std::to_array<OperatorRow>({
    {"Slice", lower_slice},
    {"Split", lower_split},
});

}  // namespace

std::span<const OperatorRow> slice_rows() { return kSliceRows; }

}  // namespace visionpress::onnx
