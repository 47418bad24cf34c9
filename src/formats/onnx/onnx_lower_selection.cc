// Operators that pick elements by index, by value or by order.

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "formats/onnx/onnx_gather.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {

Value make_indices(const std::vector<std::int64_t>& indices) {
  std::vector<double> values(indices.begin(), indices.end());
  const auto count = static_cast<std::int64_t>(values.size());
  return make_known({count}, std::move(values), DataType::Int64);
}

Result<Value> leave_image_order(NodeLowering& node, Value& x, bool& added) {
  added = x.shape && x.shape->size() == 4;
  if (!added) return x;
  return node.view(ExpandDims{{0}}, x);
}

namespace {

/// Indices that count from the end become ones that count from the start, where they are known.
Value count_from_start(NodeLowering& node, const Value& indices, std::int64_t size) {
  Value value = indices;
  if (load_known(node.lowering(), value) == nullptr || size < 0) return value;
  const bool is_negative = std::ranges::any_of(*value.known, [](double v) { return v < 0.0; });
  if (!is_negative) return value;
  std::vector<double> places = *value.known;
  for (double& place : places)
    if (place < 0.0) place += static_cast<double>(size);
  return make_known(*value.shape, std::move(places), value.dtype);
}

/// The same for indices that the run computes.
Result<Value> settle_indices(NodeLowering& node, Value& indices, std::int64_t size) {
  Value places = count_from_start(node, indices, size);
  if (places.is_constant() || size < 0 || node.opset() < 11) return places;
  Value zero = make_known({}, {0.0}, places.dtype);
  VP_ASSIGN_OR_RETURN(Value is_negative, node.apply(Binary{BinaryKind::Less, FusedActivation::None},
                                                    {&places, &zero}, DataType::Bool));
  VP_ASSIGN_OR_RETURN(Value moved, node.binary(BinaryKind::Add, places, static_cast<double>(size)));
  return node.apply(Select{}, {&is_negative, &moved, &places}, places.dtype);
}

std::vector<int> count_axes(std::size_t begin, std::size_t count) {
  std::vector<int> axes(count);
  std::iota(axes.begin(), axes.end(), static_cast<int>(begin));
  return axes;
}

/// How many axes of size 1 to add to each operand so that neither has four, nor the result.
std::pair<std::size_t, std::size_t> choose_added(std::size_t x, std::size_t indices) {
  for (std::size_t added = 0; added < 3; ++added) {
    for (std::size_t more = 0; more < 2; ++more) {
      const std::size_t a = x + added;
      const std::size_t b = indices + more;
      if (a != 4 && b != 4 && a - 1 + b != 4) return {added, more};
    }
  }
  return {0, 0};
}

}  // namespace

Result<Value> gather_along(NodeLowering& node, Value& x, Value& indices, int axis) {
  const std::int64_t size = (*x.shape)[static_cast<std::size_t>(axis)];
  VP_ASSIGN_OR_RETURN(Value places, settle_indices(node, indices, size));
  const bool folds = x.is_constant() && places.is_constant();
  const auto [before, within] = folds ? std::pair<std::size_t, std::size_t>{0, 0}
                                      : choose_added(x.shape->size(), indices.shape->size());
  Value source = x;
  if (before > 0) {
    VP_ASSIGN_OR_RETURN(source, node.view(ExpandDims{count_axes(0, before)}, source));
  }
  if (within > 0) {
    VP_ASSIGN_OR_RETURN(places, node.view(ExpandDims{count_axes(0, within)}, places));
  }
  const int at = axis + static_cast<int>(before);
  VP_ASSIGN_OR_RETURN(Value result, node.apply(Gather{at}, {&source, &places}, x.dtype));
  std::vector<int> dropped = count_axes(0, before);
  for (const int extra : count_axes(static_cast<std::size_t>(at), within)) dropped.push_back(extra);
  if (dropped.empty()) return result;
  return node.view(Squeeze{dropped}, result);
}

