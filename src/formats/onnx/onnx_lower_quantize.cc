// Quantized values: constants behind DequantizeLinear become weights; everything else is computed
// on the codes as whole numbers in float, rounded where the operator rounds.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"
#include "formats/onnx/onnx_matrix.h"

namespace visionpress::onnx {
namespace {

/// The places of the parameters of one quantized operand among a node's inputs.
struct QuantInputs {
  std::size_t codes = 0;
  std::size_t scale = 1;
  std::size_t zero_point = 2;
};

struct QuantRules {
  std::int64_t axis = 1;
  std::int64_t block = 0;
};

Result<QuantRules> read_quant_rules(NodeLowering& node) {
  QuantRules rules;
  VP_ASSIGN_OR_RETURN(rules.axis, node.read_int("axis", 1));
  VP_ASSIGN_OR_RETURN(rules.block, node.read_int("block_size", 0));
  return rules;
}

/// One value per block of an axis, repeated to one per place along it.
Result<Value> repeat_blocks(NodeLowering& node, Value& value, const Shape& shape, int axis,
                            std::int64_t block) {
  const auto at = static_cast<std::size_t>(axis);
  const std::int64_t size = shape[at];
  if (value.shape->size() != shape.size() || size < 0) {
    return node.malformed(fmt::format("its scales have the shape {}, its values {}",
                                      to_string(*value.shape), to_string(shape)));
  }
  // [.., blocks, ..] -> [.., blocks, 1, ..] -> [.., blocks, block, ..] -> [.., blocks * block, ..]
  VP_ASSIGN_OR_RETURN(Value open, node.apply(ExpandDims{{axis + 1}}, value));
  Tile tile;
  tile.multiples.assign(open.shape->size(), 1);
  tile.multiples[at + 1] = block;
  VP_ASSIGN_OR_RETURN(Value repeated, node.apply(tile, open));
  Shape joined = *value.shape;
  const auto length = checked_multiply(joined[at], block);
  if (!length || *length < size) return node.malformed("its blocks do not cover the axis");
  joined[at] = *length;
  VP_ASSIGN_OR_RETURN(Value flat, node.apply(Reshape{joined}, repeated));
  Slice slice = {std::vector<std::int64_t>(joined.size(), 0),
                 joined,
                 std::vector<std::int64_t>(joined.size(), 1),
                 {}};
  slice.end[at] = size;
  return node.apply(std::move(slice), flat);
}

/// A parameter shaped for broadcasting with x: one value per block is repeated along its axis, one
/// per place along the axis gets the axes behind it.
Result<Value> align_parameter(NodeLowering& node, Value& parameter, const Value& x,
                              const QuantRules& rules) {
  Value value = parameter;
  value.dtype = is_real(parameter.dtype) ? DataType::Float : parameter.dtype;
  if (!parameter.shape || !x.shape) return node.malformed("the rank of an operand is not known");
  const bool is_vector = parameter.shape->size() == 1 && element_count(*parameter.shape) != 1;
  const bool is_blocked = rules.block > 0 && parameter.shape->size() > 1;
  if (is_vector && !x.shape->empty()) {
    VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(rules.axis, x.shape->size()));
    ExpandDims expand;
    for (std::size_t a = static_cast<std::size_t>(axis) + 1; a < x.shape->size(); ++a)
      expand.axes.push_back(static_cast<int>(a) - axis);
    return node.view(std::move(expand), value);
  }
  if (!is_blocked) {
    const bool is_single = parameter.shape->size() == 1;
    return is_single ? node.view(Reshape{Shape{}}, value) : Result<Value>(std::move(value));
  }
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(rules.axis, x.shape->size()));
  return repeat_blocks(node, value, *x.shape, axis, rules.block);
}

bool is_code_type(DataType type) {
  return type == DataType::UInt8 || type == DataType::Int8 || type == DataType::UInt4 ||
         type == DataType::Int4 || type == DataType::UInt2 || type == DataType::Int2;
}

