#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"

namespace visionpress::graphdef {
namespace {

struct UnaryRow {
  std::string_view op;
  UnaryKind kind;
};
constexpr std::array kUnary = std::to_array<UnaryRow>({
    {"Relu", UnaryKind::Relu},
    {"Relu6", UnaryKind::Relu6},
    {"LeakyRelu", UnaryKind::LeakyRelu},
    {"Elu", UnaryKind::Elu},
    {"Sigmoid", UnaryKind::Sigmoid},
    {"Tanh", UnaryKind::Tanh},
    {"Softplus", UnaryKind::Softplus},
    {"Softsign", UnaryKind::Softsign},
    {"Square", UnaryKind::Square},
    {"Sqrt", UnaryKind::Sqrt},
    {"Rsqrt", UnaryKind::Rsqrt},
    {"Exp", UnaryKind::Exp},
    {"Log", UnaryKind::Log},
    {"Neg", UnaryKind::Negate},
    {"Abs", UnaryKind::Abs},
    {"Floor", UnaryKind::Floor},
    {"Ceil", UnaryKind::Ceil},
    {"Round", UnaryKind::Round},
    {"Rint", UnaryKind::Round},
    {"Sign", UnaryKind::Sign},
    {"Inv", UnaryKind::Inverse},
    {"Reciprocal", UnaryKind::Inverse},
    {"LogicalNot", UnaryKind::LogicalNot},
    {"Erf", UnaryKind::Erf},
    {"Sin", UnaryKind::Sin},
    {"Cos", UnaryKind::Cos},
    {"Tan", UnaryKind::Tan},
    {"Asin", UnaryKind::Asin},
    {"Acos", UnaryKind::Acos},
    {"Atan", UnaryKind::Atan},
    {"Sinh", UnaryKind::Sinh},
    {"Cosh", UnaryKind::Cosh},
    {"Asinh", UnaryKind::Asinh},
    {"Acosh", UnaryKind::Acosh},
    {"Atanh", UnaryKind::Atanh},
    {"Log1p", UnaryKind::Log1p},
    {"Expm1", UnaryKind::Expm1},
});

struct BinaryRow {
  std::string_view op;
  BinaryKind kind;
  bool gives_truth;
};
constexpr std::array kBinary = std::to_array<BinaryRow>({
    {"Add", BinaryKind::Add, false},
    {"AddV2", BinaryKind::Add, false},
    {"Sub", BinaryKind::Subtract, false},
    {"Mul", BinaryKind::Multiply, false},
    {"Div", BinaryKind::Divide, false},
    {"RealDiv", BinaryKind::Divide, false},
    {"Maximum", BinaryKind::Maximum, false},
    {"Minimum", BinaryKind::Minimum, false},
    {"FloorMod", BinaryKind::FloorModulo, false},
    {"Pow", BinaryKind::Power, false},
    {"SquaredDifference", BinaryKind::SquaredDifference, false},
    {"Atan2", BinaryKind::Atan2, false},
    {"Greater", BinaryKind::Greater, true},
    {"GreaterEqual", BinaryKind::GreaterEqual, true},
    {"Less", BinaryKind::Less, true},
    {"LessEqual", BinaryKind::LessEqual, true},
    {"Equal", BinaryKind::Equal, true},
    {"NotEqual", BinaryKind::NotEqual, true},
    {"LogicalAnd", BinaryKind::LogicalAnd, true},
    {"LogicalOr", BinaryKind::LogicalOr, true},
});

/// Whether a run holds values of this type as floats.
bool is_number(DataType type) {
  return is_real(type) || type == DataType::Bool || type == DataType::UInt8 ||
         type == DataType::Int8 || type == DataType::Int16 || type == DataType::UInt16 ||
         type == DataType::Int32 || type == DataType::UInt32 || type == DataType::Int64 ||
         type == DataType::UInt64;
}

Result<void> lower_unary(NodeLowering& node, UnaryKind kind) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  Unary unary;
  unary.kind = kind;
  if (kind == UnaryKind::LeakyRelu) {
    VP_ASSIGN_OR_RETURN(unary.alpha, read_float_attr(node.node(), "alpha", 0.2F));
  }
  if (kind == UnaryKind::Elu) unary.alpha = 1.0F;
  Value& x = node.input(0);
  return node.finish(unary, {&x}, x.dtype);
}

/// Turns a vector that is added to the result of a convolution or matrix product into its bias.
Result<bool> add_bias(NodeLowering& node, std::size_t x, std::size_t bias) {
  Graph& graph = node.lowering().graph;
  const NodeInput& source = node.node().inputs[x];
  const Value& value = node.input(x);
  const auto& counts = node.lowering().reader_counts[source.node];
  if (!node.is_constant(bias) || graph.nodes.empty() || value.id == kNoTensor || !value.shape ||
      counts.size() != 1 || counts[0] != 1 || node.lowering().is_output[source.node]) {
    return false;
  }
  const auto writer = std::find_if(graph.nodes.rbegin(), graph.nodes.rend(), [&](const Node& n) {
    return n.outputs.size() == 1 && n.outputs[0] == value.id;
  });
  const auto takes_bias = [](const Node& n) {
    return (std::holds_alternative<Conv2d>(n.op) || std::holds_alternative<FullyConnected>(n.op)) &&
           n.inputs.size() == 2;
  };
  if (writer == graph.nodes.rend() || !takes_bias(*writer)) return false;
  Value& vector = node.input(bias);
  if (vector.shape->size() != 1 || value.shape->empty() ||
      vector.shape != Shape{value.shape->back()})
    return false;
  const std::size_t layer = source.node;
  NodeLowering owner(node.lowering(), layer);
  VP_ASSIGN_OR_RETURN(const TensorId id, owner.tensor_of(vector, {WeightRole::Bias, 0}));
  writer->inputs.push_back(id);
  graph.tensors[static_cast<std::size_t>(value.id)].name = node.node().name;
  VP_RETURN_IF_ERROR(node.forward(value));
  return true;
}

Result<void> lower_bias_add(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 2));
  VP_ASSIGN_OR_RETURN(const std::string layout, read_text_attr(node.node(), "data_format", "NHWC"));
  if (layout != "NHWC") return node.refuse("its layout is " + layout + ", NHWC is run");
  Value& bias = node.input(1);
  if (bias.shape && bias.shape->size() != 1) {
    return fail_at(ErrorKind::Malformed, node.node().message.offset(),
                   "{}: its bias has the shape {}, expected one axis", node.node().path,
                   to_string(*bias.shape));
  }
  VP_ASSIGN_OR_RETURN(const bool taken, add_bias(node, 0, 1));
  if (taken) return {};
  return node.finish(Binary{}, {&node.input(0), &bias}, node.input(0).dtype);
}

