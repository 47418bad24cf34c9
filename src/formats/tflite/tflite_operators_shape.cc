#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/tflite/tflite_codes.h"
#include "formats/tflite/tflite_operands.h"
#include "lower/strided_slice.h"

namespace visionpress::tflite {
namespace {

/// The most values of a RANGE: 16 MiB, more than the grid of boxes of any detector.
constexpr double kMostCounted = 4194304.0;

/// The value of a one-element constant of any type.
std::optional<double> find_number(const TfliteOperator& source, std::size_t slot) {
  if (const auto whole = find_integer(find_input(source, slot))) return static_cast<double>(*whole);
  return find_float(source, slot);
}

/// Lowers a slice with computed sizes that begins at the first element, so that only the number of
/// rows is open.
Lowered lower_computed_slice(const TfliteOperator& source) {
  const auto begin = find_integers(find_input(source, 1));
  const Tensor& size = *find_input(source, 2);
  const bool from_start =
      begin && std::all_of(begin->begin(), begin->end(), [](std::int64_t at) { return at == 0; });
  if (!from_start || size.is_constant() || !is_whole(size.dtype))
    return unsupported(source, "its bounds are computed");
  return lowered(TakeRows{}, {source.inputs[0], source.inputs[2]});
}

/// Whether a tensor is computed from sizes and constants alone, so that it is known before the run.
bool follows_from_sizes(const Graph& graph, TensorId id, int depth = 0) {
  constexpr int kDeepest = 16;  // operators between a SHAPE and what reads it
  if (id == kNoTensor || depth > kDeepest) return false;
  if (static_cast<std::size_t>(id) < graph.tensors.size() && graph.tensor(id).is_constant())
    return true;
  const auto writer = std::ranges::find_if(graph.nodes, [id](const Node& node) {
    return std::ranges::find(node.outputs, id) != node.outputs.end();
  });
  if (writer == graph.nodes.end() || std::holds_alternative<Unsupported>(writer->op)) return false;
  if (std::holds_alternative<ShapeOf>(writer->op)) return true;
  return std::ranges::all_of(writer->inputs, [&graph, depth](TensorId input) {
    return follows_from_sizes(graph, input, depth + 1);
  });
}

/// Lowers a RESHAPE with a computed target. If the file states all but one of the result's sizes,
/// they replace the target.
Lowered lower_computed_reshape(const TfliteOperator& source) {
  const Shape target = stated_shape(source);
  const Shape length = {static_cast<std::int64_t>(target.size())};
  const bool is_settled =
      find_input(source, 1)->shape == length && std::count(target.begin(), target.end(), -1) <= 1;
  if (is_settled) return lowered(Reshape{target}, {source.inputs[0]});
  if (!follows_from_sizes(source.graph, source.inputs[1]))
    return unsupported(source, "its target shape is computed");
  return lowered(Reshape{}, {source.inputs[0], source.inputs[1]});
}

}  // namespace

Lowered lower_softmax(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  const auto* options = source.table.builtin_options_as_SoftmaxOptions();
  if (options == nullptr) return missing_options(source);
  return lowered(Softmax{-1, options->beta()}, {source.inputs[0]});
}

Lowered lower_concatenation(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, std::max<std::size_t>(source.inputs.size(), 1)));
  const auto* options = source.table.builtin_options_as_ConcatenationOptions();
  if (options == nullptr) return missing_options(source);
  // LiteRT's builtin kernel refuses any activation here; its default kernel ignores it.
  if (options->activation() != tfl::Activation::NONE)
    return unsupported(source, activation_reason(options->activation()));
  VP_ASSIGN_OR_RETURN(const int axis,
                      check_axis(source, options->axis(), find_input(source, 0)->shape.size()));
  return lowered(Concat{axis, FusedActivation::None}, source.inputs);
}

