#include "formats/onnx/onnx_lowering.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "lower/fold.h"
#include "lower/shape_rules.h"

namespace visionpress::onnx {
namespace {

/// The limit for the values of all constants that are made while reading.
constexpr std::int64_t kMostMade = std::int64_t{1} << 25;

/// Whether the graph can borrow a stored constant's bytes as a weight.
bool is_weight(const StoredConstant& constant) {
  return constant.code || constant.dtype == DataType::Float || constant.dtype == DataType::Float16;
}

double decode(const WeightCode& code, double stored, std::size_t channel) {
  const auto entry = [channel](const auto& list) {
    return list.size() == 1 ? list[0] : list[channel];
  };
  const double zero = code.zero_points.empty() ? 0.0 : entry(code.zero_points);
  const float offset = code.offsets.empty() ? 0.0F : entry(code.offsets);
  const auto product =
      static_cast<float>((stored - zero) * static_cast<double>(entry(code.scales)));
  return static_cast<double>(product + offset);
}

std::vector<double> load_constant(const StoredConstant& constant) {
  const auto count = static_cast<std::size_t>(element_count(constant.shape).value_or(0));
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = load_value(constant.payload, constant.dtype, i);
  if (!constant.code || constant.code->encoding != Encoding::Linear) return values;
  const auto axis = static_cast<std::size_t>(constant.code->axis);
  const std::size_t inner = constant.shape.empty() ? 1 : split_at(constant.shape, axis).inner;
  const std::size_t channels = constant.code->scales.size();
  for (std::size_t i = 0; i < count; ++i)
    values[i] = decode(*constant.code, values[i], i / inner % channels);
  return values;
}

bool has_unknown(const std::vector<double>& values) {
  return std::ranges::any_of(values, [](double v) { return std::isnan(v); });
}

FoldType type_of_fold(DataType dtype) {
  if (dtype == DataType::Float) return {};
  if (is_real(dtype)) return {FoldRounding::None};
  const WholeRange range = range_of(dtype);
  return {FoldRounding::Whole, range.low, range.high};
}

bool any_needs_size(const std::vector<Value*>& operands) {
  return std::ranges::any_of(operands, [](const Value* v) { return v->needs_input_size; });
}

/// Whether the operand's values are available, without reading them. Optional folding may use at
/// most half of the limit of count_made.
bool is_foldable(const Lowering& lowering, const Value& operand) {
  if (!operand.shape) return false;
  if (operand.known) return true;
  if (!operand.stored) return false;
  const auto count = element_count(*operand.shape).value_or(kMostFolded + 1);
  return count <= kMostKnown ||
         (count <= kMostFolded && lowering.made_values + count <= kMostMade / 2);
}

/// Computes an operator on constants, if all values are known and there are not too many.
KnownValues try_fold(Lowering& lowering, const Op& op, const std::vector<Value*>& operands,
                     const std::optional<Shape>& shape, DataType dtype) {
  const auto count = shape ? element_count(*shape) : std::nullopt;
  if (!count || *count > kMostFolded || operands.empty()) return nullptr;
  if (*count > kMostKnown && lowering.made_values + *count > kMostMade / 2) return nullptr;
  const bool foldable = std::ranges::all_of(
      operands, [&](const Value* operand) { return is_foldable(lowering, *operand); });
  if (!foldable) return nullptr;
  std::vector<KnownValues> values;
  std::vector<FoldOperand> known;
  for (Value* operand : operands) {
    if (load_known(lowering, *operand) != nullptr) {
      values.push_back(operand->known);
    } else {
      values.push_back(std::make_shared<const std::vector<double>>(load_all(lowering, *operand)));
    }
    known.push_back({*operand->shape, *values.back()});
  }
  auto result = fold(op, known, *shape, type_of_fold(dtype));
  if (!result) return nullptr;
  return std::make_shared<const std::vector<double>>(std::move(*result));
}

/// Records which axes of the stored weight a folded result's axes come from.
void trace_origin(const Lowering& lowering, const Op& op, const Value& operand, Value& result) {
  std::vector<int> order = operand.order;
  if (operand.stored && is_weight(lowering.constants[*operand.stored])) {
    result.origin = operand.stored;
    const bool is_same = operand.shape == lowering.constants[*operand.stored].shape;
    order.resize(is_same ? operand.shape->size() : 0);
    std::iota(order.begin(), order.end(), 0);
  } else {
    result.origin = operand.origin;
  }
  const auto* transpose = std::get_if<Transpose>(&op);
  if (transpose == nullptr || order.empty()) return;
  for (const int axis : transpose->permutation)
    result.order.push_back(order[static_cast<std::size_t>(axis)]);
}

/// A shape to pass to the shape rule for an operand of open rank, if the result's shape does not
/// depend on it.
std::optional<Shape> stand_in(const Op& op) {
  if (std::holds_alternative<Reshape>(op)) return Shape{-1};
  return std::nullopt;
}

}  // namespace

const std::vector<double>* load_known(Lowering& lowering, Value& value) {
  if (!value.known && value.stored) {
    const StoredConstant& constant = lowering.constants[*value.stored];
    const std::int64_t count = element_count(constant.shape).value_or(kMostKnown + 1);
    if (count > kMostKnown) return nullptr;
    value.known = std::make_shared<const std::vector<double>>(load_constant(constant));
    lowering.made_values += count;
  }
  return value.known.get();
}

std::vector<double> load_all(const Lowering& lowering, const Value& value) {
  if (value.known) return *value.known;
  if (value.stored) return load_constant(lowering.constants[*value.stored]);
  return {};
}

bool is_weight_type(DataType type) { return type == DataType::Float || type == DataType::Float16; }

bool are_sizes(const std::vector<std::int64_t>& sizes) {
  return std::ranges::all_of(sizes,
                             [](std::int64_t size) { return size >= 0 && size <= kLargestSize; });
}

Value make_known(Shape shape, std::vector<double> values, DataType dtype) {
  Value value;
  value.dtype = dtype;
  value.shape = std::move(shape);
  value.known = std::make_shared<const std::vector<double>>(std::move(values));
  return value;
}

std::optional<std::vector<std::int64_t>> NodeLowering::find_integers(std::size_t i) {
  if (!has_input(i)) return std::nullopt;
  const std::vector<double>* known = load_known(lowering_, input(i));
  constexpr double kLargest = 9007199254740992.0;
  const auto is_integer = [](double v) { return std::fabs(v) <= kLargest && v == std::trunc(v); };
  if (known == nullptr || !std::ranges::all_of(*known, is_integer)) return std::nullopt;
  std::vector<std::int64_t> integers;
  for (const double value : *known) integers.push_back(static_cast<std::int64_t>(value));
  return integers;
}

std::optional<double> NodeLowering::find_number(std::size_t i) {
  if (!has_input(i)) return std::nullopt;
  const std::vector<double>* known = load_known(lowering_, input(i));
  if (known == nullptr || known->size() != 1) return std::nullopt;
  return known->front();
}

Node NodeLowering::make_node(Op op, std::vector<TensorId> inputs) const {
  Node node;
  node.name = node_.name;
  node.source_type = full_name_of(node_);
  node.path = path_;
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  return node;
}

TensorId NodeLowering::add_tensor(const std::optional<Shape>& shape, DataType dtype) {
  Tensor tensor;
  const auto named = std::ranges::find_if(node_.outputs, [](const auto& o) { return !o.empty(); });
  tensor.name = named == node_.outputs.end() ? node_.name : *named;
  tensor.has_rank = shape.has_value();
  tensor.shape = shape.value_or(Shape());
  tensor.dtype = dtype_of(dtype);
  // A run holds halves as floats; the type of a tensor says what a run rounds to.
  if (tensor.dtype == DType::Float16) tensor.dtype = DType::Float32;
  return lowering_.graph.add_tensor(std::move(tensor));
}

Result<void> NodeLowering::count_made(std::int64_t values) {
  lowering_.made_values += values;
  if (lowering_.made_values <= kMostMade) return {};
  return malformed(
      fmt::format("{} values of constants that the file does not spell out, at most {} are made",
                  lowering_.made_values, kMostMade));
}

TensorId NodeLowering::add_literal(const Value& value, const std::vector<double>& values) {
  Tensor tensor;
  tensor.name = value.stored         ? lowering_.constants[*value.stored].name
                : value.name.empty() ? node_.name + ":constant"
                                     : value.name;
  tensor.shape = *value.shape;
  tensor.dtype = dtype_of(value.dtype);
  if (is_real(value.dtype)) tensor.dtype = DType::Float32;
  for (const double v : values) tensor.literal.push_back(static_cast<float>(v));
  return lowering_.graph.add_tensor(std::move(tensor));
}

Result<TensorId> NodeLowering::literal_of(Value& value) {
  std::vector<double> values;
  if (value.known) {
    VP_RETURN_IF_ERROR(count_made(std::ssize(*value.known)));
    values = *value.known;
  } else if (value.stored) {
    values = load_all(lowering_, value);
  }
  const bool is_unknown = !is_real(value.dtype) && has_unknown(values);
  if (values.empty() || is_unknown || !value.shape) {
    const char* what = value.is_opaque || !value.texts.empty() ? "a value that is not a tensor"
                       : is_unknown                            ? "sizes that are not known"
                                                               : "an empty constant";
    return fail_at(ErrorKind::Unsupported, node_.message.offset(), "{}: {} reads {}", path_,
                   full_name_of(node_), what);
  }
  value.id = add_literal(value, values);
  return value.id;
}

std::size_t NodeLowering::weight_of(std::size_t stored) {
  Graph& graph = lowering_.graph;
  StoredConstant& constant = lowering_.constants[stored];
  if (constant.weight) return *constant.weight;
  Weight weight;
  weight.name = constant.name;
  weight.layer = node_.name;
  weight.path = constant.path;
  weight.layer_group = group_;
  weight.stored.shape = constant.shape;
  weight.stored.payload = constant.payload;
  if (constant.code) {
    weight.stored.code = *constant.code;
    if (weight.stored.code.bits < 8) weight.stored.packing = Packing::LsbFirst;
  } else {
    const bool is_half = constant.dtype == DataType::Float16;
    weight.stored.code.encoding = is_half ? Encoding::Float16 : Encoding::Float32;
    weight.stored.code.bits = is_half ? 16 : 32;
  }
  constant.weight = graph.weights.size();
  graph.weights.push_back(std::move(weight));
  lowering_.slots.push_back(constant.slot);
  return *constant.weight;
}

void NodeLowering::note_use(std::size_t index, const Use& use, int channel_axis) {
  Weight& weight = lowering_.graph.weights[index];
  if (use.role >= weight.role) return;
  weight.role = use.role;
  weight.channel_axis = channel_axis;
  weight.layer = node_.name;
  weight.layer_group = group_;
}

Result<TensorId> NodeLowering::tensor_of(Value& value, const Use& use) {
  if (value.id != kNoTensor) return value.id;
  Graph& graph = lowering_.graph;
  const bool is_empty = value.shape && element_count(*value.shape) == 0;
  if (value.stored && !is_empty && is_weight(lowering_.constants[*value.stored])) {
    const std::size_t index = weight_of(*value.stored);
    const Shape& stored = graph.weights[index].stored.shape;
    const int axis = stored.empty() || value.shape->empty()
                         ? 0
                         : find_same_axis(*value.shape, use.channel_axis, stored);
    note_use(index, use, axis);
    StoredConstant& constant = lowering_.constants[*value.stored];
    for (const auto& [shape, id] : constant.tensors) {
      if (shape == *value.shape) return id;
    }
    Tensor tensor;
    tensor.name = constant.name;
    tensor.shape = *value.shape;
    tensor.weight = constant.weight;
    const TensorId id = graph.add_tensor(std::move(tensor));
    constant.tensors.emplace_back(*value.shape, id);
    return id;
  }
  if (value.origin) {
    const auto axis = static_cast<std::size_t>(use.channel_axis);
    note_use(weight_of(*value.origin), use, axis < value.order.size() ? value.order[axis] : 0);
  }
  return literal_of(value);
}

Result<std::vector<std::optional<Shape>>> NodeLowering::infer(const Op& op,
                                                              const std::vector<Value*>& operands,
                                                              std::size_t results) const {
  std::vector<RuleInput> inputs;
  for (const Value* operand : operands) {
    const auto shape = operand->shape ? operand->shape : stand_in(op);
    if (!shape) return std::vector<std::optional<Shape>>(results);
    inputs.push_back({*shape, operand->is_constant(), std::nullopt});
  }
  // Empty results are allowed: a slice of a constant may be empty, and a Concat ignores it.
  auto shapes = infer_results(op, {inputs, results, Layout::ChannelsFirst, true});
  if (!shapes) {
    return fail_at(shapes.error().kind, node_.message.offset(), "{}: {}", path_,
                   shapes.error().message);
  }
  return std::vector<std::optional<Shape>>(shapes->begin(), shapes->end());
}

Result<Value> NodeLowering::apply(Op op, const std::vector<Value*>& operands, DataType dtype) {
  VP_ASSIGN_OR_RETURN(std::vector<Value> results, apply_many(std::move(op), operands, {dtype}));
  return std::move(results.front());
}

Result<std::vector<Value>> NodeLowering::apply_many(Op op, const std::vector<Value*>& operands,
                                                    const std::vector<DataType>& dtypes) {
  VP_ASSIGN_OR_RETURN(const auto shapes, infer(op, operands, dtypes.size()));
  std::vector<Value> results(shapes.size());
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    results[k].shape = shapes[k];
    results[k].dtype = dtypes[k];
    results[k].needs_input_size = any_needs_size(operands);
  }
  if (shapes.size() == 1) {
    results[0].known = try_fold(lowering_, op, operands, shapes[0], dtypes[0]);
    if (results[0].known && (is_real(dtypes[0]) || !has_unknown(*results[0].known))) {
      lowering_.made_values += std::ssize(*results[0].known);
      trace_origin(lowering_, op, *operands[0], results[0]);
      return results;
    }
  }
  std::vector<TensorId> inputs;
  for (Value* operand : operands) {
    VP_ASSIGN_OR_RETURN(const TensorId id, tensor_of(*operand));
    inputs.push_back(id);
  }
  Node node = make_node(std::move(op), std::move(inputs));
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    results[k].id = add_tensor(shapes[k], dtypes[k]);
    node.outputs.push_back(results[k].id);
  }
  lowering_.graph.nodes.push_back(std::move(node));
  return results;
}

