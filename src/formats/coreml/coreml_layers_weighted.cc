#include <optional>

#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

// ConvolutionLayerParams
constexpr std::uint32_t kConvOutputChannels = 1;
constexpr std::uint32_t kConvKernelChannels = 2;
constexpr std::uint32_t kConvGroups = 10;
constexpr std::uint32_t kConvKernelSize = 20;
constexpr std::uint32_t kConvStride = 30;
constexpr std::uint32_t kConvDilation = 40;
constexpr std::uint32_t kConvValid = 50;
constexpr std::uint32_t kConvSame = 51;
constexpr std::uint32_t kConvIsDeconvolution = 60;
constexpr std::uint32_t kConvHasBias = 70;
constexpr std::uint32_t kConvWeights = 90;
constexpr std::uint32_t kConvBias = 91;
constexpr std::uint32_t kConvOutputShape = 100;

WeightUse vector_use(std::uint32_t field, const char* suffix, WeightRole role, std::int64_t size) {
  WeightUse use;
  use.field = field;
  use.suffix = suffix;
  use.role = role;
  use.shape.shape = {size};
  return use;
}

/// The numbers of a convolution that its weights' shape follows from.
struct ConvolutionShape {
  std::int64_t out = 0;
  std::int64_t kernel_channels = 0;
  std::int64_t groups = 1;
  std::array<std::int64_t, 2> kernel = {3, 3};
  bool transposed = false;
};

Result<ConvolutionShape> read_convolution_shape(const LayerBuilder& layer) {
  const ProtobufMessage& params = layer.params();
  ConvolutionShape shape;
  VP_ASSIGN_OR_RETURN(shape.out, read_size(layer, params, kConvOutputChannels));
  VP_ASSIGN_OR_RETURN(shape.kernel_channels, read_size(layer, params, kConvKernelChannels));
  VP_ASSIGN_OR_RETURN(shape.groups, read_size(layer, params, kConvGroups));
  if (shape.groups == 0) shape.groups = 1;
  VP_ASSIGN_OR_RETURN(shape.kernel, read_pair(layer, params, kConvKernelSize, 3));
  VP_ASSIGN_OR_RETURN(shape.transposed, params.read_bool(kConvIsDeconvolution));
  if (shape.out == 0 || shape.kernel_channels == 0 || shape.out % shape.groups != 0) {
    return fail_at(ErrorKind::Malformed, params.offset(),
                   "{}: {} output channels, {} kernel channels, {} groups do not fit", layer.path(),
                   shape.out, shape.kernel_channels, shape.groups);
  }
  return shape;
}

WeightUse kernel_use(const ConvolutionShape& shape) {
  WeightUse use;
  use.field = kConvWeights;
  use.suffix = "weights";
  if (shape.transposed) {
    use.shape.shape = {shape.kernel_channels, shape.out / shape.groups, shape.kernel[0],
                       shape.kernel[1]};
    use.shape.channel_axis = 1;
    // With groups the scales' order along the input axis is not specified, so one scale alone.
    use.shape.scale_count = shape.groups == 1 ? shape.out : 1;
  } else {
    use.shape.shape = {shape.out, shape.kernel_channels, shape.kernel[0], shape.kernel[1]};
    use.shape.scale_count = shape.out;
  }
  return use;
}

/// The operator without its padding.
Result<Conv2d> read_convolution(const LayerBuilder& layer, const ConvolutionShape& shape) {
  const ProtobufMessage& params = layer.params();
  Conv2d conv;
  conv.groups = shape.groups;
  conv.transposed = shape.transposed;
  conv.kernel_layout = shape.transposed ? KernelLayout::Iohw : KernelLayout::Oihw;
  VP_ASSIGN_OR_RETURN(conv.stride, read_pair(layer, params, kConvStride, 1));
  VP_ASSIGN_OR_RETURN(conv.dilation, read_pair(layer, params, kConvDilation, 1));
  if (shape.transposed) {
    VP_ASSIGN_OR_RETURN(conv.output_size, read_pair(layer, params, kConvOutputShape, 0));
  }
  if (conv.stride[0] == 0 || conv.stride[1] == 0 || conv.dilation[0] == 0 ||
      conv.dilation[1] == 0) {
    return fail_at(ErrorKind::Malformed, params.offset(), "{}: stride or dilation is 0",
                   layer.path());
  }
  return conv;
}

/// The layer's input, its kernel and, where `has_bias_field` says so, the bias.
Result<std::vector<TensorId>> add_kernel_and_bias(LayerBuilder& layer, const WeightUse& kernel,
                                                  std::uint32_t has_bias_field,
                                                  const WeightUse& bias_use) {
  VP_ASSIGN_OR_RETURN(const bool has_bias, layer.params().read_bool(has_bias_field));
  VP_ASSIGN_OR_RETURN(const TensorId weights, layer.add_weight(kernel));
  std::vector<TensorId> inputs = {layer.input(0).id, weights};
  if (!has_bias) return inputs;
  VP_ASSIGN_OR_RETURN(const TensorId bias, layer.add_weight(bias_use));
  inputs.push_back(bias);
  return inputs;
}

