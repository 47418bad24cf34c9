// Operators on each element: arithmetic, comparisons, functions of one value.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

constexpr std::size_t kMostOperands = std::size_t{1} << 16;

template <UnaryKind kind>
Result<void> lower_unary(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  return node.finish(node.unary(kind, node.input(0)));
}

/// Before opset 7 an operand took the shape of a part of the other: that from `axis` on, or the
/// last axes. returns: the second operand with the axes that it lacks behind.
Result<Value> align_old_operand(NodeLowering& node) {
  Value& b = node.input(1);
  VP_ASSIGN_OR_RETURN(const std::int64_t broadcasts, node.read_int("broadcast", 0));
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, node.read_int("axis", -1));
  const Value& a = node.input(0);
  if (node.opset() >= 7 || broadcasts == 0 || wanted < 0 || !a.shape || !b.shape) return b;
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, a.shape->size() + 1));
  const std::size_t covered = static_cast<std::size_t>(axis) + b.shape->size();
  if (covered >= a.shape->size()) return b;
  ExpandDims expand;
  for (std::size_t at = covered; at < a.shape->size(); ++at)
    expand.axes.push_back(static_cast<int>(b.shape->size() + at - covered));
  return node.view(std::move(expand), b);
}

/// Turns a vector that is added to the result of a convolution or matrix product into its bias.
Result<bool> add_bias(NodeLowering& node, Value& x, Value& bias) {
  Graph& graph = node.lowering().graph;
  if (!bias.is_constant() || !bias.shape || graph.nodes.empty() || x.id == kNoTensor || !x.shape)
    return false;
  Node& writer = graph.nodes.back();
  const bool is_last = writer.outputs == std::vector<TensorId>{x.id};
  const auto* connected = std::get_if<FullyConnected>(&writer.op);
  const auto readers = node.lowering().reader_counts.find(x.name);
  const bool is_only = readers != node.lowering().reader_counts.end() && readers->second == 1 &&
                       !node.scope().is_inner;
  const bool fits = bias.shape->size() == 1 && x.shape->size() >= 2 &&
                    bias.shape->front() == x.shape->back() && bias.shape->front() > 0;
  if (!is_last || connected == nullptr || writer.inputs.size() != 2 || !is_only || !fits)
    return false;
  VP_ASSIGN_OR_RETURN(const TensorId id, node.tensor_of(bias, {WeightRole::Bias, 0}));
  graph.nodes.back().inputs.push_back(id);
  node.set_output(0, x);
  return true;
}

/// The axis of `shape` along which a constant of shape `small` differs when it is broadcast; that
/// of the last where it is one value. Nothing if it differs along several, or does not fit.
std::optional<int> find_broadcast_axis(const Shape& small, const Shape& shape) {
  if (small.size() > shape.size() || shape.empty()) return std::nullopt;
  const std::size_t skipped = shape.size() - small.size();
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < small.size(); ++i) {
    if (small[i] == 1) continue;
    if (found || small[i] != shape[skipped + i]) return std::nullopt;
    found = skipped + i;
  }
  return static_cast<int>(found.value_or(shape.size() - 1));
}

/// Gives codes that a Cast made floats their scales: the weight that the Mul makes. returns: false
/// where the operands are something else.
Result<bool> scale_levels(NodeLowering& node, Value& levels, Value& scales) {
  if (!levels.stored || levels.id != kNoTensor || !scales.is_constant() || !scales.shape ||
      scales.dtype != DataType::Float)
    return false;
  const StoredConstant source = node.lowering().constants[*levels.stored];
  const bool is_bare = source.code && source.code->scales == std::vector<float>{1.0F} &&
                       source.code->zero_points.empty() && source.code->offsets.empty();
  if (!is_bare || levels.shape != source.shape) return false;
  const auto axis = find_broadcast_axis(*scales.shape, source.shape);
  if (!axis) return false;
  StoredConstant constant = source;
  constant.code->axis = *axis;
  constant.code->scales.clear();
  for (const double scale : load_all(node.lowering(), scales))
    constant.code->scales.push_back(static_cast<float>(scale));
  VP_RETURN_IF_ERROR(node.count_made(std::ssize(constant.code->scales)));
  constant.name = node.node().outputs[0];
  constant.weight.reset();
  constant.tensors.clear();
  constant.slot.value_name = constant.name;
  constant.slot.decoders.push_back(node.node().message.frames());
  for (const std::string& input : node.node().inputs) constant.slot.parameters.push_back(input);
  constant.slot.is_replaceable = constant.slot.is_replaceable && !node.scope().is_inner;
  VP_RETURN_IF_ERROR(node.forward(node.add_stored(std::move(constant))));
  return true;
}