namespace {

Result<void> lower_gather(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", 0));
  Value& x = node.input(0);
  Value& indices = node.input(1);
  if (!x.shape || !indices.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  return node.finish(gather_along(node, x, indices, axis));
}

/// A constant of shape `sizes` whose elements are their own index along `axis`.
Result<Value> make_places(NodeLowering& node, const Shape& sizes, std::size_t axis) {
  const std::int64_t count = element_count(sizes).value_or(kMostFolded + 1);
  if (count > kMostFolded) return node.malformed("it picks " + to_string(sizes));
  VP_RETURN_IF_ERROR(node.count_made(count));
  const AxisSplit split = split_at(sizes, axis);
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(count));
  for (std::size_t outer = 0; outer < split.outer; ++outer) {
    for (std::size_t c = 0; c < split.channels; ++c)
      values.insert(values.end(), split.inner, static_cast<double>(c));
  }
  return make_known(sizes, std::move(values), DataType::Int64);
}

/// GatherNd of operands that may have four axes, and so may its result.
Result<Value> gather_nd(NodeLowering& node, Value& x, Value& indices) {
  const auto depth = static_cast<std::size_t>(indices.shape->back());
  const std::size_t rank = x.shape->size();
  const std::size_t rows = indices.shape->size() - 1;
  // Axes behind those that are indexed; axes before the rows.
  for (std::size_t behind = 0; behind < 3; ++behind) {
    for (std::size_t before = 0; before < 3; ++before) {
      const bool fits = rank + behind != 4 && rows + 1 + before != 4 &&
                        before + rows + rank - depth + behind != 4;
      if (!fits) continue;
      VP_ASSIGN_OR_RETURN(Value source, node.view(ExpandDims{count_axes(rank, behind)}, x));
      VP_ASSIGN_OR_RETURN(Value places, node.view(ExpandDims{count_axes(0, before)}, indices));
      VP_ASSIGN_OR_RETURN(Value result, node.apply(GatherNd{}, {&source, &places}, x.dtype));
      std::vector<int> dropped = count_axes(0, before);
      for (const int axis : count_axes(result.shape->size() - behind, behind))
        dropped.push_back(axis);
      if (dropped.empty()) return result;
      return node.view(Squeeze{dropped}, result);
    }
  }
  return node.apply(GatherNd{}, {&x, &indices}, x.dtype);
}

/// Known indices that count from the end, along the last axis of `indices` one for each axis of x.
Value settle_nd(NodeLowering& node, const Value& indices, const Shape& x) {
  Value value = indices;
  if (load_known(node.lowering(), value) == nullptr) return value;
  std::vector<double> places = *value.known;
  const auto depth = static_cast<std::size_t>(indices.shape->back());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::int64_t size = x[i % depth];
    if (places[i] < 0.0 && size >= 0) places[i] += static_cast<double>(size);
  }
  return make_known(*value.shape, std::move(places), value.dtype);
}

/// One index of several axes from `parts`, side by side along `axis`.
Result<Value> join_index_parts(NodeLowering& node, std::vector<Value>& parts, int axis) {
  if (parts.size() == 1) return parts.front();
  std::vector<Value*> operands;
  operands.reserve(parts.size());
  for (Value& part : parts) operands.push_back(&part);
  return node.apply(Concat{axis}, operands, DataType::Int64);
}

Result<void> lower_gather_nd(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const std::int64_t batch, node.read_int("batch_dims", 0));
  Value& x = node.input(0);
  Value indices = node.input(1);
  const bool is_ranked = x.shape && indices.shape && !indices.shape->empty();
  if (!is_ranked || indices.shape->back() < 0) return node.refuse_computed(0, kUnknownRank);
  const auto depth = static_cast<std::size_t>(indices.shape->back());
  const auto batches = static_cast<std::size_t>(batch);
  const std::size_t rank = x.shape->size();
  if (batch < 0 || batches >= indices.shape->size() || depth == 0 || batches + depth > rank) {
    return node.malformed(
        fmt::format("indices of shape {} into {}", to_string(*indices.shape), to_string(*x.shape)));
  }
  indices =
      settle_nd(node, indices,
                Shape(x.shape->begin() + static_cast<std::ptrdiff_t>(batches), x.shape->end()));
  if (batches > 0) {
    // Each row is given its place in the batch, as an index of the axes in front.
    Shape sizes = *indices.shape;
    sizes.back() = 1;
    if (!element_count(sizes)) return node.refuse_computed(1, "its sizes are not known");
    std::vector<Value> parts;
    for (std::size_t axis = 0; axis < batches; ++axis) {
      VP_ASSIGN_OR_RETURN(Value places, make_places(node, sizes, axis));
      parts.push_back(std::move(places));
    }
    parts.push_back(indices);
    const int last = static_cast<int>(sizes.size()) - 1;
    VP_ASSIGN_OR_RETURN(indices, join_index_parts(node, parts, last));
  }
  return node.finish(gather_nd(node, x, indices));
}

/// The place of each element of `indices` along every axis: its own, except along axis `at`, where
/// the index says.
Result<Value> make_element_coordinates(NodeLowering& node, const Value& indices, const Shape& sizes,
                                       std::size_t at) {
  const int last = static_cast<int>(sizes.size());
  std::vector<Value> parts;
  for (std::size_t a = 0; a < sizes.size(); ++a) {
    Value places = indices;
    if (a != at) {
      VP_ASSIGN_OR_RETURN(places, make_places(node, sizes, a));
    }
    VP_ASSIGN_OR_RETURN(Value column, node.view(ExpandDims{{last}}, places));
    parts.push_back(std::move(column));
  }
  return join_index_parts(node, parts, last);
}

