// Operators that change how elements are arranged, and those that ask for sizes.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

using Sizes = std::vector<std::int64_t>;

/// The axes that an input (from opset 13 or 18 on) or an attribute (before) names; nothing where
/// neither does. is_known: false where an input's values are computed.
struct NamedAxes {
  std::optional<Sizes> axes = std::nullopt;
  bool is_known = true;
};

Result<NamedAxes> read_axes(NodeLowering& node, std::size_t input) {
  NamedAxes named;
  if (node.has_input(input)) {
    named.axes = node.find_integers(input);
    named.is_known = named.axes.has_value();
    return named;
  }
  VP_ASSIGN_OR_RETURN(named.axes, node.read_ints("axes"));
  return named;
}

/// The target's sizes: -1 for the one that is inferred. Nothing where several are unknown.
std::optional<Shape> find_target(const std::vector<double>& known) {
  Shape target;
  std::size_t unknown = 0;
  for (const double v : known) {
    if (std::isnan(v)) ++unknown;
    target.push_back(std::isnan(v) ? -1 : static_cast<std::int64_t>(v));
  }
  if (unknown > 0 && std::ranges::count(target, -1) > 1) return std::nullopt;
  return target;
}

Result<void> lower_reshape(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 2));
  Value& x = node.input(0);
  VP_ASSIGN_OR_RETURN(const std::int64_t allows_zero, node.read_int("allowzero", 0));
  std::optional<Shape> target;
  if (node.has_input(1)) {
    const std::vector<double>* known = load_known(node.lowering(), node.input(1));
    if (known == nullptr) return node.refuse_computed(1, "its target shape is computed");
    for (const double v : *known) {
      if (std::isnan(v) || (v >= -1.0 && v <= static_cast<double>(kLargestSize))) continue;
      return node.malformed(fmt::format("it reshapes to a size of {}", v));
    }
    target = find_target(*known);
    if (!target) return node.refuse_computed(1, "its target shape is computed");
  } else {
    VP_ASSIGN_OR_RETURN(target, node.read_ints("shape"));
    if (!target) return node.malformed("it has no target shape");
  }
  Reshape op = {*target, allows_zero == 0};
  VP_ASSIGN_OR_RETURN(const auto shapes, node.infer(op, {&x}));
  if (shapes[0] && element_count(*shapes[0])) op = {*shapes[0], false};
  return node.finish(node.view(std::move(op), x));
}

/// Makes a matrix: the axes before `axis`, and those from it on.
Result<void> lower_flatten(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const auto rank = static_cast<std::int64_t>(x.shape->size());
  const std::int64_t at = wanted < 0 ? wanted + rank : wanted;
  if (at < 0 || at > rank) return node.malformed(fmt::format("axis {} of {}", wanted, rank));
  const auto middle = x.shape->begin() + at;
  const auto rows = element_count(Shape(x.shape->begin(), middle));
  const auto columns = element_count(Shape(middle, x.shape->end()));
  if (!rows && !columns) return node.refuse_computed(0, "its sizes are not known");
  return node.finish(node.view(Reshape{{rows.value_or(-1), columns.value_or(-1)}}, x));
}

Result<void> lower_squeeze(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 2));
  VP_ASSIGN_OR_RETURN(const NamedAxes named, read_axes(node, 1));
  if (!named.is_known) return node.refuse_computed(1, "its axes are computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const Shape& from = *x.shape;
  std::vector<bool> dropped(from.size(), false);
  const bool drops_all = !named.axes || named.axes->empty();
  if (!drops_all) {
    for (const std::int64_t axis : *named.axes) {
      VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(axis, from.size()));
      dropped[static_cast<std::size_t>(checked)] = true;
    }
  }
  Squeeze squeeze;
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    if (drops_all && from[axis] < 0) {
      return node.refuse_computed(0, "which axes it drops depends on an open size");
    }
    if (drops_all) dropped[axis] = from[axis] == 1;
    if (dropped[axis]) squeeze.axes.push_back(static_cast<int>(axis));
  }
  if (squeeze.axes.empty()) return node.forward(x);
  return node.finish(node.view(std::move(squeeze), x));
}