/// Reads the scales of a code and their axis in the shape. returns: whether a code can have them.
Result<bool> read_code_scales(NodeLowering& node, Value& scale, const Shape& shape,
                              const QuantRules& rules, WeightCode& code) {
  const std::vector<double> scales = load_all(node.lowering(), scale);
  if (scales.empty()) return false;
  if (scales.size() > 1) {
    if (shape.empty()) return false;
    VP_ASSIGN_OR_RETURN(code.axis, node.check_axis(rules.axis, shape.size()));
    if (static_cast<std::int64_t>(scales.size()) != shape[static_cast<std::size_t>(code.axis)]) {
      return node.malformed(
          fmt::format("{} scales along axis {} of {}", scales.size(), code.axis, to_string(shape)));
    }
  }
  for (const double value : scales) {
    code.scales.push_back(static_cast<float>(value));
    if (!std::isfinite(code.scales.back())) return false;
  }
  return true;
}

/// Reads the zero points, one per scale; none where all are 0. returns: whether they are constants.
Result<bool> read_code_zeros(NodeLowering& node, std::size_t zero_point, WeightCode& code) {
  if (!node.has_input(zero_point)) return true;
  Value& zero = node.input(zero_point);
  if (!zero.is_constant()) return false;
  const std::vector<double> zeros = load_all(node.lowering(), zero);
  if (zeros.size() != code.scales.size()) {
    return node.malformed(
        fmt::format("{} zero points for {} scales", zeros.size(), code.scales.size()));
  }
  const bool any = std::ranges::any_of(zeros, [](double z) { return z != 0.0; });
  for (const double z : zeros)
    if (any) code.zero_points.push_back(static_cast<std::int32_t>(z));
  return true;
}

/// The code of a constant whose scale and zero point are constants, per tensor or along an axis;
/// nothing for other operands.
Result<std::optional<WeightCode>> find_code(NodeLowering& node, const QuantInputs& at,
                                            const QuantRules& rules) {
  std::optional<WeightCode> none;
  Value& x = node.input(at.codes);
  Value& scale = node.input(at.scale);
  if (!x.stored || x.id != kNoTensor || !scale.is_constant() || !is_code_type(x.dtype)) return none;
  const StoredConstant& constant = node.lowering().constants[*x.stored];
  const Shape& shape = constant.shape;
  if (constant.code || x.shape != shape || !scale.shape || scale.shape->size() > 1) return none;
  WeightCode code;
  code.encoding = Encoding::Linear;
  code.bits = element_bits(x.dtype);
  code.is_signed =
      x.dtype == DataType::Int8 || x.dtype == DataType::Int4 || x.dtype == DataType::Int2;
  VP_ASSIGN_OR_RETURN(const bool has_scales, read_code_scales(node, scale, shape, rules, code));
  if (!has_scales) return none;
  VP_ASSIGN_OR_RETURN(const bool has_zeros, read_code_zeros(node, at.zero_point, code));
  if (!has_zeros) return none;
  VP_RETURN_IF_ERROR(node.count_made(std::ssize(code.scales)));
  return std::optional<WeightCode>(std::move(code));
}

/// The constant as a weight in codes. is_decoder: the node itself is the one that decodes it.
Value make_coded(NodeLowering& node, const QuantInputs& at, WeightCode code, bool is_decoder) {
  StoredConstant constant = node.lowering().constants[*node.input(at.codes).stored];
  constant.code = std::move(code);
  constant.weight.reset();
  constant.tensors.clear();
  WeightSlot& slot = constant.slot;
  if (is_decoder) {
    constant.name = node.node().outputs[0];
    slot.value_name = constant.name;
    slot.decoders.push_back(node.node().message.frames());
    for (const std::size_t i : {at.scale, at.zero_point})
      if (node.has_input(i)) slot.parameters.push_back(node.node().inputs[i]);
  }
  slot.is_replaceable = slot.is_replaceable && is_decoder && !node.scope().is_inner;
  return node.add_stored(std::move(constant));
}

