#include "run/operator.h"

#include <algorithm>

#include "base/error.h"
#include "codecs/decode.h"
#include "model/same_padding.h"

namespace visionpress {

FloatMath float_math_of(const Graph& graph, Arithmetic arithmetic) {
  const bool is_hybrid = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                                     [](const Node& node) { return is_dynamic_range(node.op); });
  if (graph.format != Format::TfLite || !is_hybrid) return FloatMath::Plain;
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

// Whole numbers and truth values; none for other types.
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
    if (!values.empty()) return values;
  }
  if (input.tensor == nullptr || input.tensor->literal.empty()) {
    return fail(ErrorKind::Unsupported, "\"{}\" must be a float constant here",
                input.tensor == nullptr ? "(absent input)" : input.tensor->name);
  }
  return input.tensor->literal;
}

Result<int> physical_axis(int axis, std::size_t rank, Layout layout) {
  const int count = static_cast<int>(rank);
  const int logical = axis < 0 ? axis + count : axis;
  if (logical < 0 || logical >= count) {
    return fail(ErrorKind::Malformed, "axis {} of a tensor with {} axes", axis, count);
  }
  if (layout == Layout::ChannelsLast || rank != 4) return logical;
  constexpr int kPhysicalOfNchw[4] = {0, 3, 1, 2};
  return kPhysicalOfNchw[logical];
}

Shape physical_shape(const Shape& logical, Layout layout) {
  if (layout == Layout::ChannelsLast || logical.size() != 4) return logical;
  return {logical[0], logical[2], logical[3], logical[1]};
}

Shape logical_shape(const Shape& physical, Layout layout) {
  if (layout == Layout::ChannelsLast || physical.size() != 4) return physical;
  return {physical[0], physical[3], physical[1], physical[2]};
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

Result<WindowGeometry> window_geometry(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                                       const SpatialPadding& padding, std::size_t axis) {
  constexpr std::int64_t kLargest =
      1 << 24;  // pixels along one axis; keeps every sum far from overflow
  if (in <= 0 || kernel <= 0 || stride <= 0 || in > kLargest || kernel > kLargest ||
      stride > kLargest) {
    return fail(ErrorKind::Malformed, "window {} with stride {} over {} pixels", kernel, stride,
                in);
  }
  WindowGeometry geometry = {padding.before[axis], padding.after[axis], 0};
  if (padding.rule == PadRule::SameUpper || padding.rule == PadRule::SameLower) {
    const SamePadding same = same_padding(in, kernel, stride);
    const bool odd_behind = padding.rule == PadRule::SameUpper;
    geometry.out = same.out;
    geometry.before = odd_behind ? same.before : same.after;
    geometry.after = odd_behind ? same.after : same.before;
    return geometry;
  }
  if (geometry.before < 0 || geometry.after < 0 || geometry.before > kLargest ||
      geometry.after > kLargest) {
    return fail(ErrorKind::Malformed, "padding of {} and {} pixels", geometry.before,
                geometry.after);
  }
  const std::int64_t span = in + geometry.before + geometry.after - kernel;
  if (span < 0) {
    return fail(ErrorKind::Malformed, "window of {} over {} pixels with padding {} and {}", kernel,
                in, geometry.before, geometry.after);
  }
  if (padding.rule == PadRule::Explicit) {
    geometry.out = span / stride + 1;
    return geometry;
  }
  geometry.out = (span + stride - 1) / stride + 1;
  // Padding along either axis counts for both. source: NeuralNetwork.proto, PoolingLayerParams.
  const bool is_padded = padding.before[0] > 0 || padding.before[1] > 0;
  if (is_padded && (geometry.out - 1) * stride >= in + geometry.before) --geometry.out;
  geometry.after = std::max<std::int64_t>(
      geometry.after, (geometry.out - 1) * stride + kernel - in - geometry.before);
  return geometry;
}

}  // namespace visionpress
