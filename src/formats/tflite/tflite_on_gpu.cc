#include "formats/tflite/tflite_on_gpu.h"

#include <algorithm>
#include <array>

#include "formats/tflite/tflite_gpu_checks.h"

namespace visionpress::tflite {
namespace gpu {
namespace {

using Code = tfl::BuiltinOperator;
using Type = tfl::TensorType;

constexpr int kElementwise = 2;  // last version of the operators on single values

constexpr Rule unary(Code code) { return {code, kElementwise, Operands::OnlyOne}; }
constexpr Rule binary(Code code) {
  return {code, kElementwise, Operands::TwoOrOne, check_activation};
}
constexpr Rule logical(Code code) { return {code, kElementwise, Operands::Any, check_logical}; }

/// source: LiteRT 2.3.0, tflite/delegates/gpu/common/model_builder.cc (IsSupported, the last
/// versions) and tflite/tools/versioning/gpu_compatibility.cc.
constexpr auto kRules = std::to_array<Rule>({
    unary(Code::ABS),
    unary(Code::COS),
    unary(Code::ELU),
    unary(Code::EXP),
    unary(Code::FLOOR),
    unary(Code::GELU),
    unary(Code::LOG),
    unary(Code::LOGISTIC),
    unary(Code::NEG),
    unary(Code::RSQRT),
    unary(Code::SIGN),
    unary(Code::SIN),
    unary(Code::SQRT),
    unary(Code::SQUARE),
    unary(Code::TANH),
    binary(Code::DIV),
    binary(Code::FLOOR_DIV),
    binary(Code::FLOOR_MOD),
    binary(Code::MAXIMUM),
    binary(Code::MINIMUM),
    binary(Code::POW),
    binary(Code::SQUARED_DIFFERENCE),
    binary(Code::SUB),
    logical(Code::EQUAL),
    logical(Code::GREATER),
    logical(Code::GREATER_EQUAL),
    logical(Code::LESS),
    logical(Code::LESS_EQUAL),
    logical(Code::NOT_EQUAL),
    logical(Code::LOGICAL_AND),
    {Code::ADD, 2, Operands::Any, check_broadcast},
    {Code::ADD_N, 2, Operands::Any, check_add_n},
    {Code::MUL, 3, Operands::Any, check_broadcast},
    {Code::AVERAGE_POOL_2D, 2, Operands::OneValue, check_window},
    {Code::BATCH_MATMUL, 0, Operands::Any, check_batch_matmul},
    {Code::CAST, 0, Operands::OneValue, check_cast},
    {Code::CONCATENATION, 2},
    {Code::CONV_2D, 6, Operands::Convolution, check_window},
    {Code::CUMSUM, 1, Operands::Any, check_cumsum},
    {Code::DEPTHWISE_CONV_2D, 6, Operands::Convolution, check_depthwise},
    {Code::DEPTH_TO_SPACE, 0, Operands::OneValue, check_block},
    {Code::DEQUANTIZE, 3, Operands::Any, check_dequantize},
    {Code::FULLY_CONNECTED, 9, Operands::Any, check_fully_connected},
    {Code::GATHER, 1, Operands::TwoOrOne, check_gather},
    {Code::HARD_SWISH, 0, Operands::OneValue},
    {Code::LEAKY_RELU, 2},
    {Code::MAX_POOL_2D, 2, Operands::OneValue, check_window},
    {Code::MEAN, 0, Operands::AxesList},
    {Code::MIRROR_PAD, 2, Operands::OneValue, check_pad},
    {Code::ONE_HOT, 1, Operands::Any, check_one_hot},
    {Code::PACK, 0},
    {Code::PAD, 2, Operands::OneValue, check_pad},
    {Code::PADV2, 2, Operands::OneValue, check_pad},
    {Code::PRELU, 1},
    {Code::QUANTIZE, 2, Operands::OneValue},
    {Code::REDUCE_MAX, 0, Operands::AxesList},
    {Code::REDUCE_MIN, 0, Operands::AxesList},
    {Code::REDUCE_PROD, 0, Operands::AxesList},
    {Code::RELU, 2},
    {Code::RELU6, 2},
    {Code::RELU_0_TO_1, 2},
    {Code::RELU_N1_TO_1, 2},
    {Code::RESHAPE, 1, Operands::OneValue},
    {Code::RESIZE_BILINEAR, 3, Operands::OneValue, check_resize_bilinear},
    {Code::RESIZE_NEAREST_NEIGHBOR, 3, Operands::OneValue},
    {Code::SELECT, 1, Operands::Any, check_select},
    {Code::SELECT_V2, 1, Operands::Any, check_select},
    {Code::SLICE, 2, Operands::Any, check_slice},
    {Code::SOFTMAX, 2, Operands::Any, check_softmax},
    {Code::SPACE_TO_DEPTH, 2, Operands::OneValue, check_block},
    {Code::SPLIT, 0},
    {Code::SPLIT_V, 0},
    {Code::STRIDED_SLICE, 4, Operands::Any, check_slice},
    {Code::SUM, 0, Operands::AxesList},
    {Code::TILE, 0, Operands::OneValue},
    {Code::TRANSPOSE, 4, Operands::OneValue},
    {Code::TRANSPOSE_CONV, 3, Operands::Convolution, check_window},
    {Code::UNPACK, 0},
});

/// Custom operators that the delegate knows by their names.
constexpr auto kCustomNames = std::to_array<std::string_view>(
    {"Convolution2DTransposeBias", "MaxPoolingWithArgmax2D", "MaxUnpooling2D", "Resampler"});

std::string check_rule(const Operation& operation) {
  const OperatorFacts& op = operation.op;
  if (op.code == Code::CUSTOM) {
    const bool is_known = std::ranges::find(kCustomNames, op.type) != kCustomNames.end();
    return is_known ? std::string() : "the GPU has no such custom operator";
  }
  const auto* rule = std::ranges::find(kRules, op.code, &Rule::code);
  if (rule == kRules.end()) return "the GPU has no such operator";
  if (rule->last_version != 0 && op.version > rule->last_version) {
    return fmt::format("version {}, up to {} are taken", op.version, rule->last_version);
  }
  if (std::string why = check_operands(operation, rule->operands); !why.empty()) return why;
  return rule->check == nullptr ? std::string() : rule->check(operation);
}

/// The types of computed values, and at most 4 axes, which hold for constants too.
std::string check_types(const Operation& operation) {
  const Code code = operation.op.code;
  const bool is_cast = code == Code::CAST;
  const bool selects = code == Code::SELECT || code == Code::SELECT_V2;
  const auto takes = [&](Type type, bool is_input) {
    if (is_float(type) || type == Type::INT8 || type == Type::UINT8) return true;
    if (type == Type::INT32) {
      return is_cast || (is_input && (code == Code::GATHER || code == Code::ONE_HOT));
    }
    if (type != Type::BOOL) return false;
    return is_cast || code == Code::LOGICAL_AND || (is_input ? selects : is_logical(code));
  };
  const auto check = [&](const TensorFacts* tensor, bool is_known, bool is_input) -> std::string {
    if (tensor == nullptr) return {};
    // Constants become floats when the delegate reads them.
    const bool is_packed =
        tensor->type == Type::INT4 || tensor->type == Type::INT2 || tensor->type == Type::UINT4;
    if (is_packed) return fmt::format("a constant is {}", name_of_type(tensor->type));
    constexpr std::size_t kMostAxes = 4;
    if (tensor->rank() > kMostAxes) return fmt::format("a tensor has {} axes", tensor->rank());
    if (is_known || tensor->is_variable || takes(tensor->type, is_input)) return {};
    return fmt::format("{} is {}", is_input ? "an input" : "its output",
                       name_of_type(tensor->type));
  };
  for (std::size_t i = 0; i < operation.op.inputs.size(); ++i) {
    std::string why = check(operation.input(i), operation.is_constant(i), true);
    if (!why.empty()) return why;
  }
  for (std::size_t i = 0; i < operation.op.outputs.size(); ++i) {
    if (std::string why = check(operation.output(i), false, false); !why.empty()) return why;
  }
  return {};
}

/// A DEQUANTIZE of constant halves: the operators behind it read the halves themselves.
bool decodes_halves(const GraphFacts& graph, const OperatorFacts& op) {
  const TensorFacts* in = graph.input(op, 0);
  return op.code == Code::DEQUANTIZE && in != nullptr && in->type == Type::FLOAT16 &&
         in->is_constant;
}

}  // namespace
}  // namespace gpu

std::vector<std::string> list_gpu_refusals(const GraphFacts& graph) {
  std::vector<bool> is_half(graph.tensors.size());
  for (const OperatorFacts& op : graph.operators) {
    if (!gpu::decodes_halves(graph, op) || op.outputs.empty() || op.outputs[0] < 0) continue;
    is_half[static_cast<std::size_t>(op.outputs[0])] = true;
  }
  std::vector<std::string> refusals;
  refusals.reserve(graph.operators.size());
  bool takes_all = true;
  for (const OperatorFacts& op : graph.operators) {
    std::string why;
    if (!gpu::decodes_halves(graph, op)) {
      const gpu::Operation operation{graph, op, is_half};
      why = gpu::check_rule(operation);
      if (why.empty()) why = gpu::check_types(operation);
    }
    takes_all = takes_all && why.empty();
    refusals.push_back(std::move(why));
  }
  if (takes_all) return refusals;
  for (std::size_t i = 0; i < refusals.size(); ++i) {
    if (!gpu::decodes_halves(graph, graph.operators[i])) continue;
    refusals[i] = "the CPU decodes halves, since the GPU does not take the whole file";
  }
  return refusals;
}

}  // namespace visionpress::tflite
