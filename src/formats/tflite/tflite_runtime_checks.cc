#include "formats/tflite/tflite_runtime_checks.h"

namespace visionpress::tflite {
namespace {

template <typename Options>
tfl::Activation activation_of(const Options* options) {
  return options == nullptr ? tfl::Activation::NONE : options->activation();
}

std::string check_count(std::string_view what, std::size_t count, std::size_t least,
                        std::size_t most) {
  if (count >= least && count <= most) return {};
  if (least == most) return fmt::format("it has {} {}, {} are taken", count, what, least);
  return fmt::format("it has {} {}, {} to {} are taken", count, what, least, most);
}

}  // namespace

std::string check_rank(const TensorFacts& tensor, std::string_view what, std::size_t least,
                       std::size_t most) {
  if (tensor.rank() < least || tensor.rank() > most) {
    return least == most ? fmt::format("{} has {} axes, {} are taken", what, tensor.rank(), least)
                         : fmt::format("{} has {} axes, {} to {} are taken", what, tensor.rank(),
                                       least, most);
  }
  for (const std::int64_t size : tensor.shape) {
    if (size <= 0) return fmt::format("{} has the shape {}", what, text_of(tensor.shape));
  }
  return {};
}

std::string check_input_count(const OperatorFacts& op, std::size_t least, std::size_t most) {
  return check_count("inputs", op.inputs.size(), least, most);
}

std::string check_output_count(const OperatorFacts& op, std::size_t least, std::size_t most) {
  return check_count("outputs", op.outputs.size(), least, most);
}

std::string_view name_of_activation(tfl::Activation activation) {
  switch (activation) {
    case tfl::Activation::NONE:
      return "none";
    case tfl::Activation::RELU:
      return "RELU";
    case tfl::Activation::RELU_N1_TO_1:
      return "RELU_N1_TO_1";
    case tfl::Activation::RELU6:
      return "RELU6";
    case tfl::Activation::TANH:
      return "TANH";
    case tfl::Activation::SIGN_BIT:
      return "SIGN_BIT";
  }
  return "unknown";
}

tfl::Activation fused_activation(const OperatorFacts& op) {
  const tfl::Operator& table = *op.table;
  switch (op.code) {
    case tfl::BuiltinOperator::ADD:
      return activation_of(table.builtin_options_as_AddOptions());
    case tfl::BuiltinOperator::SUB:
      return activation_of(table.builtin_options_as_SubOptions());
    case tfl::BuiltinOperator::MUL:
      return activation_of(table.builtin_options_as_MulOptions());
    case tfl::BuiltinOperator::DIV:
      return activation_of(table.builtin_options_as_DivOptions());
    case tfl::BuiltinOperator::CONV_2D:
      return activation_of(table.builtin_options_as_Conv2DOptions());
    case tfl::BuiltinOperator::DEPTHWISE_CONV_2D:
      return activation_of(table.builtin_options_as_DepthwiseConv2DOptions());
    case tfl::BuiltinOperator::TRANSPOSE_CONV:
      return activation_of(table.builtin_options_as_TransposeConvOptions());
    case tfl::BuiltinOperator::FULLY_CONNECTED:
      return activation_of(table.builtin_options_as_FullyConnectedOptions());
    case tfl::BuiltinOperator::AVERAGE_POOL_2D:
    case tfl::BuiltinOperator::MAX_POOL_2D:
    case tfl::BuiltinOperator::L2_POOL_2D:
      return activation_of(table.builtin_options_as_Pool2DOptions());
    case tfl::BuiltinOperator::CONCATENATION:
      return activation_of(table.builtin_options_as_ConcatenationOptions());
    default:
      return tfl::Activation::NONE;
  }
}

std::optional<WindowFacts> find_window(const OperatorFacts& op) {
  WindowFacts window;
  const auto take = [&window](const auto& options) {
    window.stride_w = options.stride_w();
    window.stride_h = options.stride_h();
    window.padding = options.padding();
  };
  const auto take_dilation = [&window](const auto& options) {
    window.dilation_w = options.dilation_w();
    window.dilation_h = options.dilation_h();
  };
  if (const auto* conv = op.table->builtin_options_as_Conv2DOptions()) {
    take(*conv);
    take_dilation(*conv);
    return window;
  }
  if (const auto* depthwise = op.table->builtin_options_as_DepthwiseConv2DOptions()) {
    take(*depthwise);
    take_dilation(*depthwise);
    window.depth_multiplier = depthwise->depth_multiplier();
    return window;
  }
  if (const auto* pool = op.table->builtin_options_as_Pool2DOptions()) {
    take(*pool);
    window.filter_w = pool->filter_width();
    window.filter_h = pool->filter_height();
    return window;
  }
  if (const auto* transposed = op.table->builtin_options_as_TransposeConvOptions()) {
    take(*transposed);
    return window;
  }
  return std::nullopt;
}

WindowFacts read_custom_window(const OperatorFacts& op) {
  WindowFacts window;
  // Absent numbers are 0. The first is the padding: 1 SAME, 2 VALID.
  const auto number = [&op](std::size_t index) -> std::int64_t {
    const std::size_t at = index * sizeof(std::int32_t);
    return at + sizeof(std::int32_t) <= op.custom_options.size()
               ? load_le<std::int32_t>(op.custom_options, at)
               : 0;
  };
  constexpr std::int64_t kSame = 1;
  constexpr std::int64_t kValid = 2;
  const std::int64_t padding = number(0);
  window.padding = padding == kSame ? tfl::Padding::SAME : tfl::Padding::VALID;
  if (padding != kSame && padding != kValid) window.padding = static_cast<tfl::Padding>(-1);
  window.stride_w = number(1);
  window.stride_h = number(2);
  window.filter_w = number(3);
  window.filter_h = number(4);
  return window;
}

}  // namespace visionpress::tflite
