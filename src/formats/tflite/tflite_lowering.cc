#include "formats/tflite/tflite_lowering.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/half.h"

namespace visionpress {
namespace {

using Lowered = Result<LoweredOperator>;
using Code = tfl::BuiltinOperator;

/// Axes, sizes and paddings: no operator has more than this many of them.
constexpr std::size_t kMaxParameterCount = 64;

const Tensor* find_input(const TfliteOperator& source, std::size_t slot) {
  if (slot >= source.inputs.size() || source.inputs[slot] == kNoTensor) return nullptr;
  return &source.graph.tensor(source.inputs[slot]);
}

Lowered unsupported(const TfliteOperator& source, std::string why) {
  return LoweredOperator{Unsupported{std::move(why)}, source.inputs};
}

Lowered lowered(Op op, std::vector<TensorId> inputs) {
  return LoweredOperator{std::move(op), std::move(inputs)};
}

Lowered lowered_unary(const TfliteOperator& source, UnaryKind kind, float alpha = 0.0F,
                      float beta = 0.0F) {
  return lowered(Unary{kind, alpha, beta}, {source.inputs[0]});
}

Result<void> check_input_count(const TfliteOperator& source, std::size_t count) {
  for (std::size_t slot = 0; slot < count; ++slot) {
    if (find_input(source, slot) == nullptr) {
      return fail(ErrorKind::Malformed, "{}: {} needs {} inputs, input {} is missing", source.path,
                  source.type, count, slot);
    }
  }
  return {};
}

tl::unexpected<Error> missing_options(const TfliteOperator& source) {
  return fail(ErrorKind::Malformed, "{}: {} has no options of its own kind", source.path,
              source.type);
}

Result<void> check_positive(const TfliteOperator& source, const char* what, std::int64_t value) {
  if (value >= 1) return {};
  return fail(ErrorKind::Malformed, "{}: {} has {} {}, expected at least 1", source.path,
              source.type, what, value);
}

std::optional<FusedActivation> find_activation(tfl::Activation activation) {
  switch (activation) {
    case tfl::Activation::NONE:
      return FusedActivation::None;
    case tfl::Activation::RELU:
      return FusedActivation::Relu;
    case tfl::Activation::RELU6:
      return FusedActivation::Relu6;
    case tfl::Activation::RELU_N1_TO_1:
      return FusedActivation::ReluN1To1;
    case tfl::Activation::TANH:
      return FusedActivation::Tanh;
    default:
      return std::nullopt;
  }
}

std::string activation_reason(tfl::Activation activation) {
  return fmt::format("its fused activation is number {}", static_cast<int>(activation));
}

SpatialPadding padding_of(tfl::Padding padding) {
  SpatialPadding result;
  result.rule = padding == tfl::Padding::SAME ? PadRule::SameUpper : PadRule::Explicit;
  return result;
}

/// The values of an INT32 or INT64 constant; nothing when the tensor is computed or of another
/// type.
std::optional<std::vector<std::int64_t>> find_integers(const Tensor* tensor) {
  if (tensor == nullptr || tensor->constant.empty()) return std::nullopt;
  const std::size_t width = element_bytes(tensor->dtype);
  if (tensor->dtype != DType::Int32 && tensor->dtype != DType::Int64) return std::nullopt;
  if (tensor->constant.size() / width > kMaxParameterCount) return std::nullopt;
  std::vector<std::int64_t> values;
  for (std::size_t at = 0; at + width <= tensor->constant.size(); at += width) {
    values.push_back(width == 4 ? load_le<std::int32_t>(tensor->constant, at)
                                : load_le<std::int64_t>(tensor->constant, at));
  }
  return values;
}

std::optional<std::int64_t> find_integer(const Tensor* tensor) {
  const auto values = find_integers(tensor);
  if (!values || values->size() != 1) return std::nullopt;
  return values->front();
}

std::optional<float> find_float(const TfliteOperator& source, std::size_t slot) {
  const Tensor* tensor = find_input(source, slot);
  if (tensor == nullptr || !tensor->weight) return std::nullopt;
  const WeightRef& stored = source.graph.weights[*tensor->weight].stored;
  if (stored.code.encoding == Encoding::Float32 && stored.payload.size() == 4) {
    return load_le<float>(stored.payload, 0);
  }
  if (stored.code.encoding == Encoding::Float16 && stored.payload.size() == 2) {
    return half_to_float(load_le<std::uint16_t>(stored.payload, 0));
  }
  return std::nullopt;
}

/// An axis as a count from the outermost; Malformed outside -rank..rank-1.
Result<int> check_axis(const TfliteOperator& source, std::int64_t axis, std::size_t rank) {
  const auto limit = static_cast<std::int64_t>(rank);
  if (axis < -limit || axis >= limit) {
    return fail(ErrorKind::Malformed, "{}: {} has axis {}, its tensor has {} axes", source.path,
                source.type, axis, rank);
  }
  return static_cast<int>(axis < 0 ? axis + limit : axis);
}

Result<std::vector<int>> check_axes(const TfliteOperator& source,
                                    const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<int> result;
  for (const std::int64_t axis : axes) {
    VP_ASSIGN_OR_RETURN(const int checked, check_axis(source, axis, rank));
    result.push_back(checked);
  }
  return result;
}

/// x, kernel and the bias, which may be absent.
std::vector<TensorId> kernel_inputs(const TfliteOperator& source, std::size_t x, std::size_t kernel,
                                    std::size_t bias) {
  std::vector<TensorId> inputs = {source.inputs[x], source.inputs[kernel]};
  if (find_input(source, bias) != nullptr) inputs.push_back(source.inputs[bias]);
  return inputs;
}

/// The kernel is stored in 8 bits or fewer and read as such: the runtime quantizes the activations.
bool is_hybrid(const TfliteOperator& source, std::size_t kernel) {
  const Tensor* tensor = find_input(source, kernel);
  return tensor->weight && tensor->dtype != DType::Float32 && tensor->dtype != DType::Float16 &&
         source.graph.weights[*tensor->weight].stored.code.encoding == Encoding::Linear;
}

Result<void> check_image(const TfliteOperator& source, std::size_t slot) {
  const Tensor* tensor = find_input(source, slot);
  if (tensor->shape.size() == 4) return {};
  return fail(ErrorKind::Malformed, "{}: {} reads \"{}\" of shape {}, expected 4 axes", source.path,
              source.type, tensor->name, to_string(tensor->shape));
}

Lowered lower_conv(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  VP_RETURN_IF_ERROR(check_image(source, 1));
  const auto* options = source.table.builtin_options_as_Conv2DOptions();
  if (options == nullptr) return missing_options(source);
  VP_RETURN_IF_ERROR(
      check_positive(source, "stride", std::min(options->stride_h(), options->stride_w())));
  VP_RETURN_IF_ERROR(
      check_positive(source, "dilation", std::min(options->dilation_h(), options->dilation_w())));
  const auto activation = find_activation(options->activation());
  if (!activation) return unsupported(source, activation_reason(options->activation()));
  const std::int64_t channels = find_input(source, 0)->shape[3];
  const std::int64_t kernel_channels = find_input(source, 1)->shape[3];
  if (kernel_channels < 1 || channels < 1 || channels % kernel_channels != 0) {
    return fail(ErrorKind::Malformed, "{}: CONV_2D has {} input channels, its kernel reads {}",
                source.path, channels, kernel_channels);
  }
  Conv2d conv;
  conv.stride = {options->stride_h(), options->stride_w()};
  conv.dilation = {options->dilation_h(), options->dilation_w()};
  conv.padding = padding_of(options->padding());
  conv.groups = channels / kernel_channels;
  conv.kernel_layout = KernelLayout::Ohwi;
  conv.activation = *activation;
  conv.dynamic_range = is_hybrid(source, 1);
  return lowered(conv, kernel_inputs(source, 0, 1, 2));
}

Lowered lower_depthwise(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  VP_RETURN_IF_ERROR(check_image(source, 1));
  const auto* options = source.table.builtin_options_as_DepthwiseConv2DOptions();
  if (options == nullptr) return missing_options(source);
  VP_RETURN_IF_ERROR(
      check_positive(source, "stride", std::min(options->stride_h(), options->stride_w())));
  VP_RETURN_IF_ERROR(
      check_positive(source, "dilation", std::min(options->dilation_h(), options->dilation_w())));
  const auto activation = find_activation(options->activation());
  if (!activation) return unsupported(source, activation_reason(options->activation()));
  const std::int64_t channels = find_input(source, 0)->shape[3];
  const Shape& kernel = find_input(source, 1)->shape;
  if (channels < 1 || kernel[0] != 1 || kernel[3] < 1 || kernel[3] % channels != 0) {
    return fail(ErrorKind::Malformed,
                "{}: DEPTHWISE_CONV_2D has {} input channels and a kernel of shape {}", source.path,
                channels, to_string(kernel));
  }
  Conv2d conv;
  conv.stride = {options->stride_h(), options->stride_w()};
  conv.dilation = {options->dilation_h(), options->dilation_w()};
  conv.padding = padding_of(options->padding());
  conv.groups = 0;
  conv.kernel_layout = KernelLayout::Hwo;
  conv.activation = *activation;
  conv.dynamic_range = is_hybrid(source, 1);
  return lowered(conv, kernel_inputs(source, 0, 1, 2));
}

Lowered lower_transpose_conv(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 3));
  VP_RETURN_IF_ERROR(check_image(source, 1));
  VP_RETURN_IF_ERROR(check_image(source, 2));
  const auto* options = source.table.builtin_options_as_TransposeConvOptions();
  if (options == nullptr) return missing_options(source);
  VP_RETURN_IF_ERROR(
      check_positive(source, "stride", std::min(options->stride_h(), options->stride_w())));
  const auto activation = find_activation(options->activation());
  if (!activation) return unsupported(source, activation_reason(options->activation()));
  const auto size = find_integers(find_input(source, 0));
  if (!size || size->size() != 4) return unsupported(source, "its output shape is computed");
  Conv2d conv;
  conv.stride = {options->stride_h(), options->stride_w()};
  conv.padding = padding_of(options->padding());
  conv.kernel_layout = KernelLayout::Ohwi;
  conv.transposed = true;
  conv.output_size = {(*size)[1], (*size)[2]};
  VP_RETURN_IF_ERROR(check_positive(source, "output size", std::min((*size)[1], (*size)[2])));
  conv.activation = *activation;
  conv.dynamic_range = is_hybrid(source, 1);
  return lowered(conv, kernel_inputs(source, 2, 1, 3));
}

