#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"

namespace visionpress::graphdef {
namespace {

/// The most values of a constant made by Fill, OnesLike, ZerosLike or Range: 32 MiB, more than the
/// grid of boxes of any detector.
constexpr std::int64_t kMostFilled = std::int64_t{1} << 22;

/// Gives the same elements another shape; a constant of the file stays a constant.
Result<void> finish_view(NodeLowering& node, Op op, Value& x) {
  VP_ASSIGN_OR_RETURN(auto shapes, node.infer(op, {&x}));
  if (!x.stored || !shapes[0] || !element_count(*shapes[0]))
    return node.finish(std::move(op), {&x}, x.dtype);
  Value value = x;
  value.id = kNoTensor;
  value.shape = std::move(shapes[0]);
  return node.forward(value);
}

Result<void> lower_reshape(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  Value& x = node.input(0);
  VP_ASSIGN_OR_RETURN(const std::vector<double>* known, load_known(node.lowering(), node.input(1)));
  if (known == nullptr) return node.refuse_computed(1, "its target shape is computed");
  Shape target;
  for (const double v : *known) {
    if (!std::isnan(v) && !(v >= -1.0 && v <= static_cast<double>(kLargestSize))) {
      return malformed(node, fmt::format("it reshapes to a size of {}", v));
    }
    target.push_back(std::isnan(v) ? -1 : static_cast<std::int64_t>(v));
  }
  // Only one unknown size can be inferred.
  const bool has_unknown =
      std::any_of(known->begin(), known->end(), [](double v) { return std::isnan(v); });
  if (has_unknown && std::count(target.begin(), target.end(), -1) > 1) {
    return node.refuse_computed(1, "its target shape is computed");
  }
  VP_ASSIGN_OR_RETURN(const auto shapes, node.infer(Reshape{target}, {&x}));
  if (shapes[0] && element_count(*shapes[0])) target = *shapes[0];
  return finish_view(node, Reshape{std::move(target)}, x);
}

Result<void> lower_squeeze(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const auto name = node.node().attrs.contains("squeeze_dims") ? "squeeze_dims" : "axis";
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> wanted, read_ints_attr(node.node(), name));
  const Shape& from = *x.shape;
  std::vector<bool> dropped(from.size(), false);
  for (const std::int64_t axis : wanted) {
    VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(axis, from.size()));
    dropped[static_cast<std::size_t>(checked)] = true;
  }
  Squeeze squeeze;
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    if (wanted.empty() && from[axis] < 0) {
      return node.refuse_computed(0, "which axes it drops depends on an open size");
    }
    if (wanted.empty()) dropped[axis] = from[axis] == 1;
    if (dropped[axis]) squeeze.axes.push_back(static_cast<int>(axis));
  }
  if (squeeze.axes.empty()) return node.forward(x);
  return finish_view(node, std::move(squeeze), x);
}

Result<void> lower_expand_dims(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto axis, node.find_integer(1));
  if (!axis) return node.refuse_computed(1, "its axis is computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(*axis, x.shape->size() + 1));
  return finish_view(node, ExpandDims{{checked}}, x);
}

Result<void> lower_transpose(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto order, node.find_integers(1));
  if (!order) return node.refuse_computed(1, "its permutation is computed");
  Value& x = node.input(0);
  Transpose transpose;
  for (const std::int64_t axis : *order) {
    VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(axis, order->size()));
    transpose.permutation.push_back(checked);
  }
  return node.finish(std::move(transpose), {&x}, x.dtype);
}

/// Concatenates operands along an axis. errors: Malformed when their other sizes differ.
Result<Value> join(NodeLowering& node, const std::vector<Value*>& operands, int axis) {
  Concat concat;
  concat.axis = axis;
  return node.apply(concat, operands, operands[0]->dtype);
}

Result<void> lower_concat(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 1U << 16));
  const bool axis_first = node.node().op == "Concat";
  const std::size_t place = axis_first ? 0 : node.input_count() - 1;
  const std::size_t first = axis_first ? 1 : 0;
  VP_RETURN_IF_ERROR(node.expect_types(first, first + node.input_count() - 1));
  VP_ASSIGN_OR_RETURN(const auto wanted, node.find_integer(place));
  if (!wanted) return node.refuse_computed(place, "its axis is computed");
  std::vector<Value*> operands;
  for (std::size_t i = first; i < first + node.input_count() - 1; ++i) {
    Value& value = node.input(i);
    if (!value.shape) return node.refuse_computed(i, kUnknownRank);
    // An empty constant adds nothing.
    if (node.is_constant(i) && element_count(*value.shape) == 0) continue;
    operands.push_back(&value);
  }
  if (operands.empty()) return node.refuse("it joins nothing");
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(*wanted, operands[0]->shape->size()));
  if (operands.size() == 1) return node.forward(*operands[0]);
  VP_ASSIGN_OR_RETURN(Value joined, join(node, operands, axis));
  node.set_output(0, std::move(joined));
  return {};
}

std::vector<Value*> point_at(std::vector<Value>& values) {
  std::vector<Value*> pointers;
  pointers.reserve(values.size());
  for (Value& value : values) pointers.push_back(&value);
  return pointers;
}