/// Takes the target shape from the second input, else from the options, else from the result's
/// tensor.
Lowered lower_reshape(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  Reshape reshape;
  const Tensor* wanted = find_input(source, 1);
  const auto* options = source.table.builtin_options_as_ReshapeOptions();
  if (wanted != nullptr && wanted->is_constant()) {
    const auto sizes = find_integers(wanted);
    if (!sizes) return unsupported(source, "its target shape is no integer constant");
    reshape.target = *sizes;
  } else if (options != nullptr && options->new_shape() != nullptr) {
    for (const std::int32_t size : *options->new_shape()) reshape.target.push_back(size);
    // Early converters wrote a scalar's shape as the single number 0.
    if (reshape.target == Shape{0}) reshape.target.clear();
  } else if (wanted != nullptr && element_count(wanted->shape).value_or(1) != 0) {
    return lower_computed_reshape(source);
  } else {
    reshape.target = source.graph.tensor(source.outputs[0]).shape;
  }
  const auto open = std::count_if(reshape.target.begin(), reshape.target.end(),
                                  [](std::int64_t size) { return size < 0; });
  if (open > 1 || std::any_of(reshape.target.begin(), reshape.target.end(),
                              [](std::int64_t size) { return size < -1; })) {
    return fail(ErrorKind::Malformed,
                "{}: RESHAPE has target shape {}, at most one -1 may be in it", source.path,
                to_string(reshape.target));
  }
  return lowered(reshape, {source.inputs[0]});
}

Lowered lower_squeeze(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  std::vector<std::int64_t> axes;
  const auto* options = source.table.builtin_options_as_SqueezeOptions();
  if (options != nullptr && options->squeeze_dims() != nullptr) {
    axes.assign(options->squeeze_dims()->begin(), options->squeeze_dims()->end());
  }
  Squeeze squeeze;
  VP_ASSIGN_OR_RETURN(squeeze.axes, check_axes(source, axes, find_input(source, 0)->shape.size()));
  return lowered(squeeze, {source.inputs[0]});
}

Lowered lower_expand_dims(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto axis = find_integer(find_input(source, 1));
  if (!axis) return unsupported(source, "its axis is computed");
  ExpandDims expand;
  VP_ASSIGN_OR_RETURN(expand.axes,
                      check_axes(source, {*axis}, find_input(source, 0)->shape.size() + 1));
  return lowered(expand, {source.inputs[0]});
}

Lowered lower_transpose(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto order = find_integers(find_input(source, 1));
  if (!order) return unsupported(source, "its permutation is computed");
  const std::size_t rank = find_input(source, 0)->shape.size();
  Transpose transpose;
  VP_ASSIGN_OR_RETURN(transpose.permutation, check_axes(source, *order, rank));
  std::vector<int> sorted = transpose.permutation;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.size() != rank || std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return fail(ErrorKind::Malformed,
                "{}: TRANSPOSE orders the axes of {} as {}, expected each once", source.path,
                to_string(find_input(source, 0)->shape), to_string(*order));
  }
  return lowered(transpose, {source.inputs[0]});
}

Lowered lower_slice(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 3));
  const auto begin = find_integers(find_input(source, 1));
  const auto size = find_integers(find_input(source, 2));
  if (!begin || !size) return lower_computed_slice(source);
  const std::size_t rank = find_input(source, 0)->shape.size();
  if (begin->size() != rank || size->size() != rank) {
    return fail(ErrorKind::Malformed, "{}: SLICE has {} begins and {} sizes, its input has {} axes",
                source.path, begin->size(), size->size(), rank);
  }
  Slice slice;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const auto end = (*size)[axis] == -1 ? std::numeric_limits<std::int64_t>::max()
                                         : checked_add((*begin)[axis], (*size)[axis]);
    if ((*begin)[axis] < 0 || !end) {
      return fail(ErrorKind::Malformed, "{}: SLICE takes {} elements from {} of axis {}",
                  source.path, (*size)[axis], (*begin)[axis], axis);
    }
    slice.begin.push_back((*begin)[axis]);
    slice.end.push_back(*end);
    slice.stride.push_back(1);
  }
  return lowered(slice, {source.inputs[0]});
}

