// Casts. A run holds integers and truth values as floats, so most casts change nothing.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/half.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

/// Makes a float16 constant that is cast to float a float16 weight with the cast's name.
Result<void> forward_halves(NodeLowering& node, const Value& x) {
  StoredConstant constant = node.lowering().constants[*x.stored];
  constant.name = node.node().outputs[0];
  constant.weight.reset();
  constant.tensors.clear();
  constant.slot.value_name = constant.name;
  constant.slot.decoders.push_back(node.node().message.frames());
  constant.slot.is_replaceable = constant.slot.is_replaceable && !node.scope().is_inner;
  Value value = node.add_stored(std::move(constant));
  value.dtype = DataType::Float;
  value.shape = x.shape;
  value.known = x.known;
  return node.forward(value);
}

/// Makes codes of a byte that are cast to float a weight whose scale is 1; a Mul behind it gives
/// the scale.
Result<void> forward_levels(NodeLowering& node, const Value& x) {
  StoredConstant constant = node.lowering().constants[*x.stored];
  WeightCode code;
  code.encoding = Encoding::Linear;
  code.bits = 8;
  code.is_signed = x.dtype == DataType::Int8;
  code.scales = {1.0F};
  constant.code = std::move(code);
  constant.name = node.node().outputs[0];
  constant.weight.reset();
  constant.tensors.clear();
  constant.slot.value_name = constant.name;
  constant.slot.decoders.push_back(node.node().message.frames());
  constant.slot.is_replaceable = constant.slot.is_replaceable && !node.scope().is_inner;
  Value value = node.add_stored(std::move(constant));
  value.shape = x.shape;
  return node.forward(value);
}

bool fits(const WholeRange& inner, const WholeRange& outer) {
  return inner.low >= outer.low && inner.high <= outer.high;
}

/// The number as a cast to `wanted` leaves it. Floats become integers by cutting; integers keep
/// their low bits.
double convert(double value, DataType from, DataType wanted) {
  if (wanted == DataType::Bool) return value != 0.0 ? 1.0 : 0.0;
  if (wanted == DataType::Float) return static_cast<double>(static_cast<float>(value));
  if (wanted == DataType::Float16) {
    return static_cast<double>(half_to_float(float_to_half(static_cast<float>(value))));
  }
  if (is_real(wanted) || std::isnan(value)) return value;
  value = std::trunc(value);
  const WholeRange range = range_of(wanted);
  if (value >= range.low && value <= range.high) return value;
  const bool wraps = is_whole(from) && element_bits(wanted) <= 32;
  const double count = range.high - range.low + 1.0;
  return wraps ? floor_modulo(value - range.low, count) + range.low
               : std::clamp(value, range.low, range.high);
}

Result<void> forward_converted(NodeLowering& node, Value& x, DataType wanted) {
  std::vector<double> values = load_all(node.lowering(), x);
  VP_RETURN_IF_ERROR(node.count_made(std::ssize(values)));
  for (double& value : values) value = convert(value, x.dtype, wanted);
  Value value = make_known(*x.shape, std::move(values), wanted);
  value.needs_input_size = x.needs_input_size;
  return node.forward(value);
}

/// Adds nodes for a cast that keeps the low bits: (x - low) modulo 2^bits, plus low.
Result<void> wrap(NodeLowering& node, Value& x, const WholeRange& range, DataType wanted) {
  VP_ASSIGN_OR_RETURN(Value shifted, node.binary(BinaryKind::Subtract, x, range.low));
  VP_ASSIGN_OR_RETURN(Value rest,
                      node.binary(BinaryKind::FloorModulo, shifted, range.high - range.low + 1.0));
  Value low = make_known({}, {range.low}, x.dtype);
  return node.finish(Binary{BinaryKind::Add, FusedActivation::None}, {&rest, &low}, wanted);
}

Result<void> cast_to(NodeLowering& node, DataType wanted) {
  Value& x = node.input(0);
  if (x.stored && x.dtype == DataType::Float16 && wanted == DataType::Float)
    return forward_halves(node, x);
  const bool is_byte = x.dtype == DataType::Int8 || x.dtype == DataType::UInt8;
  if (x.stored && is_byte && wanted == DataType::Float && x.id == kNoTensor)
    return forward_levels(node, x);
  if (wanted == DataType::String || x.dtype == DataType::String || element_bits(wanted) == 0)
    return node.refuse("it casts " + name_of(x.dtype) + " to " + name_of(wanted));
  if (x.dtype == wanted) return node.forward(x);
  if (x.is_constant() && x.shape && element_count(*x.shape)) {
    return forward_converted(node, x, wanted);
  }
  if (wanted == DataType::Bool) {
    Value zero = make_known({}, {0.0}, x.dtype);
    return node.finish(Binary{BinaryKind::NotEqual, FusedActivation::None}, {&x, &zero}, wanted);
  }
  if (dtype_of(wanted) == DType::Other) return node.refuse("its result is " + name_of(wanted));
  // Types of fewer than 8 bits keep the low bits of what they are given.
  if (is_real(x.dtype) && is_whole(wanted) && element_bits(wanted) < 8) {
    VP_ASSIGN_OR_RETURN(Value whole, node.unary(UnaryKind::Truncate, x));
    return wrap(node, whole, range_of(wanted), wanted);
  }
  // Casting a float outside the integer type's range is undefined; the run detects it.
  if (is_real(x.dtype) && !is_real(wanted)) {
    return node.finish(Unary{UnaryKind::Truncate, 0, 0}, {&x}, wanted);
  }
  const bool is_narrower = !is_real(wanted) && is_whole(x.dtype) && element_bits(wanted) <= 16 &&
                           !fits(range_of(x.dtype), range_of(wanted));
  if (is_narrower) return wrap(node, x, range_of(wanted), wanted);
  Value value = x;
  value.dtype = wanted;
  return node.forward(value);
}

/// The type of attribute "to": a number from opset 6 on, a name before.
Result<DataType> read_target(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* attribute, node.find_attribute("to"));
  if (attribute != nullptr && attribute->has(attribute_field::kString)) {
    VP_ASSIGN_OR_RETURN(const std::string text, node.read_text("to", ""));
    constexpr std::array kNames =
        std::to_array<std::pair<std::string_view, DataType>>({{"FLOAT", DataType::Float},
                                                              {"DOUBLE", DataType::Double},
                                                              {"FLOAT16", DataType::Float16},
                                                              {"INT8", DataType::Int8},
                                                              {"INT16", DataType::Int16},
                                                              {"INT32", DataType::Int32},
                                                              {"INT64", DataType::Int64},
                                                              {"UINT8", DataType::UInt8},
                                                              {"UINT16", DataType::UInt16},
                                                              {"BOOL", DataType::Bool}});
    for (const auto& [name, type] : kNames)
      if (text == name) return type;
    return node.malformed("it casts to " + quote(text));
  }
  VP_ASSIGN_OR_RETURN(const std::int64_t type, node.read_int("to", 0));
  return static_cast<DataType>(type < 0 || type > 0xffff ? 0xffff : type);
}

Result<void> lower_cast(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const DataType wanted, read_target(node));
  return cast_to(node, wanted);
}

Result<void> lower_cast_like(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  return cast_to(node, node.input(1).dtype);
}

constexpr std::array kCastRows = std::to_array<OperatorRow>({
    {"Cast", lower_cast},
    {"CastLike", lower_cast_like},
});

}  // namespace

std::span<const OperatorRow> cast_rows() { return kCastRows; }

}  // namespace visionpress::onnx
