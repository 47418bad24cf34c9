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

/// The sizes that determine the shape of a convolution's weights.
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
    // For grouped convolutions, the specification does not define the order of scales along the
    // input axis, so only one scale is accepted.
    use.shape.scale_count = shape.groups == 1 ? shape.out : 1;
  } else {
    use.shape.shape = {shape.out, shape.kernel_channels, shape.kernel[0], shape.kernel[1]};
    use.shape.scale_count = shape.out;
  }
  return use;
}

/// Reads the operator except its padding.
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

/// The reason why Apple's specification does not define a deconvolution's result; empty if it does.
std::string why_not_transposed(const Conv2d& conv) {
  if (conv.dilation != std::array<std::int64_t, 2>{1, 1}) {
    return "a dilated deconvolution, which Core ML's text and its shape rules see differently";
  }
  if ((conv.output_size[0] == 0) != (conv.output_size[1] == 0)) return "its output shape is [0]";
  const bool is_uneven =
      conv.padding.rule == PadRule::Explicit && conv.padding.before != conv.padding.after;
  if (conv.output_size[0] != 0 && is_uneven) {
    return "it has an output shape beside uneven padding, of which one overrules the other";
  }
  return {};
}

/// Returns the layer's input, its kernel and, if `has_bias_field` is set in the file, the bias.
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

/// Returns the input, gamma and beta and, unless they are computed, mean and variance.
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
    // Stored statistics are weights of the file even if the layer computes new ones: all weights of
    // a layer must have one floating type, so theirs limits that of gamma and beta.
    VP_ASSIGN_OR_RETURN(const TensorId id,
                        layer.add_weight(vector_use(statistic.field, statistic.suffix,
                                                    WeightRole::Vector, channels)));
    if (used) inputs.push_back(id);
  }
  return inputs;
}

constexpr const char* kOddShape = "a shape of other than 1 or 3 axes";

/// "[C]", "[1]", "[1,H,W]" or "[C,H,W]", along the last three axes.
bool is_broadcast_shape(const Shape& shape) { return shape.size() == 1 || shape.size() == 3; }

WeightUse broadcast_use(std::uint32_t field, const char* suffix, const Shape& shape) {
  WeightUse use;
  use.field = field;
  use.suffix = suffix;
  use.role = WeightRole::Vector;
  use.shape.shape = shape;
  // For weights with several axes, the validator allows one scale per outermost index.
  use.shape.scale_count = shape.size() > 1 ? shape[0] : 1;
  use.view = shape.size() == 1 ? Shape{shape[0], 1, 1} : shape;
  return use;
}

Result<void> lower_constant(LayerBuilder& layer, const Shape& shape, const Shape& view,
                            BlobAxes axes) {
  WeightUse use;
  use.field = 2;
  use.suffix = "data";
  use.role = WeightRole::Constant;
  use.shape.shape = shape;
  use.shape.scale_count = shape.size() > 1 ? shape[0] : 1;
  use.view = view;
  VP_ASSIGN_OR_RETURN(const TensorId data, layer.add_weight(use));
  return layer.finish(Identity{}, {data}, axes);
}

constexpr const char* kMultipliesInInt8 = "it multiplies in int8 (int8DynamicQuantize)";

/// Field numbers of a layer that multiplies by a stored matrix.
struct MatrixFields {
  std::uint32_t in = 0;
  std::uint32_t out = 0;
  std::uint32_t has_bias = 0;
  std::uint32_t weights = 0;
  std::uint32_t bias = 0;
  std::uint32_t int8_dynamic_quantize = 0;
};

struct Matrix {
  std::vector<TensorId> inputs = {};  ///< the data, the matrix [out, in], the bias
  bool is_dynamic = false;            ///< the layer multiplies in int8
};

Result<Matrix> add_matrix(LayerBuilder& layer, const MatrixFields& fields) {
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const std::int64_t in, read_size(layer, params, fields.in));
  VP_ASSIGN_OR_RETURN(const std::int64_t out, read_size(layer, params, fields.out));
  Matrix matrix;
  VP_ASSIGN_OR_RETURN(matrix.is_dynamic, params.read_bool(fields.int8_dynamic_quantize));
  WeightUse use;
  use.field = fields.weights;
  use.suffix = "weights";
  use.shape.shape = {out, in};
  use.shape.scale_count = out;
  if (matrix.is_dynamic) use.fixed_because = "its layer multiplies in int8 (int8DynamicQuantize)";
  VP_ASSIGN_OR_RETURN(matrix.inputs,
                      add_kernel_and_bias(layer, use, fields.has_bias,
                                          vector_use(fields.bias, "bias", WeightRole::Bias, out)));
  return matrix;
}

/// BatchedMatMulLayerParams { transposeA 1, transposeB 2 } of two blobs.
Result<void> lower_computed_matmul(LayerBuilder& layer) {
  BatchMatMul product;
  VP_ASSIGN_OR_RETURN(product.transpose_a, layer.params().read_bool(1));
  VP_ASSIGN_OR_RETURN(product.transpose_b, layer.params().read_bool(2));
  if (layer.input(0).rank() < 2 || layer.input(1).rank() < 2)
    return layer.refuse("one of its inputs is not a matrix");
  return layer.finish(product, layer.input_ids());
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
  conv.padding = *padding;
  if (conv.transposed) {
    if (auto why = why_not_transposed(conv); !why.empty()) return layer.refuse(std::move(why));
    // An output shape replaces the padding amounts: the excess is cut on both sides.
    const bool has_size = conv.output_size[0] != 0;
    if (has_size && padding->rule == PadRule::Explicit) conv.padding = {PadRule::SameUpper};
  }
  const auto image = view_image(layer, 4);
  if (!image) return layer.refuse(kNoImage);
  return finish_image(layer, *image, conv, {inputs.begin() + 1, inputs.end()});
}

