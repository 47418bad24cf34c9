#include "formats/tflite/tflite_operands.h"

#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/half.h"

namespace visionpress::tflite {
namespace {

/// Axes, sizes and paddings: no operator has more than this many of them.
constexpr std::size_t kMaxParameterCount = 64;

}  // namespace

const Tensor* find_input(const TfliteOperator& source, std::size_t slot) {
  if (slot >= source.inputs.size() || source.inputs[slot] == kNoTensor) return nullptr;
  return &source.graph.tensor(source.inputs[slot]);
}

Lowered unsupported(const TfliteOperator& source, std::string why) {
  return LoweredOperator{Unsupported{std::move(why)}, source.inputs, false};
}

Lowered lowered(Op op, std::vector<TensorId> inputs) {
  return LoweredOperator{std::move(op), std::move(inputs), false};
}

Result<void> check_input_count(const TfliteOperator& source, std::size_t count) {
  for (std::size_t slot = 0; slot < count; ++slot) {
    if (find_input(source, slot) == nullptr) {
      return fail(ErrorKind::Malformed, "{}: {} needs {} inputs, input {} is missing", source.path,
                  source.type, count, slot);
    }
  }
  return {};
}

tl::unexpected<Error> missing_options(const TfliteOperator& source) {
  return fail(ErrorKind::Malformed, "{}: {} has no options of its own kind", source.path,
              source.type);
}

Result<void> check_positive(const TfliteOperator& source, const char* what, std::int64_t value) {
  if (value >= 1) return {};
  return fail(ErrorKind::Malformed, "{}: {} has {} {}, expected at least 1", source.path,
              source.type, what, value);
}

std::optional<FusedActivation> find_activation(tfl::Activation activation) {
  switch (activation) {
    case tfl::Activation::NONE:
      return FusedActivation::None;
    case tfl::Activation::RELU:
      return FusedActivation::Relu;
    case tfl::Activation::RELU6:
      return FusedActivation::Relu6;
    case tfl::Activation::RELU_N1_TO_1:
      return FusedActivation::ReluN1To1;
    case tfl::Activation::TANH:
      return FusedActivation::Tanh;
    default:
      return std::nullopt;
  }
}

std::string activation_reason(tfl::Activation activation) {
  return fmt::format("its fused activation is number {}", static_cast<int>(activation));
}

SpatialPadding padding_of(tfl::Padding padding) {
  SpatialPadding result;
  result.rule = padding == tfl::Padding::SAME ? PadRule::SameUpper : PadRule::Explicit;
  return result;
}

std::optional<std::vector<std::int64_t>> find_integers(const Tensor* tensor) {
  if (tensor == nullptr || tensor->constant.empty()) return std::nullopt;
  const std::size_t width = element_bytes(tensor->dtype);
  if (tensor->dtype != DType::Int32 && tensor->dtype != DType::Int64) return std::nullopt;
  if (tensor->constant.size() / width > kMaxParameterCount) return std::nullopt;
  std::vector<std::int64_t> values;
  for (std::size_t at = 0; at + width <= tensor->constant.size(); at += width) {
    values.push_back(width == 4 ? load_le<std::int32_t>(tensor->constant, at)
                                : load_le<std::int64_t>(tensor->constant, at));
  }
  return values;
}

std::optional<std::int64_t> find_integer(const Tensor* tensor) {
  const auto values = find_integers(tensor);
  if (!values || values->size() != 1) return std::nullopt;
  return values->front();
}

std::optional<float> find_float(const TfliteOperator& source, std::size_t slot) {
  const Tensor* tensor = find_input(source, slot);
  if (tensor == nullptr || !tensor->weight) return std::nullopt;
  const WeightRef& stored = source.graph.weights[*tensor->weight].stored;
  if (stored.code.encoding == Encoding::Float32 && stored.payload.size() == 4) {
    return load_le<float>(stored.payload, 0);
  }
  if (stored.code.encoding == Encoding::Float16 && stored.payload.size() == 2) {
    return half_to_float(load_le<std::uint16_t>(stored.payload, 0));
  }
  return std::nullopt;
}

Result<int> check_axis(const TfliteOperator& source, std::int64_t axis, std::size_t rank) {
  const auto limit = static_cast<std::int64_t>(rank);
  if (axis < -limit || axis >= limit) {
    return fail(ErrorKind::Malformed, "{}: {} has axis {}, its tensor has {} axes", source.path,
                source.type, axis, rank);
  }
  return static_cast<int>(axis < 0 ? axis + limit : axis);
}

Result<std::vector<int>> check_axes(const TfliteOperator& source,
                                    const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<int> result;
  for (const std::int64_t axis : axes) {
    VP_ASSIGN_OR_RETURN(const int checked, check_axis(source, axis, rank));
    result.push_back(checked);
  }
  return result;
}

Result<void> check_image(const TfliteOperator& source, std::size_t slot) {
  const Tensor* tensor = find_input(source, slot);
  if (tensor->shape.size() == 4) return {};
  return fail(ErrorKind::Malformed, "{}: {} reads \"{}\" of shape {}, expected 4 axes", source.path,
              source.type, tensor->name, to_string(tensor->shape));
}

}  // namespace visionpress::tflite
