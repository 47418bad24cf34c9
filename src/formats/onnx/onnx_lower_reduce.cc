// Operators that reduce axes, and those that normalize over one with a sum.

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"
#include "formats/onnx/onnx_gather.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

/// The axes and flags of a reduction.
struct Reduction {
  Reduce op = {};
  bool is_known = true;      ///< false: its axes are computed
  bool is_identity = false;  ///< no axes, and that means none
};

Result<Reduction> read_reduction(NodeLowering& node, ReduceKind kind) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 2));
  Reduction reduction;
  reduction.op.kind = kind;
  reduction.op.keeps_nan = true;
  VP_ASSIGN_OR_RETURN(const std::int64_t keeps, node.read_int("keepdims", 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t passes, node.read_int("noop_with_empty_axes", 0));
  reduction.op.keep_dims = keeps != 0;
  std::optional<std::vector<std::int64_t>> axes;
  if (node.has_input(1)) {
    axes = node.find_integers(1);
    reduction.is_known = axes.has_value();
  } else {
    VP_ASSIGN_OR_RETURN(axes, node.read_ints("axes"));
  }
  const Value& x = node.input(0);
  if (!reduction.is_known || !x.shape) return reduction;
  for (const std::int64_t axis : axes.value_or(std::vector<std::int64_t>())) {
    VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(axis, x.shape->size()));
    reduction.op.axes.push_back(checked);
  }
  reduction.is_identity = reduction.op.axes.empty() && passes != 0;
  return reduction;
}

/// Reads the reduction; refuses the node where it cannot be run. returns: whether it did.
Result<bool> refuse_reduction(NodeLowering& node, const Reduction& reduction) {
  if (!reduction.is_known) {
    VP_RETURN_IF_ERROR(node.refuse_computed(1, "its axes are computed"));
    return true;
  }
  if (!node.input(0).shape) {
    VP_RETURN_IF_ERROR(node.refuse_computed(0, kUnknownRank));
    return true;
  }
  return false;
}

template <ReduceKind kind>
Result<void> lower_reduce(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(Reduction reduction, read_reduction(node, kind));
  VP_ASSIGN_OR_RETURN(const bool refused, refuse_reduction(node, reduction));
  if (refused) return {};
  Value& x = node.input(0);
  // A scalar has no axis, so the reduction is over its one element.
  const bool is_scalar = x.shape->empty();
  if (!reduction.is_identity && !is_scalar) {
    if (kind != ReduceKind::LogSum) return node.finish(std::move(reduction.op), x);
    // The logarithm of the sum; the runner's LogSum, Core ML's, is the sum of logarithms.
    reduction.op.kind = ReduceKind::Sum;
    VP_ASSIGN_OR_RETURN(Value sum, node.apply(std::move(reduction.op), x));
    return node.finish(node.unary(UnaryKind::Log, sum));
  }
  switch (kind) {
    case ReduceKind::SumOfSquares:
      return node.finish(node.unary(UnaryKind::Square, x));
    case ReduceKind::L1:
    case ReduceKind::L2:
      return node.finish(node.unary(UnaryKind::Abs, x));
    case ReduceKind::LogSum:
      return node.finish(node.unary(UnaryKind::Log, x));
    default:
      return node.finish(Identity{}, x);
  }
}

/// log(sum(exp(x))), with the largest value taken out first.
Result<void> lower_log_sum_exp(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(Reduction reduction, read_reduction(node, ReduceKind::Maximum));
  VP_ASSIGN_OR_RETURN(const bool refused, refuse_reduction(node, reduction));
  if (refused) return {};
  Value& x = node.input(0);
  if (reduction.is_identity || x.shape->empty()) return node.finish(Identity{}, x);
  Reduce largest = reduction.op;
  largest.keep_dims = true;
  VP_ASSIGN_OR_RETURN(Value most, node.apply(largest, x));
  VP_ASSIGN_OR_RETURN(Value shifted, node.binary(BinaryKind::Subtract, x, most));
  VP_ASSIGN_OR_RETURN(Value raised, node.unary(UnaryKind::Exp, shifted));
  Reduce sum = reduction.op;
  sum.kind = ReduceKind::Sum;
  VP_ASSIGN_OR_RETURN(Value total, node.apply(sum, raised));
  VP_ASSIGN_OR_RETURN(Value log, node.unary(UnaryKind::Log, total));
  if (!reduction.op.keep_dims) {
    Squeeze squeeze;
    squeeze.axes = reduction.op.axes;
    if (squeeze.axes.empty()) {
      squeeze.axes.resize(x.shape->size());
      std::iota(squeeze.axes.begin(), squeeze.axes.end(), 0);
    }
    VP_ASSIGN_OR_RETURN(most, node.view(std::move(squeeze), most));
  }
  return node.finish(node.binary(BinaryKind::Add, log, most));
}