/// (x - zero point) * scale
Result<Value> dequantize(NodeLowering& node, const QuantInputs& at, const QuantRules& rules,
                         bool is_decoder) {
  VP_ASSIGN_OR_RETURN(auto code, find_code(node, at, rules));
  if (code) return make_coded(node, at, std::move(*code), is_decoder);
  Value x = node.input(at.codes);
  Value numbers = x;
  if (x.stored && !x.known) numbers.known = nullptr;
  numbers.dtype = DataType::Float;
  if (x.is_constant()) {
    // The codes as floats.
    VP_RETURN_IF_ERROR(node.count_made(element_count(*x.shape).value_or(0)));
    numbers = make_known(*x.shape, load_all(node.lowering(), x), DataType::Float);
  }
  if (node.has_input(at.zero_point)) {
    VP_ASSIGN_OR_RETURN(Value zero, align_parameter(node, node.input(at.zero_point), x, rules));
    zero.dtype = DataType::Float;
    if (zero.stored)
      zero = make_known(*zero.shape, load_all(node.lowering(), zero), DataType::Float);
    VP_ASSIGN_OR_RETURN(numbers, node.binary(BinaryKind::Subtract, numbers, zero));
  }
  VP_ASSIGN_OR_RETURN(Value scale, align_parameter(node, node.input(at.scale), x, rules));
  return node.binary(BinaryKind::Multiply, numbers, scale);
}

/// The type of codes: of the zero point, of the attribute, else uint8.
Result<DataType> code_type(NodeLowering& node, std::size_t zero_point) {
  if (node.has_input(zero_point)) return node.input(zero_point).dtype;
  VP_ASSIGN_OR_RETURN(const std::int64_t type,
                      node.read_int("output_dtype", static_cast<std::int64_t>(DataType::UInt8)));
  return type == 0 ? DataType::UInt8 : static_cast<DataType>(type & 0xffff);
}

/// saturate(round(x / scale) + zero point), rounded to even.
Result<Value> quantize(NodeLowering& node, Value& x, std::size_t scale_at, std::size_t zero_at,
                       const QuantRules& rules) {
  VP_ASSIGN_OR_RETURN(const DataType type, code_type(node, zero_at));
  VP_ASSIGN_OR_RETURN(Value scale, align_parameter(node, node.input(scale_at), x, rules));
  Value numbers = x;
  numbers.dtype = DataType::Float;
  VP_ASSIGN_OR_RETURN(Value quotient, node.binary(BinaryKind::Divide, numbers, scale));
  VP_ASSIGN_OR_RETURN(Value rounded, node.unary(UnaryKind::Round, quotient));
  if (node.has_input(zero_at)) {
    VP_ASSIGN_OR_RETURN(Value zero, align_parameter(node, node.input(zero_at), x, rules));
    zero.dtype = DataType::Float;
    if (zero.stored)
      zero = make_known(*zero.shape, load_all(node.lowering(), zero), DataType::Float);
    VP_ASSIGN_OR_RETURN(rounded, node.binary(BinaryKind::Add, rounded, zero));
  }
  const WholeRange range = range_of(type);
  return node.apply(
      Unary{UnaryKind::Clip, static_cast<float>(range.low), static_cast<float>(range.high)},
      {&rounded}, type);
}

bool is_quantized_type(DataType type) {
  return is_whole(type) && element_bits(type) <= 32 && type != DataType::UInt32;
}

Result<void> lower_dequantize(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 3));
  if (!is_quantized_type(node.input(0).dtype))
    return node.refuse("its codes are " + name_of(node.input(0).dtype));
  VP_ASSIGN_OR_RETURN(const QuantRules rules, read_quant_rules(node));
  if (!node.input(0).shape || !node.input(1).shape) return node.refuse_computed(0, kUnknownRank);
  return node.finish(dequantize(node, {0, 1, 2}, rules, true));
}

Result<void> lower_quantize(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 3));
  VP_ASSIGN_OR_RETURN(const QuantRules rules, read_quant_rules(node));
  VP_ASSIGN_OR_RETURN(const DataType type, code_type(node, 2));
  if (!is_quantized_type(type)) return node.refuse("its codes are " + name_of(type));
  if (!node.input(0).shape || !node.input(1).shape) return node.refuse_computed(0, kUnknownRank);
  return node.finish(quantize(node, node.input(0), 1, 2, rules));
}

/// The largest or the smallest of x and 0.
Result<Value> extreme_with_zero(NodeLowering& node, Value& x, ReduceKind kind,
                                BinaryKind with_zero) {
  Reduce op;
  op.kind = kind;
  op.keep_dims = false;
  VP_ASSIGN_OR_RETURN(Value value, node.apply(op, x));
  return node.binary(with_zero, value, 0.0);
}

