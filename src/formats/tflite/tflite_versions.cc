#include "formats/tflite/tflite_versions.h"

#include <vector>

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;

/// Lists only versions that the writer uses. source:
/// tensorflow/lite/tools/versioning/runtime_version.cc.
struct RuntimeNeed {
  Code code;
  int version;
  std::string_view runtime;
};
constexpr RuntimeNeed kRuntimeNeeds[] = {
    {Code::ABS, 1, "1.13.0"},
    {Code::ADD, 1, "1.5.0"},
    {Code::ARG_MAX, 1, "1.9.0"},
    {Code::ARG_MIN, 1, "1.9.0"},
    {Code::ATAN2, 1, "2.10.0"},
    {Code::AVERAGE_POOL_2D, 1, "1.5.0"},
    {Code::BATCH_MATMUL, 1, "2.3.0"},
    {Code::BATCH_TO_SPACE_ND, 1, "1.6.0"},
    {Code::BATCH_TO_SPACE_ND, 3, "2.3.0"},
    {Code::CAST, 1, "1.5.0"},
    {Code::CEIL, 1, "1.14.0"},
    {Code::CONCATENATION, 1, "1.5.0"},
    {Code::CONV_2D, 1, "1.5.0"},
    {Code::CONV_2D, 2, "1.14.0"},
    {Code::CONV_2D, 5, "2.4.0"},
    {Code::CONV_2D, 6, "2.9.0"},
    {Code::COS, 1, "1.14.0"},
    {Code::CUMSUM, 1, "2.4.0"},
    {Code::DEPTHWISE_CONV_2D, 1, "1.5.0"},
    {Code::DEPTHWISE_CONV_2D, 2, "1.12.0"},
    {Code::DEPTHWISE_CONV_2D, 6, "2.3.0"},
    {Code::DEPTH_TO_SPACE, 1, "2.1.0"},
    {Code::DEQUANTIZE, 2, "1.14.0"},
    {Code::DEQUANTIZE, 3, "1.15.0"},
    {Code::DEQUANTIZE, 5, "2.7.0"},
    {Code::DEQUANTIZE, 6, "2.18.0"},
    {Code::DIV, 1, "1.6.0"},
    {Code::ELU, 1, "1.14.0"},
    {Code::EQUAL, 1, "1.14.0"},
    {Code::EXP, 1, "1.7.0"},
    {Code::EXPAND_DIMS, 1, "1.10.0"},
    {Code::FLOOR, 1, "1.9.0"},
    {Code::FLOOR_DIV, 1, "1.14.0"},
    {Code::FLOOR_DIV, 2, "1.14.0"},
    {Code::FLOOR_MOD, 1, "1.13.0"},
    {Code::FULLY_CONNECTED, 1, "1.5.0"},
    {Code::FULLY_CONNECTED, 3, "1.14.0"},
    {Code::FULLY_CONNECTED, 5, "2.0.0"},
    {Code::FULLY_CONNECTED, 10, "2.11.0"},
    {Code::FULLY_CONNECTED, 12, "2.17.0"},
    {Code::GATHER, 1, "1.6.0"},
    {Code::GATHER, 5, "2.5.0"},
    {Code::GATHER_ND, 1, "1.14.0"},
    {Code::GELU, 1, "2.9.0"},
    {Code::GREATER, 1, "1.14.0"},
    {Code::GREATER_EQUAL, 1, "1.14.0"},
    {Code::HARD_SWISH, 1, "1.15.0"},
    {Code::L2_POOL_2D, 1, "1.5.0"},
    {Code::LEAKY_RELU, 1, "1.13.1"},
    {Code::LESS, 1, "1.14.0"},
    {Code::LESS_EQUAL, 1, "1.14.0"},
    {Code::LOCAL_RESPONSE_NORMALIZATION, 1, "1.5.0"},
    {Code::LOG, 1, "1.14.0"},
    {Code::LOGICAL_AND, 1, "1.11.0"},
    {Code::LOGICAL_NOT, 1, "1.11.0"},
    {Code::LOGICAL_OR, 1, "1.11.0"},
    {Code::LOGISTIC, 1, "1.14.0"},
    {Code::MAXIMUM, 1, "1.14.0"},
    {Code::MAXIMUM, 3, "2.3.0"},
    {Code::MAX_POOL_2D, 1, "1.5.0"},
    {Code::MEAN, 1, "1.6.0"},
    {Code::MINIMUM, 1, "1.14.0"},
    {Code::MINIMUM, 3, "2.3.0"},
    {Code::MIRROR_PAD, 1, "1.13.1"},
    {Code::MUL, 1, "1.5.0"},
    {Code::NEG, 1, "1.9.0"},
    {Code::NON_MAX_SUPPRESSION_V4, 1, "2.1.0"},
    {Code::NON_MAX_SUPPRESSION_V5, 1, "2.1.0"},
    {Code::NOT_EQUAL, 1, "1.14.0"},
    {Code::PAD, 1, "1.5.0"},
    {Code::PAD, 3, "2.4.0"},
    {Code::PADV2, 1, "1.9.0"},
    {Code::PADV2, 3, "2.4.0"},
    {Code::POW, 1, "1.10.0"},
    {Code::PRELU, 1, "1.8.0"},
    {Code::REDUCE_ALL, 1, "2.6.0"},
    {Code::REDUCE_ANY, 1, "1.11.0"},
    {Code::REDUCE_MAX, 1, "1.11.0"},
    {Code::REDUCE_MIN, 1, "1.11.0"},
    {Code::REDUCE_PROD, 1, "1.11.0"},
    {Code::RELU, 1, "1.5.0"},
    {Code::RELU6, 1, "1.5.0"},
    {Code::RELU_N1_TO_1, 1, "1.5.0"},
    {Code::RESHAPE, 1, "1.5.0"},
    {Code::RESIZE_BILINEAR, 1, "1.7.0"},
    {Code::RESIZE_BILINEAR, 3, "2.2.0"},
    {Code::RESIZE_NEAREST_NEIGHBOR, 1, "1.13.1"},
    {Code::RESIZE_NEAREST_NEIGHBOR, 3, "2.3.0"},
    {Code::REVERSE_V2, 1, "1.14.0"},
    {Code::ROUND, 1, "1.14.0"},
    {Code::RSQRT, 1, "1.10.0"},
    {Code::SCATTER_ND, 1, "2.1.0"},
    {Code::SELECT_V2, 1, "2.2.0"},
    {Code::SHAPE, 1, "1.10.0"},
    {Code::SIGN, 1, "2.12.0"},
    {Code::SIN, 1, "1.9.0"},
    {Code::SLICE, 1, "1.14.0"},
    {Code::SLICE, 5, "2.5.0"},
    {Code::SOFTMAX, 1, "1.5.0"},
    {Code::SPACE_TO_BATCH_ND, 1, "1.6.0"},
    {Code::SPACE_TO_BATCH_ND, 3, "2.3.0"},
    {Code::SPACE_TO_DEPTH, 1, "1.5.0"},
    {Code::SPLIT, 1, "1.5.0"},
    {Code::SPLIT_V, 1, "1.13.1"},
    {Code::SQRT, 1, "1.10.0"},
    {Code::SQUARE, 1, "1.12.0"},
    {Code::SQUARED_DIFFERENCE, 1, "1.13.1"},
    {Code::SQUEEZE, 1, "1.6.0"},
    {Code::STRIDED_SLICE, 1, "1.6.0"},
    {Code::STRIDED_SLICE, 4, "2.2.0"},
    {Code::SUB, 1, "1.6.0"},
    {Code::SUM, 1, "1.10.0"},
    {Code::TANH, 1, "1.14.0"},
    {Code::TILE, 1, "1.10.1"},
    {Code::TOPK_V2, 1, "1.7.0"},
    {Code::TRANSPOSE, 1, "1.6.0"},
    {Code::TRANSPOSE, 4, "2.3.0"},
    {Code::TRANSPOSE_CONV, 1, "1.9.0"},
    {Code::TRANSPOSE_CONV, 3, "2.3.0"},
    {Code::TRANSPOSE_CONV, 4, "2.15.0"},
    {Code::WHERE, 1, "1.14.0"},
};

/// Splits a version into numbers, because "2.10.0" is newer than "2.9.1" although it sorts before
/// it as text.
std::vector<int> version_numbers(std::string_view text) {
  std::vector<int> numbers(1, 0);
  for (const char c : text) {
    if (c == '.') numbers.push_back(0);
    if (c >= '0' && c <= '9' && numbers.back() < 100000)
      numbers.back() = numbers.back() * 10 + (c - '0');
  }
  return numbers;
}

}  // namespace

std::string_view find_runtime(Code code, int version) {
  for (const RuntimeNeed& need : kRuntimeNeeds) {
    if (need.code == code && need.version == version) return need.runtime;
  }
  return {};
}

std::string_view later_runtime(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  return version_numbers(a) < version_numbers(b) ? b : a;
}

}  // namespace visionpress::tflite