template <BinaryKind kind>
Result<void> lower_binary(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  Value& a = node.input(0);
  VP_ASSIGN_OR_RETURN(Value b, align_old_operand(node));
  if (kind == BinaryKind::Add) {
    for (const bool swaps : {false, true}) {
      VP_ASSIGN_OR_RETURN(const bool taken, add_bias(node, swaps ? b : a, swaps ? a : b));
      if (taken) return {};
    }
  }
  if (kind == BinaryKind::Multiply) {
    for (const bool swaps : {false, true}) {
      VP_ASSIGN_OR_RETURN(const bool scaled, scale_levels(node, swaps ? b : a, swaps ? a : b));
      if (scaled) return {};
    }
  }
  if (!b.is_constant()) return node.finish(node.binary(kind, a, node.input(1)));
  return node.finish(node.binary(kind, a, b));
}

template <BinaryKind kind>
Result<void> lower_comparison(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(Value b, align_old_operand(node));
  const Binary op = {kind, FusedActivation::None, true};
  return node.finish(op, {&node.input(0), &b}, DataType::Bool);
}

/// Of truth values: not equal.
Result<void> lower_xor(NodeLowering& node) { return lower_comparison<BinaryKind::NotEqual>(node); }

/// The quotient of integers is cut towards zero.
Result<void> lower_divide(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  Value& a = node.input(0);
  VP_ASSIGN_OR_RETURN(Value b, align_old_operand(node));
  if (is_real(a.dtype)) return node.finish(node.binary(BinaryKind::Divide, a, b));
  VP_ASSIGN_OR_RETURN(Value quotient, node.binary(BinaryKind::Divide, a, b));
  if (quotient.id == kNoTensor) return node.forward(quotient);
  // Below 2^24 a float quotient that is not whole is never rounded to the next whole number.
  node.lowering().graph.tensors[static_cast<std::size_t>(quotient.id)].dtype = DType::Float32;
  quotient.known = nullptr;
  return node.finish(node.unary(UnaryKind::Truncate, quotient));
}

/// fmod 0: integers, with the sign of the divisor; fmod 1: with that of the dividend.
Result<void> lower_modulo(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const std::int64_t fmod, node.read_int("fmod", 0));
  Value& a = node.input(0);
  Value& b = node.input(1);
  if (fmod == 0) return node.finish(node.binary(BinaryKind::FloorModulo, a, b));
  // sign(a) * (|a| modulo |b|)
  VP_ASSIGN_OR_RETURN(Value top, node.unary(UnaryKind::Abs, a));
  VP_ASSIGN_OR_RETURN(Value bottom, node.unary(UnaryKind::Abs, b));
  VP_ASSIGN_OR_RETURN(Value rest, node.binary(BinaryKind::FloorModulo, top, bottom));
  VP_ASSIGN_OR_RETURN(Value sign, node.unary(UnaryKind::Sign, a));
  return node.finish(node.binary(BinaryKind::Multiply, rest, sign));
}

template <BinaryKind kind>
Result<Value> fold_operands(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, kMostOperands));
  if (node.input_count() == 1) return node.input(0);
  std::vector<Value*> operands;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    if (!node.has_input(i)) return node.malformed(fmt::format("input {} is absent", i));
    operands.push_back(&node.input(i));
  }
  return node.apply(Binary{kind, FusedActivation::None, true}, operands, operands[0]->dtype);
}

template <BinaryKind kind>
Result<void> lower_variadic(NodeLowering& node) {
  return node.finish(fold_operands<kind>(node));
}

Result<void> lower_mean(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(Value sum, fold_operands<BinaryKind::Add>(node));
  const auto count = static_cast<double>(node.input_count());
  return node.finish(node.binary(BinaryKind::Divide, sum, count));
}

Result<void> lower_power(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(Value b, align_old_operand(node));
  Value& a = node.input(0);
  const auto exponent = node.find_number(1);
  if (exponent == 2.0 && is_real(a.dtype)) {
    return node.finish(node.unary(UnaryKind::Square, a));
  }
  const Binary op = {BinaryKind::Power, FusedActivation::None, true};
  if (is_real(a.dtype)) return node.finish(op, {&a, &b}, a.dtype);
  VP_ASSIGN_OR_RETURN(Value power, node.apply(op, {&a, &b}, DataType::Float));
  return node.finish(Unary{UnaryKind::Truncate, 0, 0}, {&power}, a.dtype);
}

/// inputs: condition, a, b.
Result<void> lower_where(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  return node.finish(Select{}, {&node.input(0), &node.input(1), &node.input(2)},
                     node.input(1).dtype);
}

Result<void> lower_is_nan(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  return node.finish(Binary{BinaryKind::NotEqual, FusedActivation::None}, {&x, &x}, DataType::Bool);
}

Result<void> lower_is_infinite(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t negative, node.read_int("detect_negative", 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t positive, node.read_int("detect_positive", 1));
  Value x = node.input(0);
  if (negative != 0 && positive != 0) {
    VP_ASSIGN_OR_RETURN(x, node.unary(UnaryKind::Abs, x));
  }
  const double infinity = std::numeric_limits<double>::infinity();
  const bool is_none = negative == 0 && positive == 0;
  Value limit = make_known({},
                           {is_none         ? std::nan("")
                            : positive != 0 ? infinity
                                            : -infinity},
                           DataType::Float);
  return node.finish(Binary{BinaryKind::Equal, FusedActivation::None}, {&x, &limit},
                     DataType::Bool);
}