/// The input and gamma, beta and, unless they are computed, mean and variance.
Result<std::vector<TensorId>> add_statistics(LayerBuilder& layer, std::int64_t channels,
                                             bool compute) {
  constexpr std::uint32_t kGamma = 15;
  constexpr std::uint32_t kBeta = 16;
  constexpr std::uint32_t kMean = 17;
  constexpr std::uint32_t kVariance = 18;
  const ProtobufMessage& params = layer.params();
  std::vector<TensorId> inputs = {layer.input(0).id};
  struct Statistic {
    std::uint32_t field;
    const char* suffix;
  };
  constexpr std::array<Statistic, 4> kStatistics = {
      {{kGamma, "gamma"}, {kBeta, "beta"}, {kMean, "mean"}, {kVariance, "variance"}}};
  for (const Statistic& statistic : kStatistics) {
    const bool used = statistic.field == kGamma || statistic.field == kBeta || !compute;
    const ProtobufField* field = params.find_last(statistic.field);
    if (!used && field == nullptr) continue;
    if (!used) {
      VP_ASSIGN_OR_RETURN(const auto count, count_elements(params, *field));
      if (!count) continue;
    }
    // Statistics that are computed anew are still weights of the file: their floating type binds
    // that of gamma and beta.
    VP_ASSIGN_OR_RETURN(const TensorId id,
                        layer.add_weight(vector_use(statistic.field, statistic.suffix,
                                                    WeightRole::Vector, channels)));
    if (used) inputs.push_back(id);
  }
  return inputs;
}

/// "[C]", "[1]", "[1,H,W]" or "[C,H,W]" as it broadcasts against [N,C,H,W].
Result<Shape> read_broadcast_shape(const LayerBuilder& layer, std::uint32_t field) {
  VP_ASSIGN_OR_RETURN(const Shape shape, layer.params().read_ints(field));
  if (shape.size() != 1 && shape.size() != 3) {
    return fail_at(ErrorKind::Malformed, layer.params().offset(),
                   "{}: a shape of {} axes, expected 1 or 3", layer.path(), shape.size());
  }
  return shape;
}

WeightUse broadcast_use(std::uint32_t field, const char* suffix, const Shape& shape) {
  WeightUse use;
  use.field = field;
  use.suffix = suffix;
  use.role = WeightRole::Vector;
  use.shape.shape = shape;
  // The validator lets several axes carry a scale an outermost index.
  use.shape.scale_count = shape.size() > 1 ? shape[0] : 1;
  use.view = shape.size() == 3 ? Shape{1, shape[0], shape[1], shape[2]} : Shape{1, shape[0], 1, 1};
  return use;
}

Result<void> lower_constant(LayerBuilder& layer, const Shape& shape, const Shape& view, int rank) {
  WeightUse use;
  use.field = 2;
  use.suffix = "data";
  use.role = WeightRole::Constant;
  use.shape.shape = shape;
  use.shape.scale_count = shape.size() > 1 ? shape[0] : 1;
  use.view = view;
  VP_ASSIGN_OR_RETURN(const TensorId data, layer.add_weight(use));
  return layer.finish(Identity{}, {data}, rank);
}

}  // namespace

Result<void> lower_convolution(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() > 1) return layer.refuse("its weights are computed at run time");
  VP_ASSIGN_OR_RETURN(const ConvolutionShape shape, read_convolution_shape(layer));
  VP_ASSIGN_OR_RETURN(Conv2d conv, read_convolution(layer, shape));
  VP_ASSIGN_OR_RETURN(
      std::vector<TensorId> inputs,
      add_kernel_and_bias(layer, kernel_use(shape), kConvHasBias,
                          vector_use(kConvBias, "bias", WeightRole::Bias, shape.out)));
  VP_ASSIGN_OR_RETURN(const auto padding, read_spatial_padding(layer, kConvValid, kConvSame));
  if (!padding) return layer.refuse("it says neither valid nor same padding");
  if (!is_image_rank(layer.input(0).rank)) return layer.refuse("its input is no image");
  conv.padding = *padding;
  return layer.finish(conv, std::move(inputs));
}