Result<void> lower_binary(NodeLowering& node, const BinaryRow& row) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 2));
  Value& a = node.input(0);
  Value& b = node.input(1);
  if (row.kind == BinaryKind::Add) {
    VP_ASSIGN_OR_RETURN(const bool taken, add_bias(node, 0, 1));
    if (taken) return {};
  }
  const DataType dtype = row.gives_truth ? DataType::Bool : a.dtype;
  VP_ASSIGN_OR_RETURN(Value result,
                      node.apply(Binary{row.kind, FusedActivation::None, true}, {&a, &b}, dtype));
  if (result.id != kNoTensor && row.kind == BinaryKind::Divide && !is_real(a.dtype) &&
      a.dtype != DataType::Invalid) {
    return node.refuse("it divides " + name_of(a.dtype));
  }
  node.set_output(0, std::move(result));
  return {};
}

/// TensorFlow rounds the quotient to a float before it floors; FloorDivide means LiteRT's
/// FLOOR_DIV, which divides in double. For integers both give the same result.
Result<void> lower_floor_div(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 2));
  Value& a = node.input(0);
  Value& b = node.input(1);
  if (!is_real(a.dtype)) {
    return node.finish(Binary{BinaryKind::FloorDivide, FusedActivation::None}, {&a, &b}, a.dtype);
  }
  VP_ASSIGN_OR_RETURN(Value quotient, node.apply(Binary{BinaryKind::Divide, FusedActivation::None},
                                                 {&a, &b}, a.dtype));
  return node.finish(Unary{UnaryKind::Floor, 0.0F, 0.0F}, {&quotient}, a.dtype);
}

Result<void> lower_add_n(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1U << 16));
  VP_RETURN_IF_ERROR(node.expect_types(0, node.input_count()));
  if (node.input_count() == 1) return node.forward(node.input(0));
  std::vector<Value*> operands;
  for (std::size_t i = 0; i < node.input_count(); ++i) operands.push_back(&node.input(i));
  return node.finish(Binary{}, operands, operands[0]->dtype);
}