/// (high - low) / 255
Result<Value> dynamic_scale(NodeLowering& node, Value& high, Value& low) {
  VP_ASSIGN_OR_RETURN(Value range, node.binary(BinaryKind::Subtract, high, low));
  return node.binary(BinaryKind::Divide, range, 255.0);
}

/// round(saturate(-low / scale))
Result<Value> dynamic_zero(NodeLowering& node, Value& low, Value& scale) {
  VP_ASSIGN_OR_RETURN(Value negated, node.unary(UnaryKind::Negate, low));
  VP_ASSIGN_OR_RETURN(Value place, node.binary(BinaryKind::Divide, negated, scale));
  VP_ASSIGN_OR_RETURN(Value clipped, node.unary(UnaryKind::Clip, place, 0.0F, 255.0F));
  return node.unary(UnaryKind::Round, clipped);
}

/// saturate(round(x / scale) + zero)
Result<Value> dynamic_codes(NodeLowering& node, Value& x, Value& scale, Value& zero) {
  VP_ASSIGN_OR_RETURN(Value quotient, node.binary(BinaryKind::Divide, x, scale));
  VP_ASSIGN_OR_RETURN(Value rounded, node.unary(UnaryKind::Round, quotient));
  VP_ASSIGN_OR_RETURN(Value shifted, node.binary(BinaryKind::Add, rounded, zero));
  return node.apply(Unary{UnaryKind::Clip, 0.0F, 255.0F}, {&shifted}, DataType::UInt8);
}

/// outputs: codes of x in uint8, their scale, their zero point.
Result<void> lower_dynamic_quantize(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(Value high,
                      extreme_with_zero(node, x, ReduceKind::Maximum, BinaryKind::Maximum));
  VP_ASSIGN_OR_RETURN(Value low,
                      extreme_with_zero(node, x, ReduceKind::Minimum, BinaryKind::Minimum));
  VP_ASSIGN_OR_RETURN(Value scale, dynamic_scale(node, high, low));
  VP_ASSIGN_OR_RETURN(Value zero, dynamic_zero(node, low, scale));
  VP_ASSIGN_OR_RETURN(Value codes, dynamic_codes(node, x, scale, zero));
  zero.dtype = DataType::UInt8;
  node.set_output(0, std::move(codes));
  node.set_output(1, std::move(scale));
  node.set_output(2, std::move(zero));
  return {};
}

/// x without its zero point, as floats.
Result<Value> centre(NodeLowering& node, std::size_t codes, std::size_t zero_point,
                     std::int64_t axis) {
  Value& x = node.input(codes);
  Value numbers = x;
  if (x.is_constant()) {
    VP_RETURN_IF_ERROR(node.count_made(element_count(*x.shape).value_or(0)));
    numbers = make_known(*x.shape, load_all(node.lowering(), x), DataType::Float);
  }
  numbers.dtype = DataType::Float;
  if (!node.has_input(zero_point)) return numbers;
  VP_ASSIGN_OR_RETURN(Value zero, align_parameter(node, node.input(zero_point), x, {axis, 0}));
  zero.dtype = DataType::Float;
  if (zero.stored) zero = make_known(*zero.shape, load_all(node.lowering(), zero), DataType::Float);
  return node.binary(BinaryKind::Subtract, numbers, zero);
}

/// Lowers the float operator behind a quantized one: a node of our own on values of our own.
Result<Value> convolve(NodeLowering& node, Value x, Value kernel, std::optional<Value> bias) {
  GraphNode plain = node.node();
  plain.op = "Conv";
  plain.domain.clear();
  plain.inputs = {"x", "kernel"};
  plain.outputs = {"y"};
  Scope inner;
  inner.opsets = node.scope().opsets;
  inner.attributes = node.scope().attributes;
  inner.path = node.scope().path;
  inner.is_inner = true;
  inner.values["x"] = &x;
  inner.values["kernel"] = &kernel;
  if (bias) {
    plain.inputs.emplace_back("bias");
    inner.values["bias"] = &*bias;
  }
  NodeLowering step(node.lowering(), inner, plain);
  VP_RETURN_IF_ERROR(lower_node(step));
  return *inner.find("y");
}

