#include "formats/tflite/tflite_xnnpack_parts.h"

#include <array>

namespace visionpress::tflite::xnnpack {

using Type = tfl::TensorType;

bool is_8_bit(const TensorFacts& tensor) {
  return tensor.type == Type::INT8 || tensor.type == Type::UINT8;
}

std::string check_8_bit(const TensorFacts& tensor, std::string_view what) {
  if (tensor.quantized != Quantized::Affine) {
    return fmt::format("{} is {} without a scale", what, name_of_type(tensor.type));
  }
  if (tensor.scales.size() != 1) {
    return fmt::format("{} has {} scales, one is taken", what, tensor.scales.size());
  }
  if (tensor.axis != 0) return fmt::format("{} has its scale on axis {}", what, tensor.axis);
  return {};
}

std::string check_type(const TensorFacts& tensor, Takes takes, std::string_view what) {
  const bool is_8_bit =
      takes == Takes::FloatOr8Bit || takes == Takes::Float32Or8Bit || takes == Takes::Only8Bit;
  switch (tensor.type) {
    case Type::FLOAT32:
      if (takes != Takes::Only8Bit) return {};
      break;
    case Type::FLOAT16:
      if (takes == Takes::Float || takes == Takes::FloatOrInt8 || takes == Takes::FloatOr8Bit) {
        return {};
      }
      break;
    case Type::INT8:
      if (is_8_bit || takes == Takes::FloatOrInt8) return check_8_bit(tensor, what);
      break;
    case Type::UINT8:
      if (is_8_bit) return check_8_bit(tensor, what);
      break;
    default:
      break;
  }
  if (takes == Takes::Unchecked) return {};
  constexpr std::array<const char*, 7> kNames = {"float32",
                                                 "float32 and float16",
                                                 "float32, float16 and int8",
                                                 "float32, float16, int8 and uint8",
                                                 "float32, int8 and uint8",
                                                 "int8 and uint8",
                                                 ""};
  return fmt::format("{} is {}, {} are taken", what, name_of_type(tensor.type),
                     kNames[static_cast<std::size_t>(takes)]);
}

std::string check_activation(const Context& context) {
  const tfl::Activation activation = fused_activation(context.op);
  if (activation <= tfl::Activation::RELU6 && activation >= tfl::Activation::NONE) return {};
  return fmt::format("its activation is {}", name_of_activation(activation));
}

/// Input `slot` holds whole numbers that are in the file, of int32 (or int64).
std::string check_numbers(const Context& context, std::size_t slot, bool takes_int64) {
  const TensorFacts* tensor = context.input(slot);
  if (tensor == nullptr || !tensor->is_constant) {
    return fmt::format("input {} is not a constant", slot);
  }
  if (tensor->type == Type::INT32 || (takes_int64 && tensor->type == Type::INT64)) return {};
  return fmt::format("input {} is {}, int32 is taken", slot, name_of_type(tensor->type));
}

std::string check_known(const Context& context, std::size_t slot, std::string_view what) {
  return context.is_known(slot) ? std::string() : fmt::format("{} is not constant", what);
}

}  // namespace visionpress::tflite::xnnpack
