#include <algorithm>
#include <limits>

#include "base/error.h"
#include "formats/tflite/tflite_node_builder.h"
#include "lower/window.h"

namespace visionpress::tflite {
namespace {

std::array<std::int64_t, 2> extent_of(std::int64_t height, std::int64_t width,
                                      const std::array<std::int64_t, 2>& dilation) {
  return {(height - 1) * dilation[0] + 1, (width - 1) * dilation[1] + 1};
}

}  // namespace

Result<void> NodeBuilder::check_kernel(KernelLayout layout, KernelLayout wanted) const {
  if (!model_.graph().tensor(node_.inputs[1]).weight) {
    return fail(ErrorKind::Unsupported, "its kernel is not a constant");
  }
  if (input_shape(0).size() != 4 || input_shape(1).size() != 4) {
    return fail(ErrorKind::Malformed, "input {} and kernel {} need four axes each",
                to_string(input_shape(0)), to_string(input_shape(1)));
  }
  if (layout != wanted) {
    return fail(ErrorKind::Internal, "its kernel has layout {}, a new file takes {}",
                static_cast<int>(layout), static_cast<int>(wanted));
  }
  return {};
}

FileTensor NodeBuilder::bias(std::int64_t channels) {
  if (has_input(2)) return input(2);
  return model_.add_zeros(static_cast<std::size_t>(channels));
}

Result<tfl::Padding> NodeBuilder::apply_padding(const SpatialPadding& padding,
                                                const std::array<std::int64_t, 2>& extent,
                                                const std::array<std::int64_t, 2>& stride,
                                                float value, FileTensor& x) {
  if (padding.rule == PadRule::SameUpper) return tfl::Padding::SAME;
  if (padding.rule != PadRule::Explicit) {
    return fail(ErrorKind::Unsupported, "its padding rule is none of TFLite's");
  }
  constexpr std::array<std::int64_t, 2> kNone = {0, 0};
  if (padding.before == kNone && padding.after == kNone) return tfl::Padding::VALID;
  Shape in = input_shape(0);
  bool is_same = true;
  for (std::size_t a = 0; a < 2; ++a) {
    const SamePadding same = same_padding(in[a + 1], extent[a], stride[a]);
    is_same = is_same && padding.before[a] == same.before && padding.after[a] == same.after;
  }
  if (is_same) return tfl::Padding::SAME;
  std::vector<std::int64_t> pairs(8, 0);
  for (std::size_t a = 0; a < 2; ++a) {
    pairs[2 * a + 2] = padding.before[a];
    pairs[2 * a + 3] = padding.after[a];
    in[a + 1] += padding.before[a] + padding.after[a];
  }
  const FileTensor padded = intermediate("pad", in);
  add_pad(pairs, value, x, padded);
  x = padded;
  return tfl::Padding::VALID;
}

Result<void> NodeBuilder::operator()(const Conv2d& op) {
  VP_RETURN_IF_ERROR(check_inputs(2));
  if (op.transposed) return build_transposed(op);
  const bool depthwise = op.groups == 0 || op.kernel_layout == KernelLayout::Hwo;
  VP_RETURN_IF_ERROR(
      check_kernel(op.kernel_layout, depthwise ? KernelLayout::Hwo : KernelLayout::Ohwi));
  const Shape kernel = input_shape(1);
  const std::int64_t in_channels = input_shape(0)[3];
  FileTensor x = input(0);
  VP_ASSIGN_OR_RETURN(
      const tfl::Padding padding,
      apply_padding(op.padding, extent_of(kernel[1], kernel[2], op.dilation), op.stride, 0.0F, x));
  const tfl::Activation activation = activation_of(op.activation);
  const FileTensor biases = bias(depthwise ? kernel[3] : kernel[0]);
  if (depthwise) {
    if (in_channels <= 0) return fail(ErrorKind::Malformed, "{} input channels", in_channels);
    const auto table = tfl::CreateDepthwiseConv2DOptions(
        builder(), padding, narrow(op.stride[1]), narrow(op.stride[0]),
        narrow(kernel[3] / in_channels), activation, narrow(op.dilation[1]),
        narrow(op.dilation[0]));
    const bool dilated = op.dilation[0] != 1 || op.dilation[1] != 1;
    model_.add_operator(Code::DEPTHWISE_CONV_2D, dilated ? 2 : 1, {x, input(1), biases}, {output()},
                        options(tfl::BuiltinOptions::DepthwiseConv2DOptions, table));
    return {};
  }
  const auto table =
      tfl::CreateConv2DOptions(builder(), padding, narrow(op.stride[1]), narrow(op.stride[0]),
                               activation, narrow(op.dilation[1]), narrow(op.dilation[0]));
  const bool grouped = kernel[3] != in_channels;
  model_.add_operator(Code::CONV_2D, grouped ? 6 : 1, {x, input(1), biases}, {output()},
                      options(tfl::BuiltinOptions::Conv2DOptions, table));
  return {};
}

/// TRANSPOSE_CONV takes its output's size as an input. SAME cuts half of the excess at the start of
/// each axis, VALID cuts nothing there.
Result<void> NodeBuilder::build_transposed(const Conv2d& op) {
  VP_RETURN_IF_ERROR(check_kernel(op.kernel_layout, KernelLayout::Ohwi));
  constexpr std::array<std::int64_t, 2> kOne = {1, 1};
  if (op.dilation != kOne) return fail(ErrorKind::Unsupported, "it is dilated and transposed");
  if (op.groups != 1) return fail(ErrorKind::Unsupported, "it is grouped and transposed");
  const Shape in = input_shape(0);
  const Shape out = output_shape();
  const Shape kernel = input_shape(1);
  if (out.size() != 4) return fail(ErrorKind::Malformed, "result of shape {}", to_string(out));
  bool fits_same = op.padding.rule == PadRule::SameUpper;
  bool fits_valid = op.padding.rule == PadRule::Explicit;
  if (op.padding.rule == PadRule::Explicit) {
    fits_same = true;
    for (std::size_t a = 0; a < 2; ++a) {
      const std::int64_t full = (in[a + 1] - 1) * op.stride[a] + kernel[a + 1];
      const std::int64_t total = std::max<std::int64_t>(full - out[a + 1], 0);
      fits_same = fits_same && op.padding.before[a] == total / 2;
      fits_valid = fits_valid && op.padding.before[a] == 0;
    }
  }
  if (!fits_same && !fits_valid) {
    return fail(ErrorKind::Unsupported, "its padding is neither SAME nor VALID");
  }
  const auto table = tfl::CreateTransposeConvOptions(
      builder(), fits_valid ? tfl::Padding::VALID : tfl::Padding::SAME, narrow(op.stride[1]),
      narrow(op.stride[0]));
  const bool activated = op.activation != FusedActivation::None;
  const FileTensor result = activated ? intermediate("conv") : output();
  std::vector<FileTensor> inputs = {model_.add_integers(out, {4}), input(1), input(0)};
  if (has_input(2)) inputs.push_back(input(2));
  model_.add_operator(Code::TRANSPOSE_CONV, has_input(2) ? 3 : 1, inputs, {result},
                      options(tfl::BuiltinOptions::TransposeConvOptions, table));
  if (activated) add_activation(op.activation, result, output());
  return {};
}

Result<void> NodeBuilder::operator()(const FullyConnected& op) {
  VP_RETURN_IF_ERROR(check_inputs(2));
  const Shape weights = input_shape(1);
  if (weights.size() != 2) {
    return fail(ErrorKind::Malformed, "matrix of shape {}", to_string(weights));
  }
  if (!model_.graph().tensor(node_.inputs[1]).weight) {
    return fail(ErrorKind::Unsupported, "its matrix is not a constant");
  }
  if (op.kernel_is_in_out) {
    return fail(ErrorKind::Internal, "its matrix is [in, out], a new file takes [out, in]");
  }
  if (op.keep_spatial) return fail(ErrorKind::Unsupported, "its result keeps spatial axes");
  const auto table = tfl::CreateFullyConnectedOptions(builder(), activation_of(op.activation),
                                                      tfl::WeightsFormat::DEFAULT, op.keep_dims);
  model_.add_operator(Code::FULLY_CONNECTED, op.keep_dims ? 5 : 1,
                      {input(0), input(1), bias(weights[0])}, {output()},
                      options(tfl::BuiltinOptions::FullyConnectedOptions, table));
  return {};
}

Result<void> NodeBuilder::build_global_pool(const Pool2d& op) {
  if (op.kind == PoolKind::L2 || op.kind == PoolKind::L2Sum)
    return fail(ErrorKind::Unsupported, "it is a global L2 pool");
  const bool activated = op.activation != FusedActivation::None;
  const FileTensor result = activated ? intermediate("pool") : output();
  const auto table = tfl::CreateReducerOptions(builder(), true);
  model_.add_operator(op.kind == PoolKind::Max ? Code::REDUCE_MAX : Code::MEAN, 1,
                      {input(0), model_.add_integers({1, 2}, {2})}, {result},
                      options(tfl::BuiltinOptions::ReducerOptions, table));
  if (activated) add_activation(op.activation, result, output());
  return {};
}

Result<void> NodeBuilder::operator()(const Pool2d& op) {
  if (input_shape(0).size() != 4) {
    return fail(ErrorKind::Malformed, "input of shape {}", to_string(input_shape(0)));
  }
  if (op.global) return build_global_pool(op);
  if (op.kind == PoolKind::L2Sum)
    return fail(ErrorKind::Unsupported, "TFLite's L2 pool takes the mean of the squares");
  constexpr std::array<std::int64_t, 2> kNone = {0, 0};
  const bool padded = op.padding.rule != PadRule::Explicit || op.padding.before != kNone ||
                      op.padding.after != kNone;
  // TFLite excludes padded pixels from an average, so zeros that count need a separate PAD.
  const bool explicit_zeros = op.padding.rule == PadRule::Explicit && op.count_padding;
  if (padded && op.kind != PoolKind::Max && op.count_padding != explicit_zeros) {
    return fail(ErrorKind::Unsupported, "its average counts padded pixels");
  }
  FileTensor x = input(0);
  const float value = op.kind == PoolKind::Max ? std::numeric_limits<float>::lowest() : 0.0F;
  const FileTensor before = x;
  VP_ASSIGN_OR_RETURN(const tfl::Padding padding,
                      apply_padding(op.padding, op.kernel, op.stride, value, x));
  if (op.kind != PoolKind::Max && padded) {
    const bool counted = x != before;
    const bool fits = counted ? op.count_padding : !op.count_padding;
    if (!fits) return fail(ErrorKind::Unsupported, "its padding is none of TFLite's");
  }
  const auto table = tfl::CreatePool2DOptions(builder(), padding, narrow(op.stride[1]),
                                              narrow(op.stride[0]), narrow(op.kernel[1]),
                                              narrow(op.kernel[0]), activation_of(op.activation));
  Code code = Code::MAX_POOL_2D;
  if (op.kind == PoolKind::Average) code = Code::AVERAGE_POOL_2D;
  if (op.kind == PoolKind::L2) code = Code::L2_POOL_2D;
  model_.add_operator(code, 1, {x}, {output()}, options(tfl::BuiltinOptions::Pool2DOptions, table));
  return {};
}

Result<void> NodeBuilder::operator()(const BatchMatMul& op) {
  VP_RETURN_IF_ERROR(check_inputs(2));
  // The most axes that the first version of the runtime's kernel takes.
  constexpr std::size_t kMostAxes = 4;
  if (std::max(input_shape(0).size(), input_shape(1).size()) > kMostAxes) {
    return fail(ErrorKind::Unsupported, "TFLite multiplies no {} and {}", to_string(input_shape(0)),
                to_string(input_shape(1)));
  }
  model_.add_operator(
      Code::BATCH_MATMUL, 1, {input(0), input(1)}, {output()},
      options(tfl::BuiltinOptions::BatchMatMulOptions,
              tfl::CreateBatchMatMulOptions(builder(), op.transpose_a, op.transpose_b)));
  return {};
}

}  // namespace visionpress::tflite