Lowered lower_fully_connected(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto* options = source.table.builtin_options_as_FullyConnectedOptions();
  if (options == nullptr) return missing_options(source);
  const auto activation = find_activation(options->activation());
  if (!activation) return unsupported(source, activation_reason(options->activation()));
  if (options->weights_format() != tfl::WeightsFormat::DEFAULT) {
    return unsupported(source, "its weights are shuffled");
  }
  if (find_input(source, 1)->shape.size() != 2) {
    return fail(ErrorKind::Malformed,
                "{}: FULLY_CONNECTED has weights of shape {}, expected 2 axes", source.path,
                to_string(find_input(source, 1)->shape));
  }
  FullyConnected connected;
  connected.activation = *activation;
  connected.dynamic_range = is_hybrid(source, 1);
  connected.asymmetric_inputs = options->asymmetric_quantize_inputs();
  connected.keep_dims = options->keep_num_dims();
  return lowered(connected, kernel_inputs(source, 0, 1, 2));
}

Lowered lower_pool(const TfliteOperator& source, PoolKind kind) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  const auto* options = source.table.builtin_options_as_Pool2DOptions();
  if (options == nullptr) return missing_options(source);
  VP_RETURN_IF_ERROR(
      check_positive(source, "stride", std::min(options->stride_h(), options->stride_w())));
  VP_RETURN_IF_ERROR(check_positive(source, "filter size",
                                    std::min(options->filter_height(), options->filter_width())));
  const auto activation = find_activation(options->activation());
  if (!activation) return unsupported(source, activation_reason(options->activation()));
  Pool2d pool;
  pool.kind = kind;
  pool.kernel = {options->filter_height(), options->filter_width()};
  pool.stride = {options->stride_h(), options->stride_w()};
  pool.padding = padding_of(options->padding());
  pool.activation = *activation;
  return lowered(pool, {source.inputs[0]});
}