/// Lowers to ExpandDims of each operand and a Concat.
Result<void> lower_pack(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1U << 16));
  VP_RETURN_IF_ERROR(node.expect_types(0, node.input_count()));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, read_int_attr(node.node(), "axis"));
  if (!node.input(0).shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, node.input(0).shape->size() + 1));
  std::vector<Value> expanded;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    Value& x = node.input(i);
    if (!x.shape) return node.refuse_computed(i, kUnknownRank);
    VP_ASSIGN_OR_RETURN(Value one, node.apply(ExpandDims{{axis}}, {&x}, x.dtype));
    expanded.push_back(std::move(one));
  }
  const std::vector<Value*> operands = point_at(expanded);
  if (operands.size() == 1) return node.forward(expanded[0]);
  VP_ASSIGN_OR_RETURN(Value joined, join(node, operands, axis));
  node.set_output(0, std::move(joined));
  return {};
}

Result<void> lower_shape_of(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  VP_ASSIGN_OR_RETURN(const DataType dtype,
                      read_type_attr(node.node(), "out_type", DataType::Int32));
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  std::vector<double> sizes;
  bool is_open = false;
  for (const std::int64_t size : *x.shape) {
    is_open = is_open || size < 0;
    sizes.push_back(size < 0 ? std::nan("") : static_cast<double>(size));
  }
  const auto rank = static_cast<std::int64_t>(sizes.size());
  if (!is_open) {
    return node.forward(make_known({rank}, std::move(sizes), dtype));
  }
  VP_ASSIGN_OR_RETURN(Value value, node.apply(ShapeOf{}, {&x}, dtype));
  value.known = std::make_shared<const std::vector<double>>(std::move(sizes));
  const Graph& graph = node.lowering().graph;
  const Shape input = graph.inputs.empty() ? Shape() : graph.tensor(graph.inputs[0]).shape;
  const bool input_is_open = std::any_of(input.begin() + (input.empty() ? 0 : 1), input.end(),
                                         [](std::int64_t size) { return size < 0; });
  value.needs_input_size = input_is_open;
  node.set_output(0, std::move(value));
  return {};
}

Result<void> lower_rank(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  return node.forward(make_known({}, {static_cast<double>(x.shape->size())}, DataType::Int32));
}

Result<void> lower_size(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  const auto count = x.shape ? element_count(*x.shape) : std::nullopt;
  if (!count) return node.refuse_computed(0, "its input's size is not known");
  VP_ASSIGN_OR_RETURN(const DataType dtype,
                      read_type_attr(node.node(), "out_type", DataType::Int32));
  return node.forward(make_known({}, {static_cast<double>(*count)}, dtype));
}

/// Makes a constant whose elements are all `value`. errors: Malformed beyond kMostFilled elements.
Result<void> finish_filled(NodeLowering& node, const Shape& shape, double value, DataType dtype) {
  const auto count = element_count(shape);
  if (!count || *count > kMostFilled) {
    return malformed(node, fmt::format("it fills {}, at most {} values are made here",
                                       to_string(shape), kMostFilled));
  }
  return node.forward(
      make_known(shape, std::vector<double>(static_cast<std::size_t>(*count), value), dtype));
}

Result<void> lower_fill(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto shape, node.find_integers(0));
  if (!shape) return node.refuse_computed(0, "its shape is computed");
  VP_ASSIGN_OR_RETURN(const auto value, node.find_number(1));
  if (!value) return node.refuse_computed(1, "its value is computed");
  if (!are_sizes(*shape)) return malformed(node, "it fills " + to_string(*shape));
  return finish_filled(node, *shape, *value, node.input(1).dtype);
}

Result<void> lower_like(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  const Value& x = node.input(0);
  const bool is_settled = x.shape && element_count(*x.shape);
  if (!is_settled) return node.refuse_computed(0, "its shape is not known");
  return finish_filled(node, *x.shape, node.node().op == "OnesLike" ? 1.0 : 0.0, x.dtype);
}

Result<void> lower_range(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  std::array<double, 3> bounds = {};
  for (std::size_t i = 0; i < 3; ++i) {
    VP_ASSIGN_OR_RETURN(const auto value, node.find_number(i));
    if (!value || std::isnan(*value)) return node.refuse_computed(i, "its bounds are computed");
    bounds[i] = *value;
  }
  const auto [start, limit, step] = bounds;
  const double steps = step == 0.0 ? -1.0 : std::ceil((limit - start) / step);
  if (step == 0.0 || std::isnan(steps)) {
    return malformed(node, fmt::format("a range of {}..{} in steps of {}", start, limit, step));
  }
  if (steps > static_cast<double>(kMostFilled)) {
    return malformed(node, fmt::format("a range of {}..{} in steps of {} has {:.0f} values, at "
                                       "most {} are made here",
                                       start, limit, step, steps, kMostFilled));
  }
  const auto count = std::max<std::int64_t>(0, static_cast<std::int64_t>(steps));
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) values.push_back(start + static_cast<double>(i) * step);
  return node.forward(make_known({count}, std::move(values), node.input(0).dtype));
}

