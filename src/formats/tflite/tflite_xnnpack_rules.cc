// The rules of LiteRT's XNNPACK delegate, one row per operator.
// source: LiteRT 2.3.0, tflite/delegates/xnnpack/xnnpack_delegate.cc, and what LiteRT 2.3.0 does
// (tests/makers/check_runtimes.py).

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "formats/tflite/tflite_xnnpack_parts.h"

namespace visionpress::tflite {
namespace xnnpack {
namespace {

using Code = tfl::BuiltinOperator;

constexpr std::size_t kAnyRank = std::numeric_limits<std::size_t>::max();

struct Rule {
  Code code = Code::CUSTOM;
  std::size_t least_inputs = 1;
  std::size_t most_inputs = 1;
  std::size_t least_outputs = 1;
  std::size_t most_outputs = 1;
  std::uint32_t data_inputs = 1;  ///< bit n: input n is checked for type and rank
  Takes in = Takes::Float;
  Takes out = Takes::Float;
  std::size_t least_rank = 0;        ///< of those inputs
  std::size_t most_rank = kAnyRank;  ///< kAnyRank: neither rank nor sizes are looked at
  std::string (*check)(const Context& context) = nullptr;
};

constexpr Rule unary(Code code, Takes takes = Takes::Float,
                     std::string (*check)(const Context&) = nullptr) {
  return {.code = code, .in = takes, .out = takes, .most_rank = kMostAxes, .check = check};
}

constexpr Rule binary(Code code, Takes takes, std::string (*check)(const Context&) = nullptr) {
  return {.code = code,
          .least_inputs = 2,
          .most_inputs = 2,
          .data_inputs = 3,
          .in = takes,
          .out = takes,
          .most_rank = kMostAxes,
          .check = check};
}

constexpr Takes kEight = Takes::FloatOr8Bit;

constexpr Rule reduce(Code code) {
  return {.code = code,
          .least_inputs = 2,
          .most_inputs = 2,
          .in = kEight,
          .out = kEight,
          .check = check_reduce};
}

constexpr auto kRules = std::to_array<Rule>({
    unary(Code::ABS),
    unary(Code::CEIL),
    unary(Code::COS),
    unary(Code::EXP),
    unary(Code::FLOOR),
    unary(Code::GELU),
    unary(Code::HARD_SWISH),
    unary(Code::LOG),
    unary(Code::NEG),
    unary(Code::RELU),
    unary(Code::RELU6),
    unary(Code::RELU_N1_TO_1),
    unary(Code::ROUND),
    unary(Code::RSQRT),
    unary(Code::SIN),
    unary(Code::SQRT),
    unary(Code::SQUARE),
    unary(Code::ELU, Takes::FloatOrInt8),
    unary(Code::LOGISTIC, kEight),
    unary(Code::TANH, kEight),
    unary(Code::LEAKY_RELU, kEight, check_leaky),
    unary(Code::QUANTIZE, kEight, check_quantize),
    {.code = Code::DEQUANTIZE, .in = Takes::Only8Bit, .out = Takes::Float, .most_rank = kMostAxes},
    binary(Code::ADD, kEight, check_sum),
    binary(Code::SUB, kEight, check_sum),
    binary(Code::MUL, kEight, check_product),
    binary(Code::DIV, Takes::Float, check_activation),
    binary(Code::MAXIMUM, Takes::Float),
    binary(Code::MINIMUM, Takes::Float),
    binary(Code::SQUARED_DIFFERENCE, Takes::Float),
    binary(Code::PRELU, Takes::Float, check_slope),
    reduce(Code::MEAN),
    reduce(Code::SUM),
    reduce(Code::REDUCE_MAX),
    reduce(Code::REDUCE_MIN),
    {.code = Code::AVERAGE_POOL_2D, .check = check_pool},
    {.code = Code::MAX_POOL_2D, .in = Takes::Float32Or8Bit, .out = kEight, .check = check_pool},
    {.code = Code::SOFTMAX, .check = check_softmax},
    {.code = Code::CONV_2D,
     .least_inputs = 3,
     .most_inputs = 3,
     .in = kEight,
     .out = kEight,
     .least_rank = 4,
     .most_rank = 4,
     .check = check_conv},
    {.code = Code::DEPTHWISE_CONV_2D,
     .least_inputs = 3,
     .most_inputs = 3,
     .in = kEight,
     .out = kEight,
     .least_rank = 4,
     .most_rank = 4,
     .check = check_depthwise},
    {.code = Code::TRANSPOSE_CONV,
     .least_inputs = 3,
     .most_inputs = 4,
     .data_inputs = 0,
     .out = Takes::Float32Or8Bit,
     .check = check_transpose_conv},
    {.code = Code::FULLY_CONNECTED,
     .least_inputs = 2,
     .most_inputs = 3,
     .in = kEight,
     .out = kEight,
     .check = check_fully_connected},
    {.code = Code::BATCH_MATMUL,
     .least_inputs = 2,
     .most_inputs = 2,
     .in = kEight,
     .out = kEight,
     .check = check_batch_matmul},
    {.code = Code::CONCATENATION,
     .least_inputs = 2,
     .most_inputs = 5,
     .data_inputs = 0,
     .out = kEight,
     .check = check_concat},
    {.code = Code::DEPTH_TO_SPACE, .in = kEight, .out = kEight, .check = check_depth_to_space},
    {.code = Code::SPACE_TO_DEPTH,
     .in = Takes::Float32Or8Bit,
     .out = kEight,
     .check = check_space_to_depth},
    {.code = Code::PAD,
     .least_inputs = 2,
     .most_inputs = 2,
     .in = kEight,
     .out = kEight,
     .least_rank = 1,
     .most_rank = kMostAxes,
     .check = check_pad},
    {.code = Code::RESHAPE,
     .most_inputs = 2,
     .in = kEight,
     .out = kEight,
     .most_rank = kMostAxes,
     .check = check_reshape},
    {.code = Code::RESIZE_BILINEAR,
     .least_inputs = 2,
     .most_inputs = 2,
     .in = Takes::Float32Or8Bit,
     .out = kEight,
     .least_rank = 4,
     .most_rank = 4,
     .check = check_resize},
    {.code = Code::SLICE,
     .least_inputs = 3,
     .most_inputs = 3,
     .in = kEight,
     .out = kEight,
     .check = check_slice},
    {.code = Code::STRIDED_SLICE,
     .least_inputs = 4,
     .most_inputs = 4,
     .in = kEight,
     .out = kEight,
     .check = check_strided_slice},
    {.code = Code::SPLIT,
     .least_inputs = 2,
     .most_inputs = 2,
     .least_outputs = 2,
     .most_outputs = 4,
     .data_inputs = 2,
     .in = kEight,
     .out = kEight,
     .check = check_split},
    {.code = Code::TRANSPOSE,
     .least_inputs = 2,
     .most_inputs = 2,
     .in = kEight,
     .out = Takes::Unchecked,
     .least_rank = 1,
     .most_rank = kMostAxes,
     .check = check_transpose},
    {.code = Code::ASSIGN_VARIABLE,
     .least_inputs = 2,
     .most_inputs = 2,
     .least_outputs = 0,
     .most_outputs = 0,
     .data_inputs = 0,
     .check = check_assigned},
    {.code = Code::READ_VARIABLE, .data_inputs = 0, .out = kEight, .check = check_read},
});

/// Operators of MediaPipe, which the delegate knows by their names.
struct CustomRule {
  std::string_view name;
  Rule rule;
};
constexpr auto kCustomRules = std::to_array<CustomRule>({
    {"Convolution2DTransposeBias",
     {.least_inputs = 3,
      .most_inputs = 3,
      .in = Takes::Float32,
      .out = Takes::Float32,
      .least_rank = 4,
      .most_rank = 4,
      .check = check_mediapipe_conv}},
    {"MaxPoolingWithArgmax2D",
     {.least_outputs = 2,
      .most_outputs = 2,
      .in = Takes::Float32,
      .out = Takes::Float32,
      .least_rank = 4,
      .most_rank = 4,
      .check = check_custom_pool}},
    {"MaxUnpooling2D",
     {.least_inputs = 2,
      .most_inputs = 2,
      .in = Takes::Float32,
      .out = Takes::Float32,
      .least_rank = 4,
      .most_rank = 4,
      .check = check_custom_pool}},
});

const Rule* find_rule(const OperatorFacts& op) {
  if (op.code == Code::CUSTOM) {
    const auto* custom = std::ranges::find(kCustomRules, op.type, &CustomRule::name);
    return custom == kCustomRules.end() ? nullptr : &custom->rule;
  }
  const auto* rule = std::ranges::find(kRules, op.code, &Rule::code);
  return rule == kRules.end() ? nullptr : rule;
}

/// Whether inputs and outputs that the rule looks at are there.
std::string check_presence(const Rule& rule, const Context& context) {
  if (std::string why =
          first_reason({check_input_count(context.op, rule.least_inputs, rule.most_inputs),
                        check_output_count(context.op, rule.least_outputs, rule.most_outputs)});
      !why.empty()) {
    return why;
  }
  for (std::size_t i = 0; i < rule.least_inputs; ++i) {
    // A convolution's bias may be absent; its check says so.
    const bool may_be_absent = i == 2;
    if (context.input(i) == nullptr && !may_be_absent) return fmt::format("input {} is absent", i);
  }
  for (std::size_t i = 0; i < context.op.outputs.size(); ++i) {
    if (context.output(i) == nullptr) return fmt::format("output {} is absent", i);
  }
  return {};
}

std::string check_data(const Rule& rule, const Context& context) {
  constexpr std::size_t kBits = 32;
  for (std::size_t i = 0; i < std::min(context.op.inputs.size(), kBits); ++i) {
    if ((rule.data_inputs >> i & 1U) == 0) continue;
    const TensorFacts* in = context.input(i);
    if (in == nullptr) return fmt::format("input {} is absent", i);
    const std::string what = rule.data_inputs == 1 ? "its input" : fmt::format("input {}", i);
    if (std::string why = check_type(*in, rule.in, what); !why.empty()) return why;
    if (rule.most_rank == kAnyRank) continue;
    if (std::string why = check_rank(*in, what, rule.least_rank, rule.most_rank); !why.empty()) {
      return why;
    }
  }
  if (context.op.outputs.empty()) return {};
  return check_type(*context.output(0), rule.out, "its output");
}

std::string check_rule(const Rule& rule, const Context& context) {
  if (std::string why = check_presence(rule, context); !why.empty()) return why;
  if (std::string why = check_data(rule, context); !why.empty()) return why;
  return rule.check == nullptr ? std::string() : rule.check(context);
}

}  // namespace
}  // namespace xnnpack

std::string check_xnnpack_rule(const GraphFacts& graph, const OperatorFacts& op,
                               const UnpackedTensors& unpacked) {
  const xnnpack::Rule* rule = xnnpack::find_rule(op);
  if (rule == nullptr) return "XNNPACK has no such operator here";
  return xnnpack::check_rule(*rule, {graph, op, unpacked});
}

}  // namespace visionpress::tflite