Result<void> lower_unsqueeze(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 2));
  VP_ASSIGN_OR_RETURN(const NamedAxes named, read_axes(node, 1));
  if (!named.axes) return node.refuse_computed(1, "its axes are computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  ExpandDims expand;
  for (const std::int64_t axis : *named.axes) {
    VP_ASSIGN_OR_RETURN(const int checked,
                        node.check_axis(axis, x.shape->size() + named.axes->size()));
    expand.axes.push_back(checked);
  }
  if (expand.axes.empty()) return node.forward(x);
  return node.finish(node.view(std::move(expand), x));
}

Result<void> lower_transpose(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(auto order, node.read_ints("perm"));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const std::size_t rank = x.shape->size();
  Transpose transpose;
  for (std::size_t a = 0; a < (order ? order->size() : rank); ++a) {
    const std::int64_t wanted =
        order ? (*order)[a] : static_cast<std::int64_t>(rank) - 1 - static_cast<std::int64_t>(a);
    VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(wanted, rank));
    transpose.permutation.push_back(checked);
  }
  return node.finish(std::move(transpose), x);
}

Result<void> lower_concat(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, std::size_t{1} << 16));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", 1));
  std::vector<Value*> operands;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    if (!node.has_input(i)) return node.malformed(fmt::format("input {} is absent", i));
    Value& value = node.input(i);
    if (!value.shape) return node.refuse_computed(i, kUnknownRank);
    // An empty constant adds nothing.
    if (value.is_constant() && element_count(*value.shape) == 0) continue;
    operands.push_back(&value);
  }
  if (operands.empty()) return node.forward(node.input(0));
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, operands[0]->shape->size()));
  if (operands.size() == 1) return node.finish(node.view(Identity{}, *operands[0]));
  return node.finish(Concat{axis}, operands, operands[0]->dtype);
}

/// start, end: attributes since opset 15.
Result<void> lower_shape_of(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const auto rank = static_cast<std::int64_t>(x.shape->size());
  VP_ASSIGN_OR_RETURN(std::int64_t start, node.read_int("start", 0));
  VP_ASSIGN_OR_RETURN(std::int64_t end, node.read_int("end", rank));
  start = std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
  end = std::clamp<std::int64_t>(end < 0 ? end + rank : end, start, rank);
  std::vector<double> sizes;
  bool is_open = false;
  for (std::int64_t a = start; a < end; ++a) {
    const std::int64_t size = (*x.shape)[static_cast<std::size_t>(a)];
    is_open = is_open || size < 0;
    sizes.push_back(size < 0 ? std::nan("") : static_cast<double>(size));
  }
  if (!is_open) return node.forward(make_known({end - start}, std::move(sizes), DataType::Int64));
  VP_ASSIGN_OR_RETURN(Value value, node.apply(ShapeOf{}, {&x}, DataType::Int64));
  if (end - start != rank) {
    Slice slice = {{start}, {end}, {1}, {}};
    VP_ASSIGN_OR_RETURN(value, node.apply(std::move(slice), value));
  }
  value.known = std::make_shared<const std::vector<double>>(std::move(sizes));
  value.needs_input_size = true;
  node.set_output(0, std::move(value));
  return {};
}

Result<void> lower_size(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  const auto count = x.shape ? element_count(*x.shape) : std::nullopt;
  if (!count) return node.refuse_computed(0, "its input's size is not known");
  return node.forward(make_known({}, {static_cast<double>(*count)}, DataType::Int64));
}

/// Gives x as many axes as the multiples, which are of the result's.
Result<Value> widen(NodeLowering& node, Value& x, std::size_t rank) {
  if (x.shape->size() >= rank) return x;
  ExpandDims expand;
  for (std::size_t axis = 0; axis < rank - x.shape->size(); ++axis)
    expand.axes.push_back(static_cast<int>(axis));
  return node.view(std::move(expand), x);
}