/// Makes a float16 constant that is cast to float32 a float16 weight with the cast's name.
Result<void> forward_halves(NodeLowering& node, const Value& x) {
  Value value = x;
  StoredConstant constant = node.lowering().constants[*x.stored];
  constant.node = node.index();
  constant.name = node.node().name;
  constant.weight.reset();
  constant.tensors.clear();
  value.stored = node.lowering().constants.size();
  value.dtype = DataType::Float;
  value.id = kNoTensor;
  node.lowering().constants.push_back(std::move(constant));
  return node.forward(value);
}

/// The range of an integer type of 8 or 16 bits.
struct WholeRange {
  double low = 0.0;
  double count = 0.0;
};

std::optional<WholeRange> find_range(DataType type) {
  switch (type) {
    case DataType::UInt8:
      return WholeRange{0.0, 256.0};
    case DataType::Int8:
      return WholeRange{-128.0, 256.0};
    case DataType::UInt16:
      return WholeRange{0.0, 65536.0};
    case DataType::Int16:
      return WholeRange{-32768.0, 65536.0};
    default:
      return std::nullopt;
  }
}

/// The target range, if a cast between integers can drop high bits; nothing if all values fit.
std::optional<WholeRange> find_wrap(DataType from, DataType to) {
  if (from == to || from == DataType::Bool || from == DataType::Invalid) return std::nullopt;
  const auto wanted = find_range(to);
  const auto given = find_range(from);
  const bool fits = wanted && given && given->low >= wanted->low &&
                    given->low + given->count <= wanted->low + wanted->count;
  return fits ? std::nullopt : wanted;
}

/// Whether the graph can hold the result of a cast. False for an unsigned type that the graph does
/// not have, unless all values are known and fit.
bool can_count(DataType from, DataType to, const std::vector<double>* known) {
  const bool is_unsigned =
      to == DataType::UInt16 || to == DataType::UInt32 || to == DataType::UInt64;
  if (!is_unsigned || from == to) return true;
  constexpr double kWhole = 9007199254740992.0;  // up to here a double holds every whole number
  const double limit = to == DataType::UInt16   ? 65535.0
                       : to == DataType::UInt32 ? 4294967295.0
                                                : kWhole;
  return known != nullptr && std::all_of(known->begin(), known->end(), [limit](double v) {
           return std::isnan(v) || (v > -1.0 && v <= limit);
         });
}

/// Adds nodes for a cast that keeps the low 8 or 16 bits: (x - low) modulo 2^bits, plus low.
Result<void> wrap(NodeLowering& node, Value& x, const WholeRange& range, DataType wanted) {
  Value count = make_known({}, {range.count}, DataType::Int32);
  const Binary modulo = {BinaryKind::FloorModulo, FusedActivation::None};
  if (range.low == 0.0) return node.finish(modulo, {&x, &count}, wanted);
  Value low = make_known({}, {range.low}, DataType::Int32);
  VP_ASSIGN_OR_RETURN(Value shifted, node.apply(Binary{BinaryKind::Subtract, FusedActivation::None},
                                                {&x, &low}, DataType::Int32));
  VP_ASSIGN_OR_RETURN(Value rest, node.apply(modulo, {&shifted, &count}, DataType::Int32));
  return node.finish(Binary{BinaryKind::Add, FusedActivation::None}, {&rest, &low}, wanted);
}

/// The value as another type that holds the same numbers; a float32 rounds those of a float64.
/// known: the numbers; null where they are not known.
Value retype(const Value& x, const std::vector<double>* known, DataType wanted) {
  Value value = x;
  value.dtype = wanted;
  if (known == nullptr) return value;
  value.stored.reset();
  if (x.stored) value.id = kNoTensor;
  std::vector<double> values = *known;
  if (wanted == DataType::Float) {
    for (double& v : values) v = static_cast<double>(static_cast<float>(v));
  }
  value.known = std::make_shared<const std::vector<double>>(std::move(values));
  return value;
}