/// Each element of the result is at its own place in x, except along `axis`, where the index says.
Result<void> lower_gather_elements(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", 0));
  Value& x = node.input(0);
  if (!x.shape || !node.input(1).shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  const auto at = static_cast<std::size_t>(axis);
  VP_ASSIGN_OR_RETURN(Value indices, settle_indices(node, node.input(1), (*x.shape)[at]));
  const Shape sizes = *indices.shape;
  if (sizes.size() != x.shape->size() || !element_count(sizes))
    return node.refuse_computed(1, "its sizes are not known");
  VP_ASSIGN_OR_RETURN(Value coordinates, make_element_coordinates(node, indices, sizes, at));
  return node.finish(gather_nd(node, x, coordinates));
}

/// Where each of `depth` rows along `axis` is the one that the index names. An index out of range
/// gives no mark; -depth..-1 count from the end.
Result<Value> mark_hits(NodeLowering& node, Value& places, int axis, std::size_t rank,
                        double depth) {
  const auto count = static_cast<std::size_t>(depth);
  std::vector<double> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0.0);
  Shape along(rank, 1);
  along[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(count);
  Value rows = make_known(along, numbers, places.dtype);
  for (double& number : numbers) number -= depth;
  Value negative = make_known(along, std::move(numbers), places.dtype);
  const Binary equal = {BinaryKind::Equal, FusedActivation::None};
  VP_ASSIGN_OR_RETURN(Value hit, node.apply(equal, {&places, &rows}, DataType::Bool));
  VP_ASSIGN_OR_RETURN(Value other, node.apply(equal, {&places, &negative}, DataType::Bool));
  return node.apply(Binary{BinaryKind::LogicalOr, FusedActivation::None}, {&hit, &other},
                    DataType::Bool);
}

/// inputs: indices, depth, [off, on].
Result<void> lower_one_hot(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", -1));
  const auto depth = node.find_number(1);
  if (!depth) return node.refuse_computed(1, "its depth is computed");
  if (!(*depth >= 1.0 && *depth <= 1e6)) return node.malformed(fmt::format("depth {}", *depth));
  const std::vector<double>* ends = load_known(node.lowering(), node.input(2));
  if (ends == nullptr || ends->size() != 2)
    return node.refuse_computed(2, "its values are computed");
  Value& indices = node.input(0);
  if (!indices.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, indices.shape->size() + 1));
  VP_ASSIGN_OR_RETURN(Value places, node.view(ExpandDims{{axis}}, indices));
  VP_ASSIGN_OR_RETURN(Value mark, mark_hits(node, places, axis, indices.shape->size() + 1, *depth));
  const DataType dtype = node.input(2).dtype;
  Value on = make_known({}, {(*ends)[1]}, dtype);
  Value off = make_known({}, {(*ends)[0]}, dtype);
  return node.finish(Select{}, {&mark, &on, &off}, dtype);
}

/// Keeps one triangle of each matrix.
Result<void> lower_trilu(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 2));
  VP_ASSIGN_OR_RETURN(const std::int64_t upper, node.read_int("upper", 1));
  const auto shift = node.has_input(1) ? node.find_number(1) : std::optional<double>(0.0);
  if (!shift) return node.refuse_computed(1, "its diagonal is computed");
  Value& x = node.input(0);
  if (!x.shape || x.shape->size() < 2) return node.refuse_computed(0, kUnknownRank);
  const std::int64_t rows = (*x.shape)[x.shape->size() - 2];
  const std::int64_t columns = x.shape->back();
  const std::int64_t count = element_count({rows, columns}).value_or(kMostFolded + 1);
  if (count > kMostFolded) return node.refuse_computed(0, "its sizes are not known");
  VP_RETURN_IF_ERROR(node.count_made(count));
  std::vector<double> mask;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const double distance = static_cast<double>(column - row) - *shift;
      mask.push_back((upper != 0 ? distance >= 0.0 : distance <= 0.0) ? 1.0 : 0.0);
    }
  }
  if (count == 0) return node.finish(Identity{}, x);
  Value keep = make_known({rows, columns}, std::move(mask), DataType::Bool);
  Value zero = make_known({}, {0.0}, x.dtype);
  return node.finish(Select{}, {&keep, &x, &zero}, x.dtype);
}

/// The permutation that exchanges `axis` with the last one.
Transpose swap_with_last(std::size_t rank, std::size_t axis) {
  Transpose transpose;
  transpose.permutation.resize(rank);
  std::iota(transpose.permutation.begin(), transpose.permutation.end(), 0);
  std::swap(transpose.permutation[axis], transpose.permutation.back());
  return transpose;
}