Result<void> lower_inner_product(LayerBuilder& layer) {
  constexpr MatrixFields kFields = {
      .in = 1, .out = 2, .has_bias = 10, .weights = 20, .bias = 21, .int8_dynamic_quantize = 22};
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(Matrix matrix, add_matrix(layer, kFields));
  if (matrix.is_dynamic) return layer.refuse(kMultipliesInInt8);
  const Blob& x = layer.input(0);
  if (x.axes.kept > 4) return layer.refuse(kSequence);
  // Ranks 1 to 3 keep their leading axes; 4 and 5 give [.., C_out, 1, 1].
  FullyConnected op;
  op.keep_spatial = x.rank() > 3;
  op.keep_dims = !op.keep_spatial;
  return layer.finish(op, std::move(matrix.inputs));
}

/// BatchedMatMulLayerParams with a stored matrix: the product along the last axis.
Result<void> lower_batched_matmul(LayerBuilder& layer) {
  // The weights are [in, out] in column-major order, which equals [out, in] in row-major order.
  constexpr MatrixFields kFields = {
      .in = 5, .out = 6, .has_bias = 7, .weights = 8, .bias = 9, .int8_dynamic_quantize = 10};
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() == 2) return lower_computed_matmul(layer);
  VP_ASSIGN_OR_RETURN(Matrix matrix, add_matrix(layer, kFields));
  if (matrix.is_dynamic) return layer.refuse(kMultipliesInInt8);
  std::vector<TensorId>& inputs = matrix.inputs;
  FullyConnected op;
  op.keep_dims = true;
  if (layer.input(0).axes.kept != 4) return layer.finish(op, std::move(inputs));
  // For a tensor of four axes the product runs along the channels, so the last axis is moved there.
  inputs[0] = layer.add_inner_node(Transpose{{0, 3, 1, 2}}, {inputs[0]});
  const TensorId product = layer.add_inner_node(op, std::move(inputs));
  return layer.finish(Transpose{{0, 2, 3, 1}}, {product});
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
  if (epsilon == 0.0F) epsilon = 1e-5F;  // proto3 cannot tell 0 from absent; the specified default
  VP_ASSIGN_OR_RETURN(std::vector<TensorId> inputs, add_statistics(layer, channels, compute));
  if (compute && !instance) return layer.refuse("it normalizes over the images of a batch");
  const auto image = view_image(layer, 3);
  if (!image) return layer.refuse("its input has no channels (axis -3), or is a sequence");
  std::vector<TensorId> vectors(inputs.begin() + 1, inputs.end());
  if (!compute) return finish_image(layer, *image, BatchNorm{epsilon}, std::move(vectors));
  return finish_image(layer, *image, InstanceNorm{epsilon}, std::move(vectors));
}

Result<void> lower_scale(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const bool has_bias, layer.params().read_bool(3));
  VP_ASSIGN_OR_RETURN(const Shape shape, layer.params().read_ints(1));
  VP_ASSIGN_OR_RETURN(const TensorId scale, layer.add_weight(broadcast_use(2, "scale", shape)));
  if (!has_bias) {
    if (!is_broadcast_shape(shape)) return layer.refuse(kOddShape);
    if (layer.input(0).rank() < 3) return layer.refuse(kNoImage);
    return layer.finish(Binary{BinaryKind::Multiply}, {layer.input(0).id, scale});
  }
  VP_ASSIGN_OR_RETURN(const Shape bias_shape, layer.params().read_ints(4));
  WeightUse use = broadcast_use(5, "bias", bias_shape);
  use.role = WeightRole::Bias;
  VP_ASSIGN_OR_RETURN(const TensorId bias, layer.add_weight(use));
  if (!is_broadcast_shape(shape) || !is_broadcast_shape(bias_shape)) return layer.refuse(kOddShape);
  if (layer.input(0).rank() < 3) return layer.refuse(kNoImage);
  const TensorId scaled =
      layer.add_inner_node(Binary{BinaryKind::Multiply}, {layer.input(0).id, scale});
  return layer.finish(Binary{BinaryKind::Add}, {scaled, bias});
}

Result<void> lower_bias(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const Shape shape, layer.params().read_ints(1));
  WeightUse use = broadcast_use(2, "bias", shape);
  use.role = WeightRole::Bias;
  VP_ASSIGN_OR_RETURN(const TensorId bias, layer.add_weight(use));
  if (!is_broadcast_shape(shape)) return layer.refuse(kOddShape);
  if (layer.input(0).rank() < 3) return layer.refuse(kNoImage);
  return layer.finish(Binary{BinaryKind::Add}, {layer.input(0).id, bias});
}

Result<void> lower_load_constant(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(0, 0));
  VP_ASSIGN_OR_RETURN(const Shape shape, layer.params().read_ints(1));
  if (shape.size() != 3)
    return layer.refuse(fmt::format("a constant of shape {}", to_string(shape)));
  return lower_constant(layer, shape, {1, shape[0], shape[1], shape[2]}, axes_of_rank(5));
}

Result<void> lower_load_constant_nd(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(0, 0));
  VP_ASSIGN_OR_RETURN(const Shape shape, layer.params().read_ints(1));
  if (shape.empty() || shape.size() > 5) {
    return layer.refuse(fmt::format("a constant of shape {}", to_string(shape)));
  }
  Shape view = shape;
  if (shape.size() == 5 && shape[0] == 1) view.erase(view.begin());
  return lower_constant(layer, shape, view,
                        {static_cast<int>(shape.size()), static_cast<int>(view.size())});
}

}  // namespace visionpress::coreml