/// inputs: x, scale, zero point, kernel, scale, zero point, scale and zero point of the result,
/// bias of int32 with the scale of x times that of the kernel.
Result<void> lower_quantized_conv(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(8, 9));
  if (!node.input(0).shape || !node.input(3).is_constant())
    return node.refuse("its kernel is computed");
  VP_ASSIGN_OR_RETURN(Value x, dequantize(node, {0, 1, 2}, {1, 0}, false));
  VP_ASSIGN_OR_RETURN(Value kernel, dequantize(node, {3, 4, 5}, {0, 0}, false));
  std::optional<Value> bias;
  if (node.has_input(8)) {
    if (!node.input(8).is_constant() || !node.input(1).is_constant())
      return node.refuse("its bias is computed");
    std::vector<double> values = load_all(node.lowering(), node.input(8));
    const std::vector<double> x_scale = load_all(node.lowering(), node.input(1));
    const std::vector<double> scales = load_all(node.lowering(), node.input(4));
    if (x_scale.size() != 1 || (scales.size() != 1 && scales.size() != values.size()))
      return node.malformed("the scales do not fit its bias");
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] *= x_scale[0] * scales[scales.size() == 1 ? 0 : i];
    const auto count = static_cast<std::int64_t>(values.size());
    bias = make_known({count}, std::move(values), DataType::Float);
  }
  VP_ASSIGN_OR_RETURN(Value result,
                      convolve(node, std::move(x), std::move(kernel), std::move(bias)));
  if (!result.shape) return node.refuse_computed(0, kUnknownRank);
  return node.finish(quantize(node, result, 6, 7, {1, 0}));
}

Result<void> lower_quantized_matmul(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(8, 8));
  if (!node.input(0).shape || !node.input(3).shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(Value a, dequantize(node, {0, 1, 2}, {-2, 0}, false));
  VP_ASSIGN_OR_RETURN(Value b, dequantize(node, {3, 4, 5}, {-1, 0}, false));
  VP_ASSIGN_OR_RETURN(Value product, multiply(node, a, b));
  return node.finish(quantize(node, product, 6, 7, {-1, 0}));
}

/// Sums of whole numbers, which float32 holds exactly below 2^24: a run checks that.
Result<void> finish_sums(NodeLowering& node, Value sums) {
  return node.finish(Unary{UnaryKind::Round, 0, 0}, {&sums}, DataType::Int32);
}

/// inputs: x, kernel, zero points.
Result<void> lower_integer_conv(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 4));
  if (!node.input(0).shape || !node.input(1).is_constant())
    return node.refuse("its kernel is computed");
  VP_ASSIGN_OR_RETURN(Value x, centre(node, 0, 2, 1));
  VP_ASSIGN_OR_RETURN(Value kernel, centre(node, 1, 3, 0));
  VP_ASSIGN_OR_RETURN(Value sums, convolve(node, std::move(x), std::move(kernel), std::nullopt));
  return finish_sums(node, std::move(sums));
}

Result<void> lower_integer_matmul(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 4));
  if (!node.input(0).shape || !node.input(1).shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(Value a, centre(node, 0, 2, -2));
  VP_ASSIGN_OR_RETURN(Value b, centre(node, 1, 3, -1));
  VP_ASSIGN_OR_RETURN(Value sums, multiply(node, a, b));
  return finish_sums(node, std::move(sums));
}

constexpr std::array kQuantizeRows = std::to_array<OperatorRow>({
    {"ConvInteger", lower_integer_conv},
    {"DequantizeLinear", lower_dequantize},
    {"DynamicQuantizeLinear", lower_dynamic_quantize},
    {"MatMulInteger", lower_integer_matmul},
    {"QLinearConv", lower_quantized_conv},
    {"QLinearMatMul", lower_quantized_matmul},
    {"QuantizeLinear", lower_quantize},
    {"com.microsoft.DequantizeLinear", lower_dequantize},
    {"com.microsoft.QuantizeLinear", lower_quantize},
});

}  // namespace

std::span<const OperatorRow> quantize_rows() { return kQuantizeRows; }

}  // namespace visionpress::onnx