/// The target broadcasts with x, both ways.
Result<void> lower_expand(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  const auto target = node.find_integers(1);
  if (!target) return node.refuse_computed(1, "its target shape is computed");
  if (!node.input(0).shape) return node.refuse_computed(0, kUnknownRank);
  if (!are_sizes(*target)) return node.malformed("it repeats to " + to_string(*target));
  VP_ASSIGN_OR_RETURN(Value x, widen(node, node.input(0), target->size()));
  const std::size_t skipped = x.shape->size() - target->size();
  Tile tile;
  for (std::size_t axis = 0; axis < x.shape->size(); ++axis) {
    const std::int64_t own = (*x.shape)[axis];
    const std::int64_t wanted = axis < skipped ? 1 : (*target)[axis - skipped];
    if (own < 0 && wanted != 1) return node.refuse("it repeats axes of open sizes");
    if (own != 1 && wanted != 1 && own != wanted) {
      return node.malformed(
          fmt::format("it repeats {} to {}", to_string(*x.shape), to_string(*target)));
    }
    tile.multiples.push_back(own == 1 ? wanted : 1);
  }
  const bool changes = std::ranges::any_of(tile.multiples, [](std::int64_t n) { return n != 1; });
  if (!changes) return node.forward(x);
  return node.finish(std::move(tile), x);
}

/// In opset 1 the repeats of one axis; since opset 6 those of every axis.
Result<void> lower_tile(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 3));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  auto multiples = node.find_integers(1);
  if (!multiples) return node.refuse_computed(1, "its multiples are computed");
  if (node.has_input(2)) {
    const auto axis = node.find_integers(2);
    if (!axis || axis->size() != 1 || multiples->size() != 1)
      return node.refuse_computed(2, "its axis is computed");
    VP_ASSIGN_OR_RETURN(const int at, node.check_axis(axis->front(), x.shape->size()));
    Sizes all(x.shape->size(), 1);
    all[static_cast<std::size_t>(at)] = multiples->front();
    multiples = std::move(all);
  }
  return node.finish(Tile{*multiples}, x);
}

Result<void> lower_identity(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, std::size_t{1} << 16));
  return node.forward(node.input(0));
}

/// In a run nothing is dropped; the second output is the mask, all true.
Result<void> lower_dropout(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 3));
  Value& x = node.input(0);
  if (node.has_input(2)) {
    const auto is_training = node.find_number(2);
    const auto ratio = node.has_input(1) ? node.find_number(1) : std::optional<double>(0.5);
    const bool passes = (is_training && *is_training == 0.0) || (ratio && *ratio == 0.0);
    if (!passes) return node.refuse("it is in training mode");
  }
  VP_RETURN_IF_ERROR(node.forward(x));
  if (!node.has_output(1)) return {};
  const auto count = x.shape ? element_count(*x.shape) : std::nullopt;
  if (!count) return node.refuse("its mask is read");
  VP_RETURN_IF_ERROR(node.count_made(*count));
  node.set_output(1,
                  make_known(*x.shape, std::vector<double>(static_cast<std::size_t>(*count), 1.0),
                             DataType::Bool));
  return {};
}

constexpr std::array kShapeRows = std::to_array<OperatorRow>({
    {"Concat", lower_concat},
    {"Dropout", lower_dropout},
    {"Expand", lower_expand},
    {"Flatten", lower_flatten},
    {"Identity", lower_identity},
    {"Reshape", lower_reshape},
    {"Shape", lower_shape_of},
    {"Size", lower_size},
    {"Squeeze", lower_squeeze},
    {"Tile", lower_tile},
    {"Transpose", lower_transpose},
    {"Unsqueeze", lower_unsqueeze},
});

}  // namespace

std::span<const OperatorRow> shape_rows() { return kShapeRows; }

}  // namespace visionpress::onnx
