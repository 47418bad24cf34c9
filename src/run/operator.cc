#include "run/operator.h"

#include <algorithm>

#include "base/error.h"
#include "codecs/decode.h"
#include "run/codes.h"

namespace visionpress {

FloatMath float_math_of(const Graph& graph, Arithmetic arithmetic) {
  const bool is_hybrid = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                                     [](const Node& node) { return is_dynamic_range(node.op); });
  if (graph.format != Format::TfLite || (!is_hybrid && !has_codes(graph))) return FloatMath::Plain;
  if (arithmetic == Arithmetic::Runtime) return FloatMath::Xnnpack;
  return arithmetic == Arithmetic::Builtin ? FloatMath::Builtin : FloatMath::Plain;
}
namespace {

template <typename T>
std::vector<float> to_floats(Bytes bytes) {
  std::vector<float> values;
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T))
    values.push_back(static_cast<float>(load_le<T>(bytes, at)));
  return values;
}

// The values of a tensor of whole numbers or truth values; empty for other types.
std::vector<float> load_whole_numbers(const Tensor& tensor) {
  switch (tensor.dtype) {
    case DType::Int8:
      return to_floats<std::int8_t>(tensor.constant);
    case DType::UInt8:
    case DType::Bool:
      return to_floats<std::uint8_t>(tensor.constant);
    case DType::Int16:
      return to_floats<std::int16_t>(tensor.constant);
    case DType::Int32:
      return to_floats<std::int32_t>(tensor.constant);
    case DType::Int64:
      return to_floats<std::int64_t>(tensor.constant);
    default:
      return {};
  }
}

void scale_codes(const QuantParams& params, std::vector<float>& values) {
  if (params.scales.empty()) return;
  const bool is_per_channel = params.scales.size() > 1;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = is_per_channel ? i % params.scales.size() : 0;
    const auto zero = params.zero_points.empty() ? 0 : params.zero_points[c];
    values[i] = params.scales[c] * (values[i] - static_cast<float>(zero));
  }
}

}  // namespace

Result<std::vector<float>> load_constant(const InputDesc& input) {
  if (input.weight != nullptr) {
    auto values = load_weight(input.weight->stored);
    if (!values) {
      Error error = std::move(values).error();
      error.message = input.weight->path + ": " + error.message;
      return tl::unexpected<Error>(std::move(error));
    }
    return values;
  }
  if (input.tensor != nullptr && !input.tensor->constant.empty()) {
    std::vector<float> values = load_whole_numbers(*input.tensor);
    // The bias of an integer layer, where the run computes in float.
    if (input.tensor->quantization) scale_codes(*input.tensor->quantization, values);
    if (!values.empty()) return values;
  }
  if (input.tensor == nullptr || input.tensor->literal.empty()) {
    return fail(ErrorKind::Unsupported, "\"{}\" must be a float constant here",
                input.tensor == nullptr ? "(absent input)" : input.tensor->name);
  }
  return input.tensor->literal;
}

Result<int> physical_axis(int axis, std::size_t rank, Layout layout) {
  VP_ASSIGN_OR_RETURN(const int logical, resolve_axis(axis, rank));
  if (layout == Layout::ChannelsLast || rank != 4) return logical;
  constexpr int kPhysicalOfNchw[4] = {0, 3, 1, 2};
  return kPhysicalOfNchw[logical];
}

bool orders_differ(const Shape& physical, Layout layout) {
  return layout == Layout::ChannelsFirst && physical.size() == 4 && physical[3] > 1 &&
         physical[1] * physical[2] > 1;
}

std::size_t count_of(const Shape& dims) {
  std::size_t count = 1;
  for (const std::int64_t size : dims) count *= static_cast<std::size_t>(size);
  return count;
}

}  // namespace visionpress
