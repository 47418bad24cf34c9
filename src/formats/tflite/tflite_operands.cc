#include "formats/tflite/tflite_operands.h"

#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/half.h"
#include "lower/known_values.h"

namespace visionpress::tflite {
namespace {

/// The most numbers in a parameter such as axes, sizes or paddings; no operator needs more.
constexpr std::size_t kMaxParameterCount = 64;

}  // namespace

const Tensor* find_input(const TfliteOperator& source, std::size_t slot) {
  if (slot >= source.inputs.size() || source.inputs[slot] == kNoTensor) return nullptr;
  return &source.graph.tensor(source.inputs[slot]);
}

Lowered unsupported(const TfliteOperator& source, std::string why) {
  LoweredOperator result;
  result.op = Unsupported{std::move(why)};
  result.inputs = source.inputs;
  return result;
}

Lowered lowered(Op op, std::vector<TensorId> inputs) {
  LoweredOperator result;
  result.op = std::move(op);
  result.inputs = std::move(inputs);
  return result;
}

TensorId make_value(const TfliteOperator& source, LoweredOperator& result, Tensor value) {
  result.made.push_back(std::move(value));
  return static_cast<TensorId>(source.graph.tensors.size() + result.made.size() - 1);
}

TensorId make_value(const TfliteOperator& source, LoweredOperator& result, const char* suffix,
                    std::size_t like) {
  Tensor value;
  value.name = fmt::format("{}/{}", source.graph.tensor(source.outputs[0]).name, suffix);
  const Tensor& operand = *find_input(source, like);
  value.dtype = operand.dtype;
  if (has_codes(source)) value.quantization = operand.quantization;
  return make_value(source, result, std::move(value));
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

Result<void> check_operand_counts(const TfliteOperator& source, std::size_t inputs,
                                  std::size_t outputs) {
  VP_RETURN_IF_ERROR(check_input_count(source, inputs));
  if (source.inputs.size() == inputs && source.outputs.size() == outputs) return {};
  return fail(ErrorKind::Malformed, "{}: {} has {} inputs and {} outputs, expected {} and {}",
              source.path, source.type, source.inputs.size(), source.outputs.size(), inputs,
              outputs);
}

Result<void> check_same_type(const TfliteOperator& source, std::size_t first, std::size_t second) {
  const Tensor& a = *find_input(source, first);
  const Tensor& b = *find_input(source, second);
  if (a.dtype == b.dtype) return {};
  return fail(ErrorKind::Malformed, "{}: {} has the inputs \"{}\" of {} and \"{}\" of {}",
              source.path, source.type, a.name, name_of(a.dtype), b.name, name_of(b.dtype));
}

Result<void> check_type(const TfliteOperator& source, std::size_t slot, DType wanted) {
  const Tensor& tensor = *find_input(source, slot);
  if (tensor.dtype == wanted) return {};
  return fail(ErrorKind::Malformed, "{}: {} reads \"{}\" of {}, expected {}", source.path,
              source.type, tensor.name, name_of(tensor.dtype), name_of(wanted));
}

Result<void> check_index_type(const TfliteOperator& source, std::size_t slot) {
  const Tensor& tensor = *find_input(source, slot);
  if (is_whole(tensor.dtype)) return {};
  return fail(ErrorKind::Malformed, "{}: {} reads \"{}\" of {}, expected int32 or int64",
              source.path, source.type, tensor.name, name_of(tensor.dtype));
}

bool is_whole(DType dtype) { return dtype == DType::Int32 || dtype == DType::Int64; }

Shape stated_shape(const TfliteOperator& source, std::size_t slot) {
  const TensorId id = source.outputs[slot];
  if (source.subgraph != nullptr) {
    const auto* signature =
        source.subgraph->tensors()->Get(static_cast<flatbuffers::uoffset_t>(id))->shape_signature();
    if (signature != nullptr && signature->size() > 0)
      return {signature->begin(), signature->end()};
  }
  return source.graph.tensor(id).shape;
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
    case tfl::Activation::SIGN_BIT:
      return FusedActivation::None;  // LiteRT's kernels have no bounds for these and apply nothing
    default:
      return std::nullopt;
  }
}

bool is_passed_over(tfl::Activation activation) {
  return activation == tfl::Activation::TANH || activation == tfl::Activation::SIGN_BIT;
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
  if (tensor == nullptr) return std::nullopt;
  return visionpress::find_integers(*tensor, kMaxParameterCount);
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

bool has_codes(const TfliteOperator& source) {
  const auto is_code = [&](TensorId id) {
    if (id == kNoTensor || source.graph.tensor(id).is_constant()) return false;
    const DType dtype = source.graph.tensor(id).dtype;
    return dtype == DType::Int8 || dtype == DType::UInt8;
  };
  return std::ranges::any_of(source.inputs, is_code) ||
         std::ranges::any_of(source.outputs, is_code);
}

std::optional<float> find_real(const TfliteOperator& source, std::size_t slot) {
  const Tensor* tensor = find_input(source, slot);
  if (tensor == nullptr || !tensor->weight) return std::nullopt;
  const WeightRef& stored = source.graph.weights[*tensor->weight].stored;
  const WeightCode& code = stored.code;
  if (code.encoding != Encoding::Linear || code.bits != 8 || code.scales.size() != 1 ||
      stored.payload.size() != 1)
    return find_float(source, slot);
  const auto byte = load_le<std::uint8_t>(stored.payload, 0);
  const int value = code.is_signed ? static_cast<std::int8_t>(byte) : static_cast<int>(byte);
  const auto zero = code.zero_points.empty() ? 0 : code.zero_points[0];
  return code.scales[0] * static_cast<float>(value - static_cast<int>(zero));
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