Result<void> lower_tile(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto multiples, node.find_integers(1));
  if (!multiples) return node.refuse_computed(1, "its multiples are computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_RETURN_IF_ERROR(node.infer(Tile{*multiples}, {&x}));
  const bool changes = std::any_of(multiples->begin(), multiples->end(),
                                   [](std::int64_t times) { return times != 1; });
  if (!changes) return node.forward(x);
  return node.finish(Tile{*multiples}, {&x}, x.dtype);
}

/// Gives x as many axes as the target has, and repeats it along those where it has one element.
Result<void> lower_broadcast_to(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  VP_ASSIGN_OR_RETURN(const auto target, node.find_integers(1));
  if (!target) return node.refuse_computed(1, "its target shape is computed");
  Value x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const std::size_t rank = x.shape->size();
  if (target->size() < rank || !are_sizes(*target)) {
    return malformed(node,
                     fmt::format("it repeats {} to {}", to_string(*x.shape), to_string(*target)));
  }
  if (target->size() > rank) {
    ExpandDims widen;
    for (std::size_t axis = 0; axis < target->size() - rank; ++axis)
      widen.axes.push_back(static_cast<int>(axis));
    VP_ASSIGN_OR_RETURN(x, node.apply(widen, {&x}, x.dtype));
  }
  Tile tile;
  for (std::size_t axis = 0; axis < target->size(); ++axis) {
    const std::int64_t own = (*x.shape)[axis];
    const std::int64_t wanted = (*target)[axis];
    if (own < 0 && wanted != 1) return node.refuse("it repeats axes of open sizes");
    if (own >= 0 && own != 1 && own != wanted) {
      return malformed(node,
                       fmt::format("it repeats {} to {}", to_string(*x.shape), to_string(*target)));
    }
    tile.multiples.push_back(own == 1 ? wanted : 1);
  }
  return node.finish(tile, {&x}, x.dtype);
}

struct ReduceRow {
  std::string_view op;
  ReduceKind kind;
};
constexpr std::array kReduce = std::to_array<ReduceRow>({{"Mean", ReduceKind::Mean},
                                                         {"Sum", ReduceKind::Sum},
                                                         {"Max", ReduceKind::Maximum},
                                                         {"Min", ReduceKind::Minimum},
                                                         {"Prod", ReduceKind::Product},
                                                         {"Any", ReduceKind::Maximum},
                                                         {"All", ReduceKind::Minimum},
                                                         {"ArgMax", ReduceKind::ArgMax},
                                                         {"ArgMin", ReduceKind::ArgMin}});

Result<void> lower_reduce(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  const auto* row = std::find_if(kReduce.begin(), kReduce.end(),
                                 [&](const ReduceRow& r) { return r.op == node.node().op; });
  VP_ASSIGN_OR_RETURN(const auto axes, node.find_integers(1));
  if (!axes) return node.refuse_computed(1, "its axes are computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  const bool is_index = row->kind == ReduceKind::ArgMax || row->kind == ReduceKind::ArgMin;
  Reduce reduce;
  reduce.kind = row->kind;
  reduce.keeps_nan = true;
  VP_ASSIGN_OR_RETURN(reduce.keep_dims, read_bool_attr(node.node(), "keep_dims"));
  for (const std::int64_t axis : *axes) {
    VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(axis, x.shape->size()));
    reduce.axes.push_back(checked);
  }
  std::sort(reduce.axes.begin(), reduce.axes.end());
  reduce.axes.erase(std::unique(reduce.axes.begin(), reduce.axes.end()), reduce.axes.end());
  if (reduce.axes.empty() && !is_index) return node.forward(x);
  if (is_index && reduce.axes.size() != 1)
    return node.refuse("the index of an extreme over several axes");
  DataType dtype = x.dtype;
  if (is_index) {
    VP_ASSIGN_OR_RETURN(dtype, read_type_attr(node.node(), "output_type", DataType::Int64));
  }
  return node.finish(std::move(reduce), {&x}, dtype);
}

constexpr std::array kShapeRows = std::to_array<OperatorRow>({
    {"Reshape", lower_reshape},
    {"Squeeze", lower_squeeze},
    {"ExpandDims", lower_expand_dims},
    {"Transpose", lower_transpose},
    {"Concat", lower_concat},
    {"ConcatV2", lower_concat},
    {"Pack", lower_pack},
    {"Shape", lower_shape_of},
    {"Rank", lower_rank},
    {"Size", lower_size},
    {"Fill", lower_fill},
    {"ZerosLike", lower_like},
    {"OnesLike", lower_like},
    {"Range", lower_range},
    {"Tile", lower_tile},
    {"BroadcastTo", lower_broadcast_to},
    {"Mean", lower_reduce},
    {"Sum", lower_reduce},
    {"Max", lower_reduce},
    {"Min", lower_reduce},
    {"Prod", lower_reduce},
    {"Any", lower_reduce},
    {"All", lower_reduce},
    {"ArgMax", lower_reduce},
    {"ArgMin", lower_reduce},
});

}  // namespace

std::span<const OperatorRow> shape_rows() { return kShapeRows; }

}  // namespace visionpress::graphdef