/// MAXIMUM and MINIMUM have no activation; a missing table means none for the others too, as the
/// runtime reads it.
tfl::Activation binary_activation(const TfliteOperator& source) {
  if (const auto* add = source.table.builtin_options_as_AddOptions()) return add->activation();
  if (const auto* sub = source.table.builtin_options_as_SubOptions()) return sub->activation();
  if (const auto* mul = source.table.builtin_options_as_MulOptions()) return mul->activation();
  if (const auto* div = source.table.builtin_options_as_DivOptions()) return div->activation();
  return tfl::Activation::NONE;
}

Lowered lower_binary(const TfliteOperator& source, BinaryKind kind) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto activation = find_activation(binary_activation(source));
  if (!activation) return unsupported(source, activation_reason(binary_activation(source)));
  return lowered(Binary{kind, *activation}, {source.inputs[0], source.inputs[1]});
}

Lowered lower_unary(const TfliteOperator& source, UnaryKind kind, float alpha = 0.0F,
                    float beta = 0.0F) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  return lowered_unary(source, kind, alpha, beta);
}

Lowered lower_leaky_relu(const TfliteOperator& source) {
  const auto* options = source.table.builtin_options_as_LeakyReluOptions();
  if (options == nullptr) return missing_options(source);
  return lower_unary(source, UnaryKind::LeakyRelu, options->alpha());
}

