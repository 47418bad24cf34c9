#include "formats/tflite/tflite_lowering.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/tflite/tflite_operands.h"
#include "lower/whole_limit.h"

namespace visionpress {
namespace {

using Code = tfl::BuiltinOperator;

template <typename T, typename... Others>
constexpr bool kIsOneOf = (std::is_same_v<T, Others> || ...);

/// Maps an operator that is not elementwise to its lowering.
struct OperatorRow {
  Code code;
  Result<LoweredOperator> (*lower)(const TfliteOperator& source);
};

constexpr auto kRows = std::to_array<OperatorRow>({
    {Code::CONV_2D, tflite::lower_convolution},
    {Code::DEPTHWISE_CONV_2D, tflite::lower_convolution},
    {Code::TRANSPOSE_CONV, tflite::lower_transpose_conv},
    {Code::FULLY_CONNECTED, tflite::lower_fully_connected},
    {Code::BATCH_MATMUL, tflite::lower_batch_matmul},
    {Code::MAX_POOL_2D, tflite::lower_pool},
    {Code::AVERAGE_POOL_2D, tflite::lower_pool},
    {Code::L2_POOL_2D, tflite::lower_pool},
    {Code::QUANTIZE, tflite::lower_requantize},
    {Code::DEQUANTIZE, tflite::lower_requantize},
    {Code::LOCAL_RESPONSE_NORMALIZATION, tflite::lower_local_response_norm},
    {Code::L2_NORMALIZATION, tflite::lower_l2_normalization},
    {Code::LOG_SOFTMAX, tflite::lower_log_softmax},
    {Code::GELU, tflite::lower_gelu},
    {Code::SOFTMAX, tflite::lower_softmax},
    {Code::CONCATENATION, tflite::lower_concatenation},
    {Code::RESHAPE, tflite::lower_reshape},
    {Code::SQUEEZE, tflite::lower_squeeze},
    {Code::EXPAND_DIMS, tflite::lower_expand_dims},
    {Code::TRANSPOSE, tflite::lower_transpose},
    {Code::PAD, tflite::lower_pad},
    {Code::PADV2, tflite::lower_pad},
    {Code::MIRROR_PAD, tflite::lower_pad},
    {Code::SLICE, tflite::lower_slice},
    {Code::STRIDED_SLICE, tflite::lower_strided_slice},
    {Code::SPLIT, tflite::lower_split},
    {Code::SPLIT_V, tflite::lower_split},
    {Code::RESIZE_BILINEAR, tflite::lower_resize},
    {Code::RESIZE_NEAREST_NEIGHBOR, tflite::lower_resize},
    {Code::MEAN, tflite::lower_reduce},
    {Code::SUM, tflite::lower_reduce},
    {Code::REDUCE_PROD, tflite::lower_reduce},
    {Code::REDUCE_MAX, tflite::lower_reduce},
    {Code::REDUCE_MIN, tflite::lower_reduce},
    {Code::REDUCE_ANY, tflite::lower_reduce},
    {Code::REDUCE_ALL, tflite::lower_reduce},
    {Code::ARG_MAX, tflite::lower_reduce},
    {Code::ARG_MIN, tflite::lower_reduce},
    {Code::SPACE_TO_DEPTH, tflite::lower_space_depth},
    {Code::DEPTH_TO_SPACE, tflite::lower_space_depth},
    {Code::SPACE_TO_BATCH_ND, tflite::lower_space_batch},
    {Code::BATCH_TO_SPACE_ND, tflite::lower_space_batch},
    {Code::PACK, tflite::lower_pack},
    {Code::UNPACK, tflite::lower_unpack},
    {Code::TILE, tflite::lower_tile},
    {Code::BROADCAST_TO, tflite::lower_broadcast_to},
    {Code::FILL, tflite::lower_fill},
    {Code::RANGE, tflite::lower_range},
    {Code::SHAPE, tflite::lower_shape_of},
    {Code::RANK, tflite::lower_rank},
    {Code::ZEROS_LIKE, tflite::lower_zeros_like},
    {Code::REVERSE_V2, tflite::lower_reverse},
    {Code::CUMSUM, tflite::lower_cumulative_sum},
    {Code::GATHER, tflite::lower_gather},
    {Code::GATHER_ND, tflite::lower_gather_nd},
    {Code::EMBEDDING_LOOKUP, tflite::lower_embedding_lookup},
    {Code::SCATTER_ND, tflite::lower_scatter_nd},
    {Code::ONE_HOT, tflite::lower_one_hot},
    {Code::FAKE_QUANT, tflite::lower_fake_quant},
    {Code::CUSTOM, tflite::lower_custom},
    {Code::SELECT, tflite::lower_select},
    {Code::SELECT_V2, tflite::lower_select},
    {Code::WHERE, tflite::lower_where},
    {Code::TOPK_V2, tflite::lower_top_k},
    {Code::NON_MAX_SUPPRESSION_V4, tflite::lower_suppression},
    {Code::NON_MAX_SUPPRESSION_V5, tflite::lower_suppression},
});

/// Operators that exist for a side effect, not for a result. Custom operators may be of this kind,
/// too.
bool has_effect_alone(Code code) {
  return code == Code::CALL_ONCE || code == Code::ASSIGN_VARIABLE || code == Code::CUSTOM ||
         code == Code::HASHTABLE_IMPORT || code == Code::CALL || code == Code::WHILE ||
         code == Code::IF || code == Code::DELEGATE || code == Code::STABLEHLO_CUSTOM_CALL ||
         code == Code::STABLEHLO_COMPOSITE;
}

/// The name of an operand whose rank the file does not state; empty if there is none.
std::string find_without_rank(const TfliteOperator& source) {
  if (source.without_rank == nullptr) return {};
  for (const TensorId id : source.inputs) {
    if (source.without_rank->contains(id)) return source.graph.tensor(id).name;
  }
  return {};
}

Result<LoweredOperator> lower_known(const TfliteOperator& source) {
  if (source.type == tflite::kDetectionName) return tflite::lower_detection(source);
  const auto* row = std::ranges::find(kRows, source.code, &OperatorRow::code);
  if (row == kRows.end() && source.code != Code::PRELU) return tflite::lower_elementwise(source);
  if (const std::string name = find_without_rank(source); !name.empty())
    return tflite::unsupported(source, fmt::format("its input \"{}\" has no shape", name));
  return row == kRows.end() ? tflite::lower_elementwise(source) : row->lower(source);
}

/// Whether the operator is a CAST of the network's input of 8-bit pixels, which a run holds as
/// floats from the start.
bool is_cast_input(const TfliteOperator& source) {
  if (source.code != Code::CAST || source.inputs.size() != 1 || source.outputs.size() != 1)
    return false;
  if (source.inputs[0] == kNoTensor || source.subgraph == nullptr) return false;
  const DType from = source.graph.tensor(source.inputs[0]).dtype;
  const auto* inputs = source.subgraph->inputs();
  return (from == DType::UInt8 || from == DType::Int8) && inputs != nullptr &&
         std::find(inputs->begin(), inputs->end(), source.inputs[0]) != inputs->end();
}

/// Operators with a kernel for 8-bit integers in the runner.
constexpr auto kIntegerCodes = std::to_array<Code>({Code::CONV_2D,
                                                    Code::DEPTHWISE_CONV_2D,
                                                    Code::FULLY_CONNECTED,
                                                    Code::AVERAGE_POOL_2D,
                                                    Code::MAX_POOL_2D,
                                                    Code::SOFTMAX,
                                                    Code::CONCATENATION,
                                                    Code::RESHAPE,
                                                    Code::SQUEEZE,
                                                    Code::EXPAND_DIMS,
                                                    Code::TRANSPOSE,
                                                    Code::PAD,
                                                    Code::SLICE,
                                                    Code::STRIDED_SLICE,
                                                    Code::SPLIT,
                                                    Code::SPLIT_V,
                                                    Code::PACK,
                                                    Code::UNPACK,
                                                    Code::TILE,
                                                    Code::GATHER,
                                                    Code::GATHER_ND,
                                                    Code::SPACE_TO_DEPTH,
                                                    Code::DEPTH_TO_SPACE,
                                                    Code::RESIZE_NEAREST_NEIGHBOR,
                                                    Code::REDUCE_MAX,
                                                    Code::REDUCE_MIN,
                                                    Code::ARG_MAX,
                                                    Code::ARG_MIN,
                                                    Code::MAXIMUM,
                                                    Code::MINIMUM,
                                                    Code::ADD,
                                                    Code::SUB,
                                                    Code::MUL,
                                                    Code::LOGISTIC,
                                                    Code::TANH,
                                                    Code::RELU,
                                                    Code::RELU6,
                                                    Code::RELU_N1_TO_1,
                                                    Code::LEAKY_RELU,
                                                    Code::HARD_SWISH,
                                                    Code::ELU,
                                                    Code::PRELU,
                                                    Code::SQUARED_DIFFERENCE,
                                                    Code::LOG_SOFTMAX,
                                                    Code::L2_NORMALIZATION,
                                                    Code::TRANSPOSE_CONV,
                                                    Code::BATCH_MATMUL,
                                                    Code::MEAN,
                                                    Code::SUM,
                                                    Code::RESIZE_BILINEAR,
                                                    Code::PADV2,
                                                    Code::MIRROR_PAD,
                                                    Code::SPACE_TO_BATCH_ND,
                                                    Code::BATCH_TO_SPACE_ND,
                                                    Code::SELECT,
                                                    Code::SELECT_V2,
                                                    Code::BROADCAST_TO,
                                                    Code::QUANTIZE,
                                                    Code::DEQUANTIZE});

/// Why 8-bit activations of the tensor cannot be run; empty if they can.
std::string code_reason(const Tensor& tensor) {
  const auto& params = tensor.quantization;
  const bool has_scale = params && params->scales.size() == 1 && std::isfinite(params->scales[0]) &&
                         params->scales[0] > 0.0F;
  if (!has_scale)
    return fmt::format("\"{}\" is {} without one scale", tensor.name, name_of(tensor.dtype));
  const std::int64_t zero = params->zero_points.empty() ? 0 : params->zero_points[0];
  const std::int64_t lowest = tensor.dtype == DType::Int8 ? -128 : 0;
  if (zero >= lowest && zero <= lowest + 255) return {};
  return fmt::format("\"{}\" is {} with the zero point {}", tensor.name, name_of(tensor.dtype),
                     zero);
}

/// The reason why the operator's number types cannot be run; empty if they can.
std::string integer_reason(const TfliteOperator& source) {
  if (is_cast_input(source)) return {};
  const bool has_kernel = std::ranges::find(kIntegerCodes, source.code) != kIntegerCodes.end() ||
                          source.type == tflite::kDetectionName;
  for (const std::vector<TensorId>* ids : {&source.inputs, &source.outputs}) {
    for (const TensorId id : *ids) {
      if (id == kNoTensor || source.graph.tensor(id).is_constant()) continue;
      const DType dtype = source.graph.tensor(id).dtype;
      if (dtype == DType::Int8 || dtype == DType::UInt8) {
        if (!has_kernel) return "its activations are 8-bit integers";
        if (std::string reason = code_reason(source.graph.tensor(id)); !reason.empty())
          return reason;
      }
      if (dtype == DType::Int16) return "its activations are 16-bit integers";
    }
  }
  return {};
}

/// Whether the runtime's kernels accept whole numbers and truth values for this operator; a run
/// holds them as floats.
bool takes_whole_numbers(const Op& op) {
  if (const auto* unary = std::get_if<Unary>(&op)) {
    return unary->kind == UnaryKind::Abs || unary->kind == UnaryKind::Negate ||
           unary->kind == UnaryKind::Sign || unary->kind == UnaryKind::LogicalNot ||
           unary->kind == UnaryKind::Truncate;
  }
  if (const auto* reduce = std::get_if<Reduce>(&op)) return reduce->kind != ReduceKind::Mean;
  return std::visit(
      []<typename T>(const T& /*op*/) {
        return kIsOneOf<T, Identity, Binary, Concat, Reshape, Squeeze, ExpandDims, Transpose, Pad,
                        Slice, Split, SpaceBatch, Gather, GatherNd, ScatterNd, Reverse,
                        CumulativeSum, Select, Where, Tile, ShapeOf, TopK, TakeRows>;
      },
      op);
}

bool takes_bias(const Op& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<FullyConnected>(op);
}

/// A whole number of the constant that a run cannot hold; nothing if there is none.
std::optional<std::int64_t> find_inexact(const Tensor& tensor) {
  const std::size_t width = element_bytes(tensor.dtype);
  if (!tflite::is_whole(tensor.dtype)) return std::nullopt;
  for (std::size_t at = 0; at + width <= tensor.constant.size(); at += width) {
    const std::int64_t value = width == 4 ? load_le<std::int32_t>(tensor.constant, at)
                                          : load_le<std::int64_t>(tensor.constant, at);
    if (value <= -kWholeLimit || value >= kWholeLimit) return value;
  }
  return std::nullopt;
}

/// The reason why an operand's type cannot be run; empty if there is none. Operands must be
/// float32, except whole numbers where the kernels accept them and kernels that the runtime accepts
/// in 8 bits.
std::string operand_reason(const TfliteOperator& source, const Op& op,
                           const std::vector<TensorId>& inputs) {
  const bool hybrid = is_dynamic_range(op);
  const bool takes_whole = takes_whole_numbers(op);
  for (std::size_t slot = 0; slot < inputs.size(); ++slot) {
    if (static_cast<std::size_t>(inputs[slot]) >= source.graph.tensors.size())
      continue;  // made by this lowering, so its type is right
    const Tensor& tensor = source.graph.tensor(inputs[slot]);
    if (tensor.dtype == DType::Float32 || (hybrid && slot == 1)) continue;
    // 8-bit codes, and the bias beside them; the runner checks which it takes.
    const bool is_code = tensor.dtype == DType::Int8 || tensor.dtype == DType::UInt8;
    if (tflite::has_codes(source) && (is_code || (tensor.dtype == DType::Int32 && takes_bias(op))))
      continue;
    const bool travels = tflite::is_whole(tensor.dtype) || tensor.dtype == DType::Bool;
    if (!takes_whole || !travels)
      return fmt::format("its input \"{}\" is {}", tensor.name, name_of(tensor.dtype));
    if (const auto value = find_inexact(tensor)) {
      return fmt::format("its input \"{}\" holds {}: {}", tensor.name, *value, kWholeLimitRule);
    }
  }
  return {};
}

std::string operand_reason(const TfliteOperator& source, const LoweredOperator& result) {
  if (is_cast_input(source)) return {};
  std::string reason = operand_reason(source, result.op, result.inputs);
  for (const auto* steps : {&result.before, &result.after}) {
    for (const LoweredStep& step : *steps) {
      if (reason.empty()) reason = operand_reason(source, step.op, step.inputs);
    }
  }
  return reason;
}

}  // namespace

Result<LoweredOperator> lower_operator(const TfliteOperator& source) {
  if (source.outputs.empty()) {
    if (has_effect_alone(source.code)) return tflite::unsupported(source, "it keeps variables");
    return fail(ErrorKind::Malformed, "{}: {} has no output", source.path, source.type);
  }
  if (std::string reason = integer_reason(source); !reason.empty()) {
    VP_ASSIGN_OR_RETURN(LoweredOperator result, tflite::unsupported(source, std::move(reason)));
    result.works_on_integers = true;
    return result;
  }
  VP_ASSIGN_OR_RETURN(LoweredOperator result, lower_known(source));
  result.works_on_integers = tflite::has_codes(source) && !is_cast_input(source);
  if (std::holds_alternative<Unsupported>(result.op)) return result;
  if (std::string reason = operand_reason(source, result); !reason.empty()) {
    const bool works_on_integers = result.works_on_integers;
    VP_ASSIGN_OR_RETURN(result, tflite::unsupported(source, std::move(reason)));
    result.works_on_integers = works_on_integers;
  }
  return result;
}

}  // namespace visionpress