/// How many elements are wanted: the input where there is one, else the attribute; nothing where it
/// is computed.
Result<std::optional<std::int64_t>> find_top_count(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(const std::int64_t named, node.read_int("k", 0));
  if (!node.has_input(1)) return std::optional<std::int64_t>(named);
  const auto count = node.find_number(1);
  if (!count) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(static_cast<std::int64_t>(*count));
}

/// The operand of a TopK with the axis to order last, and what led there.
struct TopAxis {
  Value x = {};
  std::size_t rank = 0;
  std::size_t axis = 0;
  bool added = false;  ///< an axis of size 1 in front

  [[nodiscard]] bool is_last() const { return axis + 1 == rank; }
};

Result<TopAxis> bring_axis_last(NodeLowering& node, std::int64_t wanted) {
  TopAxis top;
  VP_ASSIGN_OR_RETURN(top.x, leave_image_order(node, node.input(0), top.added));
  top.rank = top.x.shape->size();
  VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(wanted, top.rank - (top.added ? 1 : 0)));
  top.axis = static_cast<std::size_t>(checked) + (top.added ? 1 : 0);
  if (!top.is_last()) {
    VP_ASSIGN_OR_RETURN(top.x, node.apply(swap_with_last(top.rank, top.axis), top.x));
  }
  return top;
}

/// The k largest or smallest along the last axis, and their indices.
Result<std::vector<Value>> take_top(NodeLowering& node, Value x, std::int64_t k, bool is_smallest) {
  if (is_smallest) {
    VP_ASSIGN_OR_RETURN(x, node.unary(UnaryKind::Negate, x));
  }
  VP_ASSIGN_OR_RETURN(std::vector<Value> found,
                      node.apply_many(TopK{k}, {&x}, {x.dtype, DataType::Int64}));
  if (is_smallest) {
    VP_ASSIGN_OR_RETURN(found[0], node.unary(UnaryKind::Negate, found[0]));
  }
  return found;
}

/// Undoes `bring_axis_last` for both outputs.
Result<void> finish_top(NodeLowering& node, const std::vector<Value>& found, const TopAxis& top) {
  for (std::size_t i = 0; i < 2; ++i) {
    Value result = found[i];
    if (!top.is_last()) {
      VP_ASSIGN_OR_RETURN(result, node.apply(swap_with_last(top.rank, top.axis), result));
    }
    if (top.added) {
      VP_ASSIGN_OR_RETURN(result, node.view(Squeeze{{0}}, result));
    }
    node.set_output(i, std::move(result));
  }
  return {};
}

/// outputs: the k largest or smallest along an axis, and their indices.
Result<void> lower_top_k(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 2));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", -1));
  VP_ASSIGN_OR_RETURN(const std::int64_t largest, node.read_int("largest", 1));
  VP_ASSIGN_OR_RETURN(const auto k, find_top_count(node));
  if (!k) return node.refuse_computed(1, "its k is computed");
  if (!node.input(0).shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const TopAxis top, bring_axis_last(node, wanted));
  VP_ASSIGN_OR_RETURN(const std::vector<Value> found, take_top(node, top.x, *k, largest == 0));
  return finish_top(node, found, top);
}

/// The indices of elements that are not zero: [axes of x, count].
Result<void> lower_non_zero(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  if (!node.input(0).shape) return node.refuse_computed(0, kUnknownRank);
  if (node.input(0).shape->size() == 4) return node.refuse("it looks for places in an image");
  VP_ASSIGN_OR_RETURN(Value rows, node.apply(Where{}, {&node.input(0)}, DataType::Int64));
  return node.finish(Transpose{{1, 0}}, rows);
}

/// Takes the elements along an axis where a constant condition is true.
Result<void> lower_compress(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto named, node.find_attribute("axis"));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", 0));
  const std::vector<double>* condition = load_known(node.lowering(), node.input(1));
  if (condition == nullptr) return node.refuse_computed(1, "its condition is computed");
  Value x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  if (named == nullptr) {
    VP_ASSIGN_OR_RETURN(x, node.view(Reshape{{-1}}, x));
  }
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  std::vector<std::int64_t> taken;
  for (std::size_t i = 0; i < condition->size(); ++i)
    if ((*condition)[i] != 0.0) taken.push_back(static_cast<std::int64_t>(i));
  Value indices = make_indices(taken);
  return node.finish(gather_along(node, x, indices, axis));
}

constexpr std::array kSelectionRows = std::to_array<OperatorRow>({
    {"Compress", lower_compress},
    {"Gather", lower_gather},
    {"GatherElements", lower_gather_elements},
    {"GatherND", lower_gather_nd},
    {"NonZero", lower_non_zero},
    {"OneHot", lower_one_hot},
    {"TopK", lower_top_k},
    {"Trilu", lower_trilu},
});

}  // namespace

std::span<const OperatorRow> selection_rows() { return kSelectionRows; }

}  // namespace visionpress::onnx