Lowered lower_prelu(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const Shape& slopes = find_input(source, 1)->shape;
  const bool by_channel =
      std::all_of(slopes.begin(), slopes.empty() ? slopes.end() : slopes.end() - 1,
                  [](std::int64_t size) { return size == 1; });
  if (!by_channel) {
    return unsupported(source, fmt::format("its slopes have shape {}", to_string(slopes)));
  }
  return lowered(Prelu{}, {source.inputs[0], source.inputs[1]});
}

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

Lowered lower_pad(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto sizes = find_integers(find_input(source, 1));
  if (!sizes) return unsupported(source, "its paddings are computed");
  const std::size_t rank = find_input(source, 0)->shape.size();
  if (sizes->size() != 2 * rank) {
    return fail(ErrorKind::Malformed, "{}: {} has {} paddings, its input has {} axes", source.path,
                source.type, sizes->size(), rank);
  }
  Pad pad;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    pad.before.push_back((*sizes)[2 * axis]);
    pad.after.push_back((*sizes)[2 * axis + 1]);
    if (std::min(pad.before.back(), pad.after.back()) < 0) {
      return fail(ErrorKind::Malformed, "{}: {} has a negative padding of axis {}", source.path,
                  source.type, axis);
    }
  }
  if (source.code == Code::MIRROR_PAD) {
    const auto* options = source.table.builtin_options_as_MirrorPadOptions();
    if (options == nullptr) return missing_options(source);
    pad.mode =
        options->mode() == tfl::MirrorPadMode::REFLECT ? PadMode::Reflect : PadMode::Symmetric;
  }
  if (source.code == Code::PADV2) {
    const auto value = find_float(source, 2);
    if (!value) return unsupported(source, "its padding value is no float constant");
    pad.value = *value;
  }
  return lowered(pad, {source.inputs[0]});
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