Result<Value> NodeLowering::apply_with(Op op, Value& x,
                                       const std::vector<std::pair<Value*, Use>>& parameters) {
  std::vector<Value*> operands = {&x};
  for (const auto& parameter : parameters) operands.push_back(parameter.first);
  VP_ASSIGN_OR_RETURN(auto shapes, infer(op, operands));
  VP_ASSIGN_OR_RETURN(const TensorId id, tensor_of(x));
  std::vector<TensorId> inputs = {id};
  for (const auto& [value, use] : parameters) {
    VP_ASSIGN_OR_RETURN(const TensorId parameter, tensor_of(*value, use));
    inputs.push_back(parameter);
  }
  Value result;
  result.shape = std::move(shapes.front());
  result.dtype = x.dtype;
  result.needs_input_size = x.needs_input_size;
  result.id = add_tensor(result.shape, result.dtype);
  Node node = make_node(std::move(op), std::move(inputs));
  node.outputs = {result.id};
  lowering_.graph.nodes.push_back(std::move(node));
  return result;
}

Result<Value> NodeLowering::view(Op op, Value& x) {
  const auto* expand = std::get_if<ExpandDims>(&op);
  if (expand != nullptr && expand->axes.empty()) return x;
  VP_ASSIGN_OR_RETURN(auto shapes, infer(op, {&x}));
  if (!x.stored || !shapes[0] || !element_count(*shapes[0])) return apply(std::move(op), x);
  Value value = x;
  value.id = kNoTensor;
  value.shape = std::move(shapes[0]);
  return value;
}

}  // namespace visionpress::onnx