/// A run holds integers and truth values as floats, so most casts change nothing.
Result<void> lower_cast(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  VP_ASSIGN_OR_RETURN(const DataType wanted, read_type_attr(node.node(), "DstT"));
  VP_ASSIGN_OR_RETURN(const DataType declared, read_type_attr(node.node(), "SrcT", x.dtype));
  if (declared != x.dtype && x.dtype != DataType::Invalid) {
    return fail_at(ErrorKind::Malformed, node.node().message.offset(),
                   "{}: Cast of {} reads \"{}\", which is {}", node.node().path, name_of(declared),
                   node.lowering().nodes.nodes[node.node().inputs[0].node].name, name_of(x.dtype));
  }
  if (x.stored && x.dtype == DataType::Half && wanted == DataType::Float) {
    return forward_halves(node, x);
  }
  if (wanted == DataType::Bool && x.dtype != DataType::Bool) {
    Value zero = make_known({}, {0.0}, x.dtype);
    return node.finish(Binary{BinaryKind::NotEqual, FusedActivation::None}, {&x, &zero}, wanted);
  }
  const bool rounds = wanted == DataType::Half || wanted == DataType::BFloat16;
  if (rounds && x.dtype != wanted) return node.refuse("it rounds values to " + name_of(wanted));
  if (!is_number(wanted)) return node.refuse("its result is " + name_of(wanted));
  VP_ASSIGN_OR_RETURN(const std::vector<double>* known, load_known(node.lowering(), x));
  if (!can_count(x.dtype, wanted, known)) return node.refuse("its result is " + name_of(wanted));
  // Casting a float outside the integer type's range is undefined; the run detects it.
  if (is_real(x.dtype) && !is_real(wanted)) {
    return node.finish(Unary{UnaryKind::Truncate, 0, 0}, {&x}, wanted);
  }
  if (const auto range = find_wrap(x.dtype, wanted)) return wrap(node, x, *range, wanted);
  return node.forward(retype(x, known, wanted));
}

bool is_passed_on(std::string_view op) {
  constexpr std::array kNames = {
      std::string_view("Identity"),        std::string_view("StopGradient"),
      std::string_view("PreventGradient"), std::string_view("CheckNumerics"),
      std::string_view("Snapshot"),        std::string_view("PlaceholderWithDefault")};
  return std::find(kNames.begin(), kNames.end(), op) != kNames.end();
}

Result<void> lower_clip(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const auto low, node.find_number(1));
  VP_ASSIGN_OR_RETURN(const auto high, node.find_number(2));
  if (!low || !high) return node.refuse("its bounds are computed");
  Value& x = node.input(0);
  // If the bounds cross, TensorFlow returns the lower one, because it applies the minimum first.
  const double top = *high < *low ? *low : *high;
  return node.finish(Unary{UnaryKind::Clip, static_cast<float>(*low), static_cast<float>(top)},
                     {&x}, x.dtype);
}

Result<void> lower_softmax(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  Value& x = node.input(0);
  return node.finish(Softmax{}, {&x}, x.dtype);
}

/// Lowers the operators that need their own function.
Result<bool> lower_by_name(NodeLowering& node) {
  struct Row {
    std::string_view op;
    Result<void> (*lower)(NodeLowering&);
  };
  constexpr std::array kRows = std::to_array<Row>({{"BiasAdd", lower_bias_add},
                                                   {"AddN", lower_add_n},
                                                   {"Cast", lower_cast},
                                                   {"FloorDiv", lower_floor_div},
                                                   {"ClipByValue", lower_clip},
                                                   {"Softmax", lower_softmax}});
  for (const Row& row : kRows) {
    if (row.op != node.node().op) continue;
    VP_RETURN_IF_ERROR(row.lower(node));
    return true;
  }
  return false;
}

}  // namespace

Result<bool> lower_elementwise(NodeLowering& node) {
  const std::string& op = node.node().op;
  for (const UnaryRow& row : kUnary) {
    if (row.op != op) continue;
    VP_RETURN_IF_ERROR(lower_unary(node, row.kind));
    return true;
  }
  for (const BinaryRow& row : kBinary) {
    if (row.op != op) continue;
    VP_RETURN_IF_ERROR(lower_binary(node, row));
    return true;
  }
  if (is_passed_on(op)) {
    VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
    VP_RETURN_IF_ERROR(node.forward(node.input(0)));
    return true;
  }
  if (op == "IdentityN") {
    for (std::size_t i = 0; i < node.input_count(); ++i) node.set_output(i, node.input(i));
    return true;
  }
  return lower_by_name(node);
}

}  // namespace visionpress::graphdef
