#include <algorithm>

#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

/// The inputs x, kernel and, if present, bias.
std::vector<TensorId> kernel_inputs(const TfliteOperator& source, std::size_t x, std::size_t kernel,
                                    std::size_t bias) {
  std::vector<TensorId> inputs = {source.inputs[x], source.inputs[kernel]};
  if (find_input(source, bias) != nullptr) inputs.push_back(source.inputs[bias]);
  return inputs;
}

/// Whether the kernel is stored in 8 bits or fewer and read in that form, so that the runtime
/// quantizes the activations.
bool is_hybrid(const TfliteOperator& source, std::size_t kernel) {
  const Tensor* tensor = find_input(source, kernel);
  const TensorId x = source.inputs[source.code == tfl::BuiltinOperator::TRANSPOSE_CONV ? 2 : 0];
  if (source.graph.tensor(x).dtype != DType::Float32) return false;
  return tensor->weight && tensor->dtype != DType::Float32 && tensor->dtype != DType::Float16 &&
         source.graph.weights[*tensor->weight].stored.code.encoding == Encoding::Linear;
}

Result<std::int64_t> count_groups(const TfliteOperator& source) {
  const std::int64_t channels = find_input(source, 0)->shape[3];
  const std::int64_t kernel_channels = find_input(source, 1)->shape[3];
  if (kernel_channels < 1 || channels < 1 || channels % kernel_channels != 0) {
    return fail(ErrorKind::Malformed, "{}: CONV_2D has {} input channels, its kernel reads {}",
                source.path, channels, kernel_channels);
  }
  return channels / kernel_channels;
}

Result<void> check_depthwise(const TfliteOperator& source) {
  const std::int64_t channels = find_input(source, 0)->shape[3];
  const Shape& kernel = find_input(source, 1)->shape;
  if (channels < 1 || kernel[0] != 1 || kernel[3] < 1 || kernel[3] % channels != 0) {
    return fail(ErrorKind::Malformed,
                "{}: DEPTHWISE_CONV_2D has {} input channels and a kernel of shape {}", source.path,
                channels, to_string(kernel));
  }
  return {};
}

/// Sets the groups and the layout of the kernel.
Result<void> read_groups(const TfliteOperator& source, Conv2d& conv) {
  if (source.code == tfl::BuiltinOperator::DEPTHWISE_CONV_2D) {
    VP_RETURN_IF_ERROR(check_depthwise(source));
    conv.groups = 0;
    conv.kernel_layout = KernelLayout::Hwo;
    return {};
  }
  VP_ASSIGN_OR_RETURN(conv.groups, count_groups(source));
  conv.kernel_layout = KernelLayout::Ohwi;
  return {};
}

/// CONV_2D and DEPTHWISE_CONV_2D have the same options, in tables of two types.
template <typename Options>
Lowered lower_plane_convolution(const TfliteOperator& source, const Options* options) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  VP_RETURN_IF_ERROR(check_image(source, 1));
  if (options == nullptr) return missing_options(source);
  VP_RETURN_IF_ERROR(
      check_positive(source, "stride", std::min(options->stride_h(), options->stride_w())));
  VP_RETURN_IF_ERROR(
      check_positive(source, "dilation", std::min(options->dilation_h(), options->dilation_w())));
  const auto activation = find_activation(options->activation());
  // XNNPACK leaves a layer with such an activation to the builtin kernel, which rounds differently.
  const bool moves_kernel =
      (is_hybrid(source, 1) || has_codes(source)) && is_passed_over(options->activation());
  if (!activation || moves_kernel)
    return unsupported(source, activation_reason(options->activation()));
  Conv2d conv;
  VP_RETURN_IF_ERROR(read_groups(source, conv));
  conv.stride = {options->stride_h(), options->stride_w()};
  conv.dilation = {options->dilation_h(), options->dilation_w()};
  conv.padding = padding_of(options->padding());
  conv.activation = *activation;
  conv.dynamic_range = is_hybrid(source, 1);
  return lowered(conv, kernel_inputs(source, 0, 1, 2));
}

}  // namespace

Lowered lower_convolution(const TfliteOperator& source) {
  if (source.code == tfl::BuiltinOperator::DEPTHWISE_CONV_2D) {
    return lower_plane_convolution(source,
                                   source.table.builtin_options_as_DepthwiseConv2DOptions());
  }
  return lower_plane_convolution(source, source.table.builtin_options_as_Conv2DOptions());
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
  const bool moves_kernel =
      (is_hybrid(source, 1) || has_codes(source)) && is_passed_over(options->activation());
  if (!activation || moves_kernel)
    return unsupported(source, activation_reason(options->activation()));
  auto size = find_integers(find_input(source, 0));
  if (!size && !find_input(source, 0)->is_constant()) size = stated_shape(source);
  if (!size || size->size() != 4 || std::min((*size)[1], (*size)[2]) < 0)
    return unsupported(source, "its output shape is computed");
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

namespace {

/// Lowers a product with a computed kernel, followed by the bias and the activation.
Lowered lower_computed_kernel(const TfliteOperator& source, const FullyConnected& op) {
  const std::int64_t inner = find_input(source, 1)->shape[1];
  if (inner < 1) return unsupported(source, "its kernel is computed");
  LoweredOperator result;
  result.op = BatchMatMul{false, true};
  result.inputs = {source.inputs[0], source.inputs[1]};
  if (!op.keep_dims && find_input(source, 0)->shape.size() != 2) {
    result.inputs[0] = make_value(source, result, "rows", 0);
    const Reshape rows = {{-1, inner}, false};
    result.before = {{rows, {source.inputs[0]}, {result.inputs[0]}}};
  }
  const bool has_bias = find_input(source, 2) != nullptr;
  if (!has_bias && op.activation == FusedActivation::None) return result;
  const TensorId product = make_value(source, result, "product", 0);
  result.outputs = {product};
  if (has_bias) {
    const Binary add = {BinaryKind::Add, op.activation};
    result.after = {{add, {product, source.inputs[2]}, source.outputs}};
  } else {
    result.after = {{unary_of(op.activation), {product}, source.outputs}};
  }
  return result;
}

}  // namespace

Lowered lower_fully_connected(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto* options = source.table.builtin_options_as_FullyConnectedOptions();
  if (options == nullptr) return missing_options(source);
  const auto activation = find_activation(options->activation());
  if (!activation || is_passed_over(options->activation()))  // LiteRT refuses these here
    return unsupported(source, activation_reason(options->activation()));
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
  if (!find_input(source, 1)->is_constant()) return lower_computed_kernel(source, connected);
  return lowered(connected, kernel_inputs(source, 0, 1, 2));
}

Lowered lower_batch_matmul(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  const auto* options = source.table.builtin_options_as_BatchMatMulOptions();
  if (options == nullptr) return missing_options(source);
  return lowered(BatchMatMul{options->adj_x(), options->adj_y()}, source.inputs);
}

}  // namespace visionpress::tflite