Result<Value> find_extreme(NodeLowering& node, Value& x, int axis, ReduceKind kind, bool takes_last,
                           bool keeps) {
  Reduce op;
  op.kind = kind;
  op.axes = {axis};
  op.keep_dims = keeps;
  if (!takes_last) return node.apply(op, {&x}, DataType::Int64);
  const std::int64_t size = (*x.shape)[static_cast<std::size_t>(axis)];
  std::vector<std::int64_t> reversed;
  for (std::int64_t i = size - 1; i >= 0; --i) reversed.push_back(i);
  Value indices = make_indices(reversed);
  VP_ASSIGN_OR_RETURN(Value turned, gather_along(node, x, indices, axis));
  VP_ASSIGN_OR_RETURN(Value found, node.apply(op, {&turned}, DataType::Int64));
  return node.unary(UnaryKind::Linear, found, -1.0F, static_cast<float>(size - 1));
}

template <ReduceKind kind>
Result<void> lower_extreme(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", 0));
  VP_ASSIGN_OR_RETURN(const std::int64_t keeps, node.read_int("keepdims", 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t last, node.read_int("select_last_index", 0));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  const std::int64_t size = (*x.shape)[static_cast<std::size_t>(axis)];
  if (last != 0 && size < 0) return node.refuse_computed(0, "the size of its axis is open");
  return node.finish(find_extreme(node, x, axis, kind, last != 0, keeps != 0));
}

/// Softmax, its logarithm, or 1 at the largest value: over one axis from opset 13 on; before, over
/// all axes from `axis` on.
struct AxisView {
  Value x = {};
  int axis = -1;
  std::optional<Shape> shape = std::nullopt;  ///< to give back at the end
  bool is_known = true;
};

Result<AxisView> view_axis(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  const bool is_old = node.opset() < 13;
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", is_old ? 1 : -1));
  AxisView view = {node.input(0)};
  view.is_known = view.x.shape.has_value();
  if (!view.is_known) return view;
  const Shape shape = *view.x.shape;
  // Of a vector axis 1 is behind the last: the whole vector counts as one row per element.
  const bool is_behind = is_old && wanted == static_cast<std::int64_t>(shape.size());
  if (is_behind && shape.empty()) return view;
  VP_ASSIGN_OR_RETURN(view.axis, node.check_axis(is_behind ? wanted - 1 : wanted, shape.size()));
  const auto behind = shape.begin() + view.axis;
  const bool is_one = std::all_of(behind + 1, shape.end(), [](auto size) { return size == 1; });
  if (is_one && !is_behind)
    node.lowering().model.one_axis_nodes.insert(node.node().message.offset());
  if (!is_old || is_one) return view;
  const auto columns = element_count(Shape(behind, shape.end()));
  view.is_known = columns && element_count(shape);
  if (!view.is_known) return view;
  view.shape = shape;
  view.axis = 1;
  VP_ASSIGN_OR_RETURN(view.x, node.view(Reshape{{-1, *columns}}, view.x));
  return view;
}

Result<void> finish_view(NodeLowering& node, const AxisView& view, Value result) {
  if (!view.shape) return node.finish(std::move(result));
  return node.finish(node.view(Reshape{*view.shape}, result));
}

Result<void> lower_softmax(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(AxisView view, view_axis(node));
  if (!view.is_known) return node.refuse_computed(0, "the sizes of its input are not known");
  Softmax op;
  op.axis = view.axis;
  VP_ASSIGN_OR_RETURN(Value result, node.apply(op, view.x));
  return finish_view(node, view, std::move(result));
}

Result<void> lower_log_softmax(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(AxisView view, view_axis(node));
  if (!view.is_known) return node.refuse_computed(0, "the sizes of its input are not known");
  Reduce reduce;
  reduce.kind = ReduceKind::Maximum;
  reduce.axes = {view.axis};
  reduce.keeps_nan = true;
  VP_ASSIGN_OR_RETURN(Value most, node.apply(reduce, view.x));
  VP_ASSIGN_OR_RETURN(Value shifted, node.binary(BinaryKind::Subtract, view.x, most));
  VP_ASSIGN_OR_RETURN(Value raised, node.unary(UnaryKind::Exp, shifted));
  reduce.kind = ReduceKind::Sum;
  VP_ASSIGN_OR_RETURN(Value sum, node.apply(reduce, raised));
  VP_ASSIGN_OR_RETURN(Value log, node.unary(UnaryKind::Log, sum));
  VP_ASSIGN_OR_RETURN(Value result, node.binary(BinaryKind::Subtract, shifted, log));
  return finish_view(node, view, std::move(result));
}

Result<void> lower_hardmax(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(AxisView view, view_axis(node));
  const std::int64_t size =
      view.is_known ? (*view.x.shape)[static_cast<std::size_t>(view.axis)] : -1;
  if (size < 0) return node.refuse_computed(0, "the sizes of its input are not known");
  VP_ASSIGN_OR_RETURN(Value best,
                      find_extreme(node, view.x, view.axis, ReduceKind::ArgMax, false, true));
  VP_RETURN_IF_ERROR(node.count_made(size));
  std::vector<double> numbers(static_cast<std::size_t>(size));
  std::iota(numbers.begin(), numbers.end(), 0.0);
  Shape along(view.x.shape->size(), 1);
  along[static_cast<std::size_t>(view.axis)] = size;
  Value places = make_known(along, std::move(numbers), DataType::Int64);
  VP_ASSIGN_OR_RETURN(Value result, node.apply(Binary{BinaryKind::Equal, FusedActivation::None},
                                               {&places, &best}, DataType::Float));
  return finish_view(node, view, std::move(result));
}

/// x divided by its norm along an axis.
Result<void> lower_lp_normalization(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", -1));
  VP_ASSIGN_OR_RETURN(const std::int64_t p, node.read_int("p", 2));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  if (p != 1 && p != 2) return node.refuse(fmt::format("its norm has p {}", p));
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  Reduce reduce;
  reduce.kind = p == 1 ? ReduceKind::L1 : ReduceKind::L2;
  reduce.axes = {axis};
  VP_ASSIGN_OR_RETURN(Value norm, node.apply(reduce, x));
  // A norm of 0 leaves zeros (onnx/onnx, LpNormalization).
  Value zero = make_known({}, {0.0}, DataType::Float);
  VP_ASSIGN_OR_RETURN(Value is_zero, node.apply(Binary{BinaryKind::Equal, FusedActivation::None},
                                                {&norm, &zero}, DataType::Bool));
  Value one = make_known({}, {1.0}, DataType::Float);
  VP_ASSIGN_OR_RETURN(Value divisor, node.apply(Select{}, {&is_zero, &one, &norm}, x.dtype));
  return node.finish(node.binary(BinaryKind::Divide, x, divisor));
}

constexpr std::array kReduceRows = std::to_array<OperatorRow>({
    {"ArgMax", lower_extreme<ReduceKind::ArgMax>},
    {"ArgMin", lower_extreme<ReduceKind::ArgMin>},
    {"Hardmax", lower_hardmax},
    {"LogSoftmax", lower_log_softmax},
    {"LpNormalization", lower_lp_normalization},
    {"ReduceL1", lower_reduce<ReduceKind::L1>},
    {"ReduceL2", lower_reduce<ReduceKind::L2>},
    {"ReduceLogSum", lower_reduce<ReduceKind::LogSum>},
    {"ReduceLogSumExp", lower_log_sum_exp},
    {"ReduceMax", lower_reduce<ReduceKind::Maximum>},
    {"ReduceMean", lower_reduce<ReduceKind::Mean>},
    {"ReduceMin", lower_reduce<ReduceKind::Minimum>},
    {"ReduceProd", lower_reduce<ReduceKind::Product>},
    {"ReduceSum", lower_reduce<ReduceKind::Sum>},
    {"ReduceSumSquare", lower_reduce<ReduceKind::SumOfSquares>},
    {"Softmax", lower_softmax},
});

}  // namespace

std::span<const OperatorRow> reduce_rows() { return kReduceRows; }

}  // namespace visionpress::onnx