Lowered lower_strided_slice(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 4));
  const auto* options = source.table.builtin_options_as_StridedSliceOptions();
  if (options == nullptr) return missing_options(source);
  if (options->offset()) return unsupported(source, "its ends count from its begins");
  const auto begin = find_integers(find_input(source, 1));
  const auto end = find_integers(find_input(source, 2));
  const auto stride = find_integers(find_input(source, 3));
  if (!begin || !end || !stride) return unsupported(source, "its bounds are computed");
  const SliceMasks masks = {options->begin_mask(), options->end_mask(), options->ellipsis_mask(),
                            options->new_axis_mask(), options->shrink_axis_mask()};
  // Positions are passed on unchanged: Slice, too, counts negative ones from the end and clamps
  // those outside. They cannot be resolved here, because a run may have other sizes than the file
  // states.
  auto plan =
      plan_strided_slice({*begin, *end, *stride, masks}, find_input(source, 0)->shape.size());
  if (!plan) {
    return fail(ErrorKind::Malformed, "{}: STRIDED_SLICE of {}: {}", source.path,
                to_string(find_input(source, 0)->shape), plan.error().message);
  }
  LoweredOperator result;
  result.inputs = {source.inputs[0]};
  if (!plan->reverse.axes.empty()) {
    const TensorId reversed = make_value(source, result, "reversed", 0);
    result.before = {{std::move(plan->reverse), {source.inputs[0]}, {reversed}}};
    result.inputs = {reversed};
  }
  result.op = std::move(plan->slice);
  if (plan->new_axes.axes.empty()) return result;
  result.outputs = {make_value(source, result, "part", 0)};
  result.after = {{std::move(plan->new_axes), result.outputs, source.outputs}};
  return result;
}

Lowered lower_split(const TfliteOperator& source) {
  const bool has_sizes = source.code == tfl::BuiltinOperator::SPLIT_V;
  VP_RETURN_IF_ERROR(check_input_count(source, has_sizes ? 3 : 2));
  const std::size_t x = has_sizes ? 0 : 1;
  const auto axis = find_integer(find_input(source, has_sizes ? 2 : 0));
  if (!axis) return unsupported(source, "its axis is computed");
  Split split;
  if (has_sizes) {
    const auto sizes = find_integers(find_input(source, 1));
    if (!sizes) return unsupported(source, "the sizes of its parts are computed");
    const bool fits = sizes->size() == source.outputs.size() &&
                      std::ranges::count(*sizes, -1) <= 1 &&
                      std::ranges::none_of(*sizes, [](std::int64_t size) { return size < -1; });
    if (!fits) {
      return fail(ErrorKind::Malformed, "{}: SPLIT_V makes parts of {} for {} outputs", source.path,
                  to_string(*sizes), source.outputs.size());
    }
    split.sizes = *sizes;
  }
  VP_ASSIGN_OR_RETURN(split.axis, check_axis(source, *axis, find_input(source, x)->shape.size()));
  return lowered(split, {source.inputs[x]});
}

Lowered lower_reduce(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto axes = find_integers(find_input(source, 1));
  if (!axes) return unsupported(source, "its axes are computed");
  Reduce reduce;
  reduce.kind = find_reduce_kind(source.code).value_or(ReduceKind::Mean);
  VP_ASSIGN_OR_RETURN(reduce.axes, check_axes(source, *axes, find_input(source, 0)->shape.size()));
  std::sort(reduce.axes.begin(), reduce.axes.end());
  reduce.axes.erase(std::unique(reduce.axes.begin(), reduce.axes.end()), reduce.axes.end());
  const bool is_index = reduce.kind == ReduceKind::ArgMax || reduce.kind == ReduceKind::ArgMin;
  if (reduce.axes.empty() && is_index) {
    return fail(ErrorKind::Malformed, "{}: {} has no axis, expected one", source.path,
                tfl::EnumNameBuiltinOperator(source.code));
  }
  // An empty list of axes reduces nothing here, but Reduce would take it as all axes.
  if (reduce.axes.empty()) return lowered(Identity{}, {source.inputs[0]});
  const auto* options = source.table.builtin_options_as_ReducerOptions();
  reduce.keep_dims = options != nullptr && options->keep_dims();
  return lowered(reduce, {source.inputs[0]});
}