/// The bounds of a Clip: inputs from opset 11 on, attributes before.
struct ClipBounds {
  std::array<std::optional<double>, 2> values = {};
  bool is_computed = false;
};

Result<ClipBounds> read_bounds_of_clip(NodeLowering& node) {
  ClipBounds bounds;
  for (const std::size_t i : {0U, 1U}) {
    const char* name = i == 0 ? "min" : "max";
    VP_ASSIGN_OR_RETURN(const ProtobufMessage* attribute, node.find_attribute(name));
    if (attribute != nullptr) {
      VP_ASSIGN_OR_RETURN(const float bound, node.read_float(name, 0.0F));
      bounds.values[i] = static_cast<double>(bound);
    } else if (node.has_input(i + 1)) {
      bounds.values[i] = node.find_number(i + 1);
      bounds.is_computed = bounds.is_computed || !bounds.values[i];
    }
  }
  return bounds;
}

/// min(max(x, low), high)
Result<void> clip_to_computed(NodeLowering& node) {
  Value value = node.input(0);
  if (node.has_input(1)) {
    VP_ASSIGN_OR_RETURN(value, node.binary(BinaryKind::Maximum, value, node.input(1)));
  }
  if (node.has_input(2)) {
    VP_ASSIGN_OR_RETURN(value, node.binary(BinaryKind::Minimum, value, node.input(2)));
  }
  return node.finish(std::move(value));
}

Result<void> lower_clip(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 3));
  VP_ASSIGN_OR_RETURN(const ClipBounds bounds, read_bounds_of_clip(node));
  if (bounds.is_computed) return clip_to_computed(node);
  Value& x = node.input(0);
  if (!bounds.values[0] && !bounds.values[1]) return node.finish(Identity{}, x);
  constexpr auto kMost = static_cast<double>(std::numeric_limits<float>::max());
  const double high = bounds.values[1].value_or(kMost);
  // The upper bound is applied last.
  const double low = std::min(bounds.values[0].value_or(-kMost), high);
  if (!is_real(x.dtype)) {
    VP_ASSIGN_OR_RETURN(Value value, node.binary(BinaryKind::Maximum, x, low));
    return node.finish(node.binary(BinaryKind::Minimum, value, high));
  }
  if (low == 0.0 && high == 6.0) return node.finish(node.unary(UnaryKind::Relu6, x));
  return node.finish(
      node.unary(UnaryKind::Clip, x, static_cast<float>(low), static_cast<float>(high)));
}

constexpr std::array kElementwiseRows = std::to_array<OperatorRow>({
    {"Abs", lower_unary<UnaryKind::Abs>},
    {"Add", lower_binary<BinaryKind::Add>},
    {"And", lower_comparison<BinaryKind::LogicalAnd>},
    {"Ceil", lower_unary<UnaryKind::Ceil>},
    {"Clip", lower_clip},
    {"Div", lower_divide},
    {"Equal", lower_comparison<BinaryKind::Equal>},
    {"Erf", lower_unary<UnaryKind::Erf>},
    {"Exp", lower_unary<UnaryKind::Exp>},
    {"Floor", lower_unary<UnaryKind::Floor>},
    {"Greater", lower_comparison<BinaryKind::Greater>},
    {"GreaterOrEqual", lower_comparison<BinaryKind::GreaterEqual>},
    {"IsInf", lower_is_infinite},
    {"IsNaN", lower_is_nan},
    {"Less", lower_comparison<BinaryKind::Less>},
    {"LessOrEqual", lower_comparison<BinaryKind::LessEqual>},
    {"Log", lower_unary<UnaryKind::Log>},
    {"Max", lower_variadic<BinaryKind::Maximum>},
    {"Mean", lower_mean},
    {"Min", lower_variadic<BinaryKind::Minimum>},
    {"Mod", lower_modulo},
    {"Mul", lower_binary<BinaryKind::Multiply>},
    {"Neg", lower_unary<UnaryKind::Negate>},
    {"Not", lower_unary<UnaryKind::LogicalNot>},
    {"Or", lower_comparison<BinaryKind::LogicalOr>},
    {"Pow", lower_power},
    {"Reciprocal", lower_unary<UnaryKind::Inverse>},
    {"Round", lower_unary<UnaryKind::Round>},
    {"Sigmoid", lower_unary<UnaryKind::Sigmoid>},
    {"Sign", lower_unary<UnaryKind::Sign>},
    {"Sqrt", lower_unary<UnaryKind::Sqrt>},
    {"Sub", lower_binary<BinaryKind::Subtract>},
    {"Sum", lower_variadic<BinaryKind::Add>},
    {"Tanh", lower_unary<UnaryKind::Tanh>},
    {"Where", lower_where},
    {"Xor", lower_xor},
});

}  // namespace

std::span<const OperatorRow> elementwise_rows() { return kElementwiseRows; }

}  // namespace visionpress::onnx
