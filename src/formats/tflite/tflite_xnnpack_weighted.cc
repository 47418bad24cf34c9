// Rules of LiteRT's XNNPACK delegate for operators with a kernel.
// source: LiteRT 2.3.0, tflite/delegates/xnnpack/xnnpack_delegate.cc.

#include <algorithm>
#include <cmath>

#include "formats/tflite/tflite_xnnpack_parts.h"

namespace visionpress::tflite::xnnpack {
namespace {

using Type = tfl::TensorType;

/// Kernels of convolutions: floats, or 8 bits with scales along `axis`.
std::string check_kernel(const TensorFacts& kernel, int axis, std::string_view what) {
  switch (kernel.type) {
    case Type::FLOAT32:
    case Type::FLOAT16:
      return {};
    case Type::INT8:
      if (kernel.quantized != Quantized::Affine) {
        return fmt::format("{} is int8 without scales", what);
      }
      if (kernel.scales.size() > 1 && kernel.axis != axis) {
        return fmt::format("{} has its scales along axis {}, axis {} is taken", what, kernel.axis,
                           axis);
      }
      if (kernel.scales.size() > 1 && !kernel.zero_points.empty() && kernel.zero_points[0] != 0) {
        return fmt::format("{} has several scales and the zero point {}", what,
                           kernel.zero_points[0]);
      }
      break;
    case Type::UINT8:
      if (std::string why = check_8_bit(kernel, what); !why.empty()) return why;
      break;
    default:
      return fmt::format("{} is {}, float32, float16, int8 and uint8 are taken", what,
                         name_of_type(kernel.type));
  }
  const bool is_normal = std::ranges::all_of(
      kernel.scales, [](float scale) { return std::isnormal(scale) && scale > 0; });
  return is_normal ? std::string() : fmt::format("a scale of {} is 0 or not a number", what);
}

std::string check_bias(const TensorFacts& bias, std::string_view what) {
  if (bias.type == Type::FLOAT32 || bias.type == Type::FLOAT16) return {};
  if (bias.type != Type::INT32) {
    return fmt::format("{} is {}, float32, float16 and int32 are taken", what,
                       name_of_type(bias.type));
  }
  if (bias.quantized != Quantized::Affine || bias.axis != 0) {
    return fmt::format("{} is int32 without a scale on axis 0", what);
  }
  if (!bias.zero_points.empty() && bias.zero_points[0] != 0) {
    return fmt::format("{} has the zero point {}", what, bias.zero_points[0]);
  }
  const bool is_normal = std::ranges::all_of(
      bias.scales, [](float scale) { return std::isnormal(scale) && scale > 0; });
  return is_normal ? std::string() : fmt::format("a scale of {} is 0 or not a number", what);
}

/// A float32 kernel does not go with a bias in halves; halves go with either.
std::string check_float_pair(const Context& context, std::size_t kernel, std::size_t bias) {
  const Type kernel_type = context.read_type(kernel);
  const Type bias_type = context.read_type(bias);
  if (kernel_type != Type::FLOAT16 && kernel_type != Type::FLOAT32) return {};
  if (bias_type == kernel_type) return {};
  if (kernel_type == Type::FLOAT16 && bias_type == Type::FLOAT32) return {};
  return fmt::format("its kernel is {} and its bias {}", name_of_type(kernel_type),
                     name_of_type(bias_type));
}

/// What convolutions share: kernel and bias in inputs 1 and 2.
std::string check_kernel_and_bias(const Context& context, int axis) {
  const TensorFacts& kernel = *context.input(1);
  if (std::string why = first_reason({check_kernel(kernel, axis, "its kernel"),
                                      check_rank(kernel, "its kernel", 4, 4),
                                      check_known(context, 1, "its kernel")});
      !why.empty()) {
    return why;
  }
  const TensorFacts* bias = context.input(2);
  if (bias == nullptr) return "it has no bias";
  return first_reason({check_bias(*bias, "its bias"), check_rank(*bias, "its bias", 1, 1),
                       check_known(context, 2, "its bias"), check_float_pair(context, 1, 2),
                       check_rank(*context.output(0), "its output", 4, 4)});
}

std::string check_window(const WindowFacts& window) {
  if (std::min({window.stride_w, window.stride_h, window.dilation_w, window.dilation_h}) <= 0) {
    return "a stride or dilation is 0 or less";
  }
  if (window.padding != tfl::Padding::SAME && window.padding != tfl::Padding::VALID) {
    return "its padding is unknown";
  }
  return {};
}

std::string describe_mix(const Context& context) {
  return fmt::format("its input is {}, its kernel {} and its output {}",
                     name_of_type(context.input(0)->type), name_of_type(context.input(1)->type),
                     name_of_type(context.output(0)->type));
}

/// Whether the padding of a transposed convolution can be said in XNNPACK's terms.
std::string check_transposed_size(const WindowFacts& window, const TensorFacts& in,
                                  const TensorFacts& kernel, std::int64_t height,
                                  std::int64_t width) {
  if (window.padding == tfl::Padding::VALID) {
    if (kernel.shape[1] <= height && kernel.shape[2] <= width) return {};
    return "its kernel is larger than its output";
  }
  if (window.padding != tfl::Padding::SAME) return "its padding is unknown";
  const std::int64_t expected_h = (height + window.stride_h - 1) / window.stride_h;
  const std::int64_t expected_w = (width + window.stride_w - 1) / window.stride_w;
  if (expected_h != in.shape[1] || expected_w != in.shape[2]) {
    return fmt::format("its output {}x{} does not follow from its input {}x{}", width, height,
                       in.shape[2], in.shape[1]);
  }
  if (kernel.shape[1] < window.stride_h || kernel.shape[2] < window.stride_w) {
    return "its strides are larger than its kernel";
  }
  return {};
}

/// Kernels of fully connected layers: also of 4 and 2 bits, also in blocks.
std::string check_matrix(const TensorFacts& matrix) {
  switch (matrix.type) {
    case Type::FLOAT32:
    case Type::FLOAT16:
      return {};
    case Type::UINT8:
      return check_8_bit(matrix, "its kernel");
    case Type::INT8:
    case Type::INT4:
    case Type::INT2:
      break;
    default:
      return fmt::format("its kernel is {}", name_of_type(matrix.type));
  }
  if (matrix.quantized == Quantized::Blockwise) {
    constexpr int kBlock = 32;
    if (matrix.block_scales < 0) return "its kernel has no scales";
    if (matrix.block_size % kBlock != 0) {
      return fmt::format("its kernel has blocks of {}, multiples of {} are taken",
                         matrix.block_size, kBlock);
    }
    return {};
  }
  if (matrix.quantized != Quantized::Affine) return "its kernel has no scale";
  if (matrix.scales.size() > 1 && matrix.axis != 0) {
    return fmt::format("its kernel has its scales along axis {}, axis 0 is taken", matrix.axis);
  }
  const auto rows = static_cast<std::size_t>(matrix.shape[static_cast<std::size_t>(matrix.axis)]);
  if (matrix.type == Type::INT2 && matrix.scales.size() != rows) {
    return "its 2-bit kernel has one scale, one per row is taken";
  }
  return {};
}

bool is_signed_code(Type type) {
  return type == Type::INT8 || type == Type::INT4 || type == Type::INT2;
}

std::string check_matrix_bias(const Context& context, std::int64_t rows) {
  const TensorFacts* bias = context.input(2);
  if (bias == nullptr) return {};
  if (bias->elements() != rows) {
    return fmt::format("its bias has {} values for {} rows", bias->elements(), rows);
  }
  return first_reason({check_bias(*bias, "its bias"), check_known(context, 2, "its bias"),
                       check_float_pair(context, 1, 2)});
}

/// Types and sizes of a fully connected layer that go together.
std::string check_matrix_types(const Context& context) {
  const TensorFacts& in = *context.input(0);
  const TensorFacts& matrix = *context.input(1);
  const bool is_float = in.type == Type::FLOAT32 || in.type == Type::FLOAT16;
  const bool is_hybrid = is_float && is_signed_code(matrix.type);
  const bool is_integer = in.type == Type::INT8 && is_signed_code(matrix.type);
  if (in.type != context.output(0)->type || (in.type != matrix.type && !is_hybrid && !is_integer)) {
    return describe_mix(context);
  }
  if (!is_hybrid && matrix.type == Type::INT8 && matrix.zero_point() != 0) {
    return fmt::format("its kernel has the zero point {}", matrix.zero_point());
  }
  const std::int64_t inputs = matrix.shape[1];
  if ((matrix.type == Type::INT4 && inputs % 2 != 0) ||
      (matrix.type == Type::INT2 && inputs % 4 != 0)) {
    return fmt::format("its {} kernel has {} inputs, multiples of {} are taken",
                       name_of_type(matrix.type), inputs, matrix.type == Type::INT4 ? 2 : 4);
  }
  return {};
}

}  // namespace

std::string check_conv(const Context& context) {
  if (std::string why = check_kernel_and_bias(context, 0); !why.empty()) return why;
  const TensorFacts& in = *context.input(0);
  const TensorFacts& kernel = *context.input(1);
  const bool is_hybrid = in.type == Type::FLOAT32 && kernel.type == Type::INT8;
  if (in.type != context.output(0)->type || (in.type != kernel.type && !is_hybrid)) {
    return describe_mix(context);
  }
  if (in.shape[3] < kernel.shape[3]) {
    return fmt::format("its kernel has {} input channels, its input {}", kernel.shape[3],
                       in.shape[3]);
  }
  const auto window = find_window(context.op);
  if (!window) return "it has no options";
  return first_reason({check_window(*window), check_activation(context)});
}

std::string check_depthwise(const Context& context) {
  if (std::string why = check_kernel_and_bias(context, 3); !why.empty()) return why;
  const TensorFacts& in = *context.input(0);
  if (in.type != context.output(0)->type || in.type != context.input(1)->type) {
    return describe_mix(context);
  }
  const auto window = find_window(context.op);
  if (!window) return "it has no options";
  const std::int64_t multiplier = window->depth_multiplier;
  if (multiplier <= 0 || context.input(1)->shape[3] % multiplier != 0) {
    return fmt::format("its depth multiplier is {} for {} output channels", multiplier,
                       context.input(1)->shape[3]);
  }
  return first_reason({check_window(*window), check_activation(context)});
}

std::string check_transpose_conv(const Context& context) {
  const TensorFacts& size = *context.input(0);
  const TensorFacts& kernel = *context.input(1);
  const TensorFacts& in = *context.input(2);
  if (std::string why = first_reason(
          {check_numbers(context, 0), check_rank(size, "its output size", 1, 1),
           check_rank(kernel, "its kernel", 4, 4), check_known(context, 1, "its kernel"),
           check_type(in, Takes::Float32Or8Bit, "its input"), check_rank(in, "its input", 4, 4),
           check_kernel(kernel, 0, "its kernel"),
           check_rank(*context.output(0), "its output", 4, 4)});
      !why.empty()) {
    return why;
  }
  const auto sizes = size.integers();
  if (!sizes || sizes->size() != 4) return "its output size has not 4 numbers";
  if (const TensorFacts* bias = context.input(3)) {
    if (std::string why =
            first_reason({check_bias(*bias, "its bias"), check_rank(*bias, "its bias", 1, 1),
                          check_known(context, 3, "its bias")});
        !why.empty()) {
      return why;
    }
  }
  if (kernel.shape[0] != (*sizes)[3] || kernel.shape[3] != in.shape[3]) {
    return "the channels of its kernel are not those of its input and output";
  }
  const auto window = find_window(context.op);
  if (!window) return "it has no options";
  return first_reason({check_window(*window),
                       check_transposed_size(*window, in, kernel, (*sizes)[1], (*sizes)[2]),
                       check_activation(context)});
}

std::string check_fully_connected(const Context& context) {
  constexpr int kRefusedVersion = 8;  // of sparse kernels
  if (context.op.version == kRefusedVersion) return "version 8 is not taken";
  const auto* options = context.op.table->builtin_options_as_FullyConnectedOptions();
  if (options != nullptr && options->weights_format() != tfl::WeightsFormat::DEFAULT) {
    return "its kernel is shuffled";
  }
  const TensorFacts& matrix = *context.input(1);
  if (std::string why = first_reason({check_rank(matrix, "its kernel", 2, 2)}); !why.empty()) {
    return why;
  }
  return first_reason({check_matrix(matrix), check_known(context, 1, "its kernel"),
                       check_matrix_bias(context, matrix.shape[0]), check_matrix_types(context),
                       check_activation(context)});
}

std::string check_batch_matmul(const Context& context) {
  const TensorFacts& a = *context.input(0);
  const TensorFacts& b = *context.input(1);
  if (a.rank() < 2 || b.rank() < 2) return "an input has fewer than 2 axes";
  const auto* options = context.op.table->builtin_options_as_BatchMatMulOptions();
  const bool is_transposed = options != nullptr && options->adj_y();
  const int axis = static_cast<int>(b.rank()) - (is_transposed ? 2 : 1);
  if (std::string why = check_kernel(b, axis, "input 1"); !why.empty()) return why;
  if (a.type == Type::FLOAT32 && b.type == Type::INT8) return {};
  if (b.type == Type::INT8 && !b.zero_points.empty() && b.zero_points[0] != 0) {
    return fmt::format("input 1 has the zero point {}", b.zero_points[0]);
  }
  if (a.type != b.type) {
    return fmt::format("input 0 is {} and input 1 {}", name_of_type(a.type), name_of_type(b.type));
  }
  const bool is_per_row = b.type == Type::INT8 && b.scales.size() > 1;
  return is_per_row ? "input 1 has several scales" : std::string();
}

std::string check_mediapipe_conv(const Context& context) {
  const TensorFacts& kernel = *context.input(1);
  const TensorFacts* bias = context.input(2);
  if (bias == nullptr) return "it has no bias";
  if (kernel.type != Type::FLOAT32 || bias->type != Type::FLOAT32) {
    return "its kernel or bias is not float32";
  }
  const TensorFacts& out = *context.output(0);
  if (std::string why =
          first_reason({check_rank(kernel, "its kernel", 4, 4),
                        check_known(context, 1, "its kernel"), check_rank(*bias, "its bias", 1, 1),
                        check_known(context, 2, "its bias"), check_rank(out, "its output", 4, 4)});
      !why.empty()) {
    return why;
  }
  const WindowFacts window = read_custom_window(context.op);
  if (std::string why = check_window(window); !why.empty()) return why;
  return check_transposed_size(window, *context.input(0), kernel, out.shape[1], out.shape[2]);
}

}  // namespace visionpress::tflite::xnnpack