bool has_bit(std::int32_t mask, std::size_t bit) {
  return bit < 32 && (static_cast<std::uint32_t>(mask) >> bit & 1U) != 0;
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
  const bool has_sizes = source.code == Code::SPLIT_V;
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

Lowered lower_resize(const TfliteOperator& source, ResizeKind kind) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  const auto size = find_integers(find_input(source, 1));
  if (!size || size->size() != 2) return unsupported(source, "its size is computed");
  VP_RETURN_IF_ERROR(check_positive(source, "size", std::min((*size)[0], (*size)[1])));
  bool align_corners = false;
  bool half_pixel = false;
  if (const auto* bilinear = source.table.builtin_options_as_ResizeBilinearOptions()) {
    align_corners = bilinear->align_corners();
    half_pixel = bilinear->half_pixel_centers();
  }
  if (const auto* nearest = source.table.builtin_options_as_ResizeNearestNeighborOptions()) {
    align_corners = nearest->align_corners();
    half_pixel = nearest->half_pixel_centers();
  }
  Resize resize;
  resize.kind = kind;
  resize.size = {(*size)[0], (*size)[1]};
  if (half_pixel) resize.grid = ResizeGrid::HalfPixel;
  if (align_corners) resize.grid = ResizeGrid::AlignCorners;
  return lowered(resize, {source.inputs[0]});
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

Lowered lower_space_depth(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  std::int64_t block = 0;
  SpaceDepth space;
  if (const auto* to_depth = source.table.builtin_options_as_SpaceToDepthOptions()) {
    space.kind = SpaceDepthKind::SpaceToDepth;
    block = to_depth->block_size();
  } else if (const auto* to_space = source.table.builtin_options_as_DepthToSpaceOptions()) {
    block = to_space->block_size();
  } else {
    return missing_options(source);
  }
  VP_RETURN_IF_ERROR(check_positive(source, "block size", block));
  space.block = block;
  return lowered(space, {source.inputs[0]});
}

Lowered lower_elementwise(const TfliteOperator& source) {
  switch (source.code) {
    case Code::RELU:
      return lower_unary(source, UnaryKind::Relu);
    case Code::RELU6:
      return lower_unary(source, UnaryKind::Relu6);
    case Code::RELU_N1_TO_1:
      return lower_unary(source, UnaryKind::ReluN1To1);
    case Code::RELU_0_TO_1:
      return lower_unary(source, UnaryKind::Clip, 0.0F, 1.0F);
    case Code::LEAKY_RELU:
      return lower_leaky_relu(source);
    case Code::PRELU:
      return lower_prelu(source);
    case Code::LOGISTIC:
      return lower_unary(source, UnaryKind::Sigmoid);
    case Code::TANH:
      return lower_unary(source, UnaryKind::Tanh);
    case Code::HARD_SWISH:
      return lower_unary(source, UnaryKind::HardSwish);
    case Code::ELU:
      return lower_unary(source, UnaryKind::Elu, 1.0F);
    case Code::EXP:
      return lower_unary(source, UnaryKind::Exp);
    case Code::LOG:
      return lower_unary(source, UnaryKind::Log);
    case Code::SQRT:
      return lower_unary(source, UnaryKind::Sqrt);
    case Code::RSQRT:
      return lower_unary(source, UnaryKind::Rsqrt);
    case Code::SQUARE:
      return lower_unary(source, UnaryKind::Square);
    case Code::ABS:
      return lower_unary(source, UnaryKind::Abs);
    case Code::NEG:
      return lower_unary(source, UnaryKind::Negate);
    case Code::FLOOR:
      return lower_unary(source, UnaryKind::Floor);
    case Code::CEIL:
      return lower_unary(source, UnaryKind::Ceil);
    case Code::ADD:
      return lower_binary(source, BinaryKind::Add);
    case Code::SUB:
      return lower_binary(source, BinaryKind::Subtract);
    case Code::MUL:
      return lower_binary(source, BinaryKind::Multiply);
    case Code::DIV:
      return lower_binary(source, BinaryKind::Divide);
    case Code::MAXIMUM:
      return lower_binary(source, BinaryKind::Maximum);
    case Code::MINIMUM:
      return lower_binary(source, BinaryKind::Minimum);
    default:
      return unsupported(source, "there is no kernel for this operator");
  }
}

Lowered lower_known(const TfliteOperator& source) {
  switch (source.code) {
    case Code::CONV_2D:
      return lower_conv(source);
    case Code::DEPTHWISE_CONV_2D:
      return lower_depthwise(source);
    case Code::TRANSPOSE_CONV:
      return lower_transpose_conv(source);
    case Code::FULLY_CONNECTED:
      return lower_fully_connected(source);
    case Code::MAX_POOL_2D:
      return lower_pool(source, PoolKind::Max);
    case Code::AVERAGE_POOL_2D:
      return lower_pool(source, PoolKind::Average);
    case Code::L2_POOL_2D:
      return lower_pool(source, PoolKind::L2);
    case Code::SOFTMAX:
      return lower_softmax(source);
    case Code::CONCATENATION:
      return lower_concatenation(source);
    case Code::RESHAPE:
      return lower_reshape(source);
    case Code::SQUEEZE:
      return lower_squeeze(source);
    case Code::EXPAND_DIMS:
      return lower_expand_dims(source);
    case Code::TRANSPOSE:
      return lower_transpose(source);
    case Code::PAD:
    case Code::PADV2:
    case Code::MIRROR_PAD:
      return lower_pad(source);
    case Code::SLICE:
      return lower_slice(source);
    case Code::STRIDED_SLICE:
      return lower_strided_slice(source);
    case Code::SPLIT:
    case Code::SPLIT_V:
      return lower_split(source);
    case Code::RESIZE_BILINEAR:
      return lower_resize(source, ResizeKind::Bilinear);
    case Code::RESIZE_NEAREST_NEIGHBOR:
      return lower_resize(source, ResizeKind::Nearest);
    case Code::MEAN:
      return lower_reduce(source, ReduceKind::Mean);
    case Code::SUM:
      return lower_reduce(source, ReduceKind::Sum);
    case Code::REDUCE_PROD:
      return lower_reduce(source, ReduceKind::Product);
    case Code::REDUCE_MAX:
      return lower_reduce(source, ReduceKind::Maximum);
    case Code::REDUCE_MIN:
      return lower_reduce(source, ReduceKind::Minimum);
    case Code::ARG_MAX:
      return lower_reduce(source, ReduceKind::ArgMax);
    case Code::ARG_MIN:
      return lower_reduce(source, ReduceKind::ArgMin);
    case Code::SPACE_TO_DEPTH:
    case Code::DEPTH_TO_SPACE:
      return lower_space_depth(source);
    default:
      return lower_elementwise(source);
  }
}

/// Why the numbers this operator works on are not ours to compute; empty when they are floats.
std::string integer_reason(const TfliteOperator& source) {
  for (const std::vector<TensorId>* ids : {&source.inputs, &source.outputs}) {
    for (const TensorId id : *ids) {
      if (id == kNoTensor || source.graph.tensor(id).is_constant()) continue;
      const DType dtype = source.graph.tensor(id).dtype;
      if (dtype == DType::Int8 || dtype == DType::UInt8) {
        return "its activations are 8-bit integers";
      }
      if (dtype == DType::Int16) return "its activations are 16-bit integers";
    }
  }
  return {};
}

/// Every operand must be float32, but for a kernel that the runtime takes in 8 bits.
std::string operand_reason(const TfliteOperator& source, const LoweredOperator& result) {
  const auto* conv = std::get_if<Conv2d>(&result.op);
  const auto* connected = std::get_if<FullyConnected>(&result.op);
  const bool hybrid = (conv != nullptr && conv->dynamic_range) ||
                      (connected != nullptr && connected->dynamic_range);
  for (std::size_t slot = 0; slot < result.inputs.size(); ++slot) {
    const Tensor& tensor = source.graph.tensor(result.inputs[slot]);
    if (tensor.dtype == DType::Float32 || (hybrid && slot == 1)) continue;
    return fmt::format("its input \"{}\" is {}", tensor.name, name_of(tensor.dtype));
  }
  return {};
}

}  // namespace

Result<LoweredOperator> lower_operator(const TfliteOperator& source) {
  if (source.outputs.empty()) {
    return fail(ErrorKind::Malformed, "{}: {} has no output", source.path, source.type);
  }
  if (std::string reason = integer_reason(source); !reason.empty()) {
    return unsupported(source, std::move(reason));
  }
  VP_ASSIGN_OR_RETURN(LoweredOperator result, lower_known(source));
  if (std::holds_alternative<Unsupported>(result.op)) return result;
  if (std::string reason = operand_reason(source, result); !reason.empty()) {
    return unsupported(source, std::move(reason));
  }
  return result;
}

}  // namespace visionpress