/// Inserts an axis of size 1 into each operand and concatenates along it.
Lowered lower_pack(const TfliteOperator& source) {
  const auto* options = source.table.builtin_options_as_PackOptions();
  if (options == nullptr) return missing_options(source);
  VP_RETURN_IF_ERROR(check_positive(source, "values_count", options->values_count()));
  const auto count = static_cast<std::size_t>(options->values_count());
  VP_RETURN_IF_ERROR(check_operand_counts(source, count, 1));
  const std::size_t rank = find_input(source, 0)->shape.size();
  VP_ASSIGN_OR_RETURN(const int axis, check_axis(source, options->axis(), rank + 1));
  LoweredOperator result;
  for (std::size_t slot = 0; slot < count; ++slot) {
    VP_RETURN_IF_ERROR(check_same_type(source, 0, slot));
    if (find_input(source, slot)->shape.size() != rank) {
      return fail(ErrorKind::Malformed, "{}: PACK stacks {} and {}", source.path,
                  to_string(find_input(source, 0)->shape),
                  to_string(find_input(source, slot)->shape));
    }
    const TensorId part = make_value(source, result, "part", slot);
    result.before.push_back({ExpandDims{{axis}}, {source.inputs[slot]}, {part}});
    result.inputs.push_back(part);
  }
  result.op = Concat{axis, FusedActivation::None};
  return result;
}

/// Splits into parts of one element along the axis, and drops the axis from each.
Lowered lower_unpack(const TfliteOperator& source) {
  const auto* options = source.table.builtin_options_as_UnpackOptions();
  if (options == nullptr) return missing_options(source);
  VP_RETURN_IF_ERROR(check_positive(source, "num", options->num()));
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, static_cast<std::size_t>(options->num())));
  VP_ASSIGN_OR_RETURN(const int axis,
                      check_axis(source, options->axis(), find_input(source, 0)->shape.size()));
  LoweredOperator result;
  result.op = Split{axis};
  result.inputs = source.inputs;
  for (const TensorId output : source.outputs) {
    result.outputs.push_back(make_value(source, result, "part", 0));
    result.after.push_back({Squeeze{{axis}}, {result.outputs.back()}, {output}});
  }
  return result;
}

Lowered lower_tile(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  VP_RETURN_IF_ERROR(check_index_type(source, 1));
  const auto multiples = find_integers(find_input(source, 1));
  if (!multiples) return unsupported(source, "its multiples are computed");
  const std::size_t rank = find_input(source, 0)->shape.size();
  const bool has_negative =
      std::any_of(multiples->begin(), multiples->end(), [](std::int64_t m) { return m < 0; });
  if (multiples->size() != rank || has_negative) {
    return fail(ErrorKind::Malformed, "{}: TILE repeats {} by {}", source.path,
                to_string(find_input(source, 0)->shape), to_string(*multiples));
  }
  return lowered(Tile{*multiples}, {source.inputs[0]});
}

/// Gives x as many axes as the target has, and repeats it along those where it has one element.
Lowered lower_broadcast_to(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  VP_RETURN_IF_ERROR(check_index_type(source, 1));
  auto target = find_integers(find_input(source, 1));
  if (!target && !find_input(source, 1)->is_constant()) target = stated_shape(source);
  Shape x = find_input(source, 0)->shape;
  const std::size_t rank = x.size();
  const bool is_stated = target && target->size() >= std::max<std::size_t>(rank, 1);
  if (!is_stated) return unsupported(source, "its target shape is computed");
  x.insert(x.begin(), target->size() - rank, 1);
  Tile tile;
  for (std::size_t axis = 0; axis < x.size(); ++axis) {
    const std::int64_t wanted = (*target)[axis];
    const bool is_open = wanted < 0 || x[axis] < 0;
    if (is_open && wanted != x[axis] && wanted != 1) {
      return unsupported(source,
                         fmt::format("it repeats {} to {}", to_string(x), to_string(*target)));
    }
    if (!is_open && x[axis] != 1 && x[axis] != wanted) {
      return fail(ErrorKind::Malformed, "{}: BROADCAST_TO repeats {} to {}", source.path,
                  to_string(find_input(source, 0)->shape), to_string(*target));
    }
    tile.multiples.push_back(!is_open && x[axis] == 1 ? wanted : 1);
  }
  LoweredOperator result;
  result.op = tile;
  result.inputs = {source.inputs[0]};
  if (x.size() == rank) return result;
  const TensorId widened = make_value(source, result, "widened", 0);
  std::vector<int> axes(x.size() - rank);
  std::iota(axes.begin(), axes.end(), 0);
  result.before = {{ExpandDims{axes}, {source.inputs[0]}, {widened}}};
  result.inputs = {widened};
  return result;
}

