#include <algorithm>
#include <functional>
#include <limits>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

bool has_bit(std::int32_t mask, std::size_t bit) {
  return bit < 32 && (static_cast<std::uint32_t>(mask) >> bit & 1U) != 0;
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
  const auto activation = find_activation(options->activation());
  if (!activation) return unsupported(source, activation_reason(options->activation()));
  VP_ASSIGN_OR_RETURN(const int axis,
                      check_axis(source, options->axis(), find_input(source, 0)->shape.size()));
  return lowered(Concat{axis, *activation}, source.inputs);
}

/// The shape comes from the second input, else from the options, else it is the result's own.
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
    // Early converters wrote a scalar's shape as the one number 0.
    if (reshape.target == Shape{0}) reshape.target.clear();
  } else if (wanted != nullptr && element_count(wanted->shape).value_or(1) != 0) {
    return unsupported(source, "its target shape is computed");
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
                "{}: TRANSPOSE has a permutation of {} axes, its input has {}", source.path,
                sorted.size(), rank);
  }
  return lowered(transpose, {source.inputs[0]});
}

Lowered lower_slice(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 3));
  const auto begin = find_integers(find_input(source, 1));
  const auto size = find_integers(find_input(source, 2));
  if (!begin || !size) return unsupported(source, "its bounds are computed");
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
  if (options->ellipsis_mask() != 0 || options->new_axis_mask() != 0) {
    return unsupported(source, "it has an ellipsis or a new axis");
  }
  const auto begin = find_integers(find_input(source, 1));
  const auto end = find_integers(find_input(source, 2));
  const auto stride = find_integers(find_input(source, 3));
  if (!begin || !end || !stride) return unsupported(source, "its bounds are computed");
  const Shape& shape = find_input(source, 0)->shape;
  if (begin->size() > shape.size() || end->size() != begin->size() ||
      stride->size() != begin->size()) {
    return fail(ErrorKind::Malformed,
                "{}: STRIDED_SLICE has {} begins, {} ends and {} strides, its input has {} axes",
                source.path, begin->size(), end->size(), stride->size(), shape.size());
  }
  Slice slice;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const bool given = axis < begin->size();
    const std::int64_t size = shape[axis];
    if (size < 0) return unsupported(source, "its input's shape is open");
    if (given && (*stride)[axis] < 1) return unsupported(source, "a stride is negative");
    // Negative positions count from the end; what is outside is cut off.
    const auto place = [size](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
    };
    const bool open_begin = !given || has_bit(options->begin_mask(), axis);
    const bool open_end = !given || has_bit(options->end_mask(), axis);
    slice.begin.push_back(open_begin ? 0 : place((*begin)[axis]));
    slice.end.push_back(open_end ? size : place((*end)[axis]));
    slice.stride.push_back(given ? (*stride)[axis] : 1);
    if (given && has_bit(options->shrink_axis_mask(), axis)) {
      slice.end.back() = slice.begin.back() + 1;
      slice.stride.back() = 1;
      slice.squeeze_axes.push_back(static_cast<int>(axis));
    }
  }
  return lowered(slice, {source.inputs[0]});
}

Lowered lower_split(const TfliteOperator& source) {
  const bool has_sizes = source.code == tfl::BuiltinOperator::SPLIT_V;
  VP_RETURN_IF_ERROR(check_input_count(source, has_sizes ? 3 : 2));
  const std::size_t x = has_sizes ? 0 : 1;
  const auto axis = find_integer(find_input(source, has_sizes ? 2 : 0));
  if (!axis) return unsupported(source, "its axis is computed");
  if (has_sizes) {
    const auto sizes = find_integers(find_input(source, 1));
    if (!sizes ||
        std::adjacent_find(sizes->begin(), sizes->end(), std::not_equal_to<>()) != sizes->end()) {
      return unsupported(source, "its parts are of unequal size");
    }
  }
  VP_ASSIGN_OR_RETURN(const int checked,
                      check_axis(source, *axis, find_input(source, x)->shape.size()));
  return lowered(Split{checked}, {source.inputs[x]});
}

Lowered lower_reduce(const TfliteOperator& source, ReduceKind kind) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto axes = find_integers(find_input(source, 1));
  if (!axes) return unsupported(source, "its axes are computed");
  Reduce reduce;
  reduce.kind = kind;
  VP_ASSIGN_OR_RETURN(reduce.axes, check_axes(source, *axes, find_input(source, 0)->shape.size()));
  std::sort(reduce.axes.begin(), reduce.axes.end());
  reduce.axes.erase(std::unique(reduce.axes.begin(), reduce.axes.end()), reduce.axes.end());
  const auto* options = source.table.builtin_options_as_ReducerOptions();
  reduce.keep_dims = options != nullptr && options->keep_dims();
  return lowered(reduce, {source.inputs[0]});
}

}  // namespace visionpress::tflite