Result<void> lower_inner_product(LayerBuilder& layer) {
  constexpr std::uint32_t kInputChannels = 1;
  constexpr std::uint32_t kOutputChannels = 2;
  constexpr std::uint32_t kHasBias = 10;
  constexpr std::uint32_t kWeights = 20;
  constexpr std::uint32_t kBias = 21;
  constexpr std::uint32_t kInt8DynamicQuantize = 22;
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const std::int64_t in, read_size(layer, params, kInputChannels));
  VP_ASSIGN_OR_RETURN(const std::int64_t out, read_size(layer, params, kOutputChannels));
  VP_ASSIGN_OR_RETURN(const bool dynamic, params.read_bool(kInt8DynamicQuantize));
  WeightUse use;
  use.field = kWeights;
  use.suffix = "weights";
  use.shape.shape = {out, in};
  use.shape.scale_count = out;
  if (dynamic) use.fixed_because = "its layer multiplies in int8 (int8DynamicQuantize)";
  VP_ASSIGN_OR_RETURN(
      std::vector<TensorId> inputs,
      add_kernel_and_bias(layer, use, kHasBias, vector_use(kBias, "bias", WeightRole::Bias, out)));
  if (dynamic) return layer.refuse("it multiplies in int8 (int8DynamicQuantize)");
  FullyConnected op;
  op.keep_spatial = layer.input(0).rank == 5;
  op.keep_dims = !op.keep_spatial;
  return layer.finish(op, std::move(inputs));
}

Result<void> lower_batchnorm(LayerBuilder& layer) {
  constexpr std::uint32_t kChannels = 1;
  constexpr std::uint32_t kComputeMeanVar = 5;
  constexpr std::uint32_t kInstanceNormalization = 6;
  constexpr std::uint32_t kEpsilon = 10;
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const std::int64_t channels, read_size(layer, params, kChannels));
  VP_ASSIGN_OR_RETURN(const bool compute, params.read_bool(kComputeMeanVar));
  VP_ASSIGN_OR_RETURN(const bool instance, params.read_bool(kInstanceNormalization));
  VP_ASSIGN_OR_RETURN(float epsilon, params.read_float(kEpsilon));
  if (epsilon == 0.0F)
    epsilon = 1e-5F;  // proto3 cannot tell 0 from absent; the field's own default
  VP_ASSIGN_OR_RETURN(std::vector<TensorId> inputs, add_statistics(layer, channels, compute));
  if (!compute) return layer.finish(BatchNorm{epsilon}, std::move(inputs));
  if (!instance) return layer.refuse("it normalizes over the images of a batch");
  return layer.finish(InstanceNorm{epsilon}, std::move(inputs));
}

Result<void> lower_scale(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const bool has_bias, layer.params().read_bool(3));
  VP_ASSIGN_OR_RETURN(const Shape shape, read_broadcast_shape(layer, 1));
  VP_ASSIGN_OR_RETURN(const TensorId scale, layer.add_weight(broadcast_use(2, "scale", shape)));
  if (!has_bias) {
    return layer.finish(Binary{BinaryKind::Multiply}, {layer.input(0).id, scale});
  }
  VP_ASSIGN_OR_RETURN(const Shape bias_shape, read_broadcast_shape(layer, 4));
  WeightUse use = broadcast_use(5, "bias", bias_shape);
  use.role = WeightRole::Bias;
  VP_ASSIGN_OR_RETURN(const TensorId bias, layer.add_weight(use));
  const TensorId scaled =
      layer.add_inner_node(Binary{BinaryKind::Multiply}, {layer.input(0).id, scale});
  return layer.finish(Binary{BinaryKind::Add}, {scaled, bias});
}

Result<void> lower_bias(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const Shape shape, read_broadcast_shape(layer, 1));
  WeightUse use = broadcast_use(2, "bias", shape);
  use.role = WeightRole::Bias;
  VP_ASSIGN_OR_RETURN(const TensorId bias, layer.add_weight(use));
  return layer.finish(Binary{BinaryKind::Add}, {layer.input(0).id, bias});
}

Result<void> lower_load_constant(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(0, 0));
  VP_ASSIGN_OR_RETURN(const Shape shape, layer.params().read_ints(1));
  if (shape.size() != 3) {
    return fail_at(ErrorKind::Malformed, layer.params().offset(),
                   "{}: a shape of {} axes, expected 3", layer.path(), shape.size());
  }
  return lower_constant(layer, shape, {1, shape[0], shape[1], shape[2]}, 5);
}

Result<void> lower_load_constant_nd(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(0, 0));
  VP_ASSIGN_OR_RETURN(const Shape shape, layer.params().read_ints(1));
  if (shape.empty() || shape.size() > 5) {
    return fail_at(ErrorKind::Malformed, layer.params().offset(),
                   "{}: a shape of {} axes, expected 1..5", layer.path(), shape.size());
  }
  Shape view = shape;
  if (shape.size() == 5) {
    if (shape[0] != 1) return layer.refuse("its constant is a sequence");
    view.erase(view.begin());
  }
  return lower_constant(layer, shape, view, static_cast<int>(shape.size()));
}

}  // namespace visionpress::coreml