/// Gives one value as many axes as the result has, and repeats it along each.
Lowered lower_fill(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  VP_RETURN_IF_ERROR(check_index_type(source, 0));
  const auto sizes = find_integers(find_input(source, 0));
  if (!sizes) return unsupported(source, "its shape is computed");
  if (std::any_of(sizes->begin(), sizes->end(), [](std::int64_t size) { return size < 0; }))
    return fail(ErrorKind::Malformed, "{}: FILL makes {}", source.path, to_string(*sizes));
  LoweredOperator result;
  const TensorId value = make_value(source, result, "value", 1);
  result.before = {{Reshape{Shape(sizes->size(), 1)}, {source.inputs[1]}, {value}}};
  result.op = Tile{*sizes};
  result.inputs = {value};
  return result;
}

/// Lowers to a copy of values that are computed here.
Lowered lower_range(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 3, 1));
  VP_RETURN_IF_ERROR(check_same_type(source, 0, 1));
  VP_RETURN_IF_ERROR(check_same_type(source, 0, 2));
  const auto start = find_number(source, 0);
  const auto limit = find_number(source, 1);
  const auto step = find_number(source, 2);
  if (!start || !limit || !step) return unsupported(source, "its bounds are computed");
  const double count = *step == 0.0 ? -1.0 : std::ceil((*limit - *start) / *step);
  // The negated comparison also rejects NaN.
  if (*step == 0.0 || !(count >= 0.0)) {
    return fail(ErrorKind::Malformed, "{}: RANGE counts from {} to {} in steps of {}", source.path,
                *start, *limit, *step);
  }
  if (count == 0.0 || count > kMostCounted) {
    return unsupported(
        source, fmt::format("it gives {:.0f} values, 1 to {:.0f} are run", count, kMostCounted));
  }
  Tensor values;
  values.name = source.graph.tensor(source.outputs[0]).name + "/values";
  values.dtype = find_input(source, 0)->dtype;
  values.shape = {static_cast<std::int64_t>(count)};
  const auto size = static_cast<std::size_t>(count);
  values.literal.resize(size);
  for (std::size_t i = 0; i < size; ++i)
    values.literal[i] = static_cast<float>(*start + static_cast<double>(i) * *step);
  LoweredOperator result;
  result.op = Identity{};
  result.inputs = {make_value(source, result, std::move(values))};
  return result;
}

Lowered lower_rank(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  Tensor rank;
  rank.name = source.graph.tensor(source.outputs[0]).name + "/value";
  rank.dtype = DType::Int32;
  rank.literal = {static_cast<float>(find_input(source, 0)->shape.size())};
  LoweredOperator result;
  result.op = Identity{};
  result.inputs = {make_value(source, result, std::move(rank))};
  return result;
}

/// x and nothing: 0 for every x, also for NaN.
Lowered lower_zeros_like(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  Tensor zero;
  zero.name = source.graph.tensor(source.outputs[0]).name + "/zero";
  zero.dtype = find_input(source, 0)->dtype;
  zero.literal = {0.0F};
  LoweredOperator result;
  result.op = Binary{BinaryKind::LogicalAnd, FusedActivation::None};
  result.inputs = {source.inputs[0], make_value(source, result, std::move(zero))};
  return result;
}

Lowered lower_reverse(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  const auto axes = find_integers(find_input(source, 1));
  if (!axes) return unsupported(source, "its axes are computed");
  Reverse reverse;
  VP_ASSIGN_OR_RETURN(reverse.axes, check_axes(source, *axes, find_input(source, 0)->shape.size()));
  return lowered(std::move(reverse), {source.inputs[0]});
}

Lowered lower_cumulative_sum(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  const auto* options = source.table.builtin_options_as_CumsumOptions();
  if (options == nullptr) return missing_options(source);
  const auto wanted = find_integer(find_input(source, 1));
  if (!wanted) return unsupported(source, "its axis is computed");
  VP_ASSIGN_OR_RETURN(const int axis,
                      check_axis(source, *wanted, find_input(source, 0)->shape.size()));
  return lowered(CumulativeSum{axis, options->exclusive(), options->reverse()}, {source.inputs[0]});
}

Lowered lower_shape_of(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  return lowered(ShapeOf{}, source.inputs);
}

}  // namespace visionpress::tflite
