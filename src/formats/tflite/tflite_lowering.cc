#include "formats/tflite/tflite_lowering.h"

#include <utility>

#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress {
namespace {

using Code = tfl::BuiltinOperator;

Result<LoweredOperator> lower_known(const TfliteOperator& source) {
  switch (source.code) {
    case Code::CONV_2D:
    case Code::DEPTHWISE_CONV_2D:
      return tflite::lower_convolution(source);
    case Code::TRANSPOSE_CONV:
      return tflite::lower_transpose_conv(source);
    case Code::FULLY_CONNECTED:
      return tflite::lower_fully_connected(source);
    case Code::MAX_POOL_2D:
      return tflite::lower_pool(source, PoolKind::Max);
    case Code::AVERAGE_POOL_2D:
      return tflite::lower_pool(source, PoolKind::Average);
    case Code::L2_POOL_2D:
      return tflite::lower_pool(source, PoolKind::L2);
    case Code::SOFTMAX:
      return tflite::lower_softmax(source);
    case Code::CONCATENATION:
      return tflite::lower_concatenation(source);
    case Code::RESHAPE:
      return tflite::lower_reshape(source);
    case Code::SQUEEZE:
      return tflite::lower_squeeze(source);
    case Code::EXPAND_DIMS:
      return tflite::lower_expand_dims(source);
    case Code::TRANSPOSE:
      return tflite::lower_transpose(source);
    case Code::PAD:
    case Code::PADV2:
    case Code::MIRROR_PAD:
      return tflite::lower_pad(source);
    case Code::SLICE:
      return tflite::lower_slice(source);
    case Code::STRIDED_SLICE:
      return tflite::lower_strided_slice(source);
    case Code::SPLIT:
    case Code::SPLIT_V:
      return tflite::lower_split(source);
    case Code::RESIZE_BILINEAR:
      return tflite::lower_resize(source, ResizeKind::Bilinear);
    case Code::RESIZE_NEAREST_NEIGHBOR:
      return tflite::lower_resize(source, ResizeKind::Nearest);
    case Code::MEAN:
      return tflite::lower_reduce(source, ReduceKind::Mean);
    case Code::SUM:
      return tflite::lower_reduce(source, ReduceKind::Sum);
    case Code::REDUCE_PROD:
      return tflite::lower_reduce(source, ReduceKind::Product);
    case Code::REDUCE_MAX:
      return tflite::lower_reduce(source, ReduceKind::Maximum);
    case Code::REDUCE_MIN:
      return tflite::lower_reduce(source, ReduceKind::Minimum);
    case Code::ARG_MAX:
      return tflite::lower_reduce(source, ReduceKind::ArgMax);
    case Code::ARG_MIN:
      return tflite::lower_reduce(source, ReduceKind::ArgMin);
    case Code::SPACE_TO_DEPTH:
    case Code::DEPTH_TO_SPACE:
      return tflite::lower_space_depth(source);
    default:
      return tflite::lower_elementwise(source);
  }
}

/// Why the numbers this operator works on are not ours to compute; empty when they are floats.
std::string integer_reason(const TfliteOperator& source) {
  for (const std::vector<TensorId>* ids : {&source.inputs, &source.outputs}) {
    for (const TensorId id : *ids) {
      if (id == kNoTensor || source.graph.tensor(id).is_constant()) continue;
      const DType dtype = source.graph.tensor(id).dtype;
      if (dtype == DType::Int8 || dtype == DType::UInt8) {
        return "its activations are 8-bit integers";
      }
      if (dtype == DType::Int16) return "its activations are 16-bit integers";
    }
  }
  return {};
}

/// Every operand must be float32, but for a kernel that the runtime takes in 8 bits.
std::string operand_reason(const TfliteOperator& source, const LoweredOperator& result) {
  const auto* conv = std::get_if<Conv2d>(&result.op);
  const auto* connected = std::get_if<FullyConnected>(&result.op);
  const bool hybrid = (conv != nullptr && conv->dynamic_range) ||
                      (connected != nullptr && connected->dynamic_range);
  for (std::size_t slot = 0; slot < result.inputs.size(); ++slot) {
    const Tensor& tensor = source.graph.tensor(result.inputs[slot]);
    if (tensor.dtype == DType::Float32 || (hybrid && slot == 1)) continue;
    return fmt::format("its input \"{}\" is {}", tensor.name, name_of(tensor.dtype));
  }
  return {};
}

}  // namespace

Result<LoweredOperator> lower_operator(const TfliteOperator& source) {
  if (source.outputs.empty()) {
    return fail(ErrorKind::Malformed, "{}: {} has no output", source.path, source.type);
  }
  if (std::string reason = integer_reason(source); !reason.empty()) {
    return LoweredOperator{Unsupported{std::move(reason)}, source.inputs, true};
  }
  VP_ASSIGN_OR_RETURN(LoweredOperator result, lower_known(source));
  if (std::holds_alternative<Unsupported>(result.op)) return result;
  if (std::string reason = operand_reason(source, result); !reason.empty()) {
    return tflite::unsupported(source, std::move(reason));
  }
  return result;
}

}  // namespace visionpress
