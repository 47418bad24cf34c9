#include "formats/graphdef/graphdef_lowering.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "lower/fold.h"
#include "lower/shape_rules.h"

namespace visionpress::graphdef {
namespace {

Encoding float_encoding(DataType type) {
  return type == DataType::Half ? Encoding::Float16 : Encoding::Float32;
}

/// Whether the graph can borrow a stored constant's bytes as a weight.
bool is_weight(const StoredConstant& constant) {
  if (constant.tensor.payload.empty()) return false;
  return constant.code || constant.tensor.dtype == DataType::Float ||
         constant.tensor.dtype == DataType::Half;
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

Result<std::vector<double>> load_constant_values(const StoredConstant& constant) {
  VP_ASSIGN_OR_RETURN(std::vector<double> values, load_values(constant.tensor, constant.path));
  if (!constant.code) return values;
  const auto axis = static_cast<std::size_t>(constant.code->axis);
  const std::size_t inner = split_at(constant.tensor.shape, axis).inner;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t channels = constant.code->scales.size();
    values[i] = decode(*constant.code, values[i], i / inner % channels);
  }
  return values;
}

/// The limit for the values of all constants that are made while reading.
constexpr std::int64_t kMostMade = std::int64_t{1} << 25;

bool has_unknown(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
}

}  // namespace

Result<const std::vector<double>*> load_known(Lowering& lowering, Value& value) {
  if (!value.known && value.stored) {
    const StoredConstant& constant = lowering.constants[*value.stored];
    if (constant.tensor.count > kMostKnown) return nullptr;
    VP_ASSIGN_OR_RETURN(std::vector<double> values, load_constant_values(constant));
    value.known = std::make_shared<const std::vector<double>>(std::move(values));
    lowering.made_values += constant.tensor.count;
  }
  return value.known.get();
}

tl::unexpected<Error> malformed(const NodeLowering& node, const std::string& what) {
  return fail_at(ErrorKind::Malformed, node.node().message.offset(), "{}: {}", node.node().path,
                 what);
}

bool are_sizes(const std::vector<std::int64_t>& sizes) {
  return std::all_of(sizes.begin(), sizes.end(),
                     [](std::int64_t size) { return size >= 0 && size <= kLargestSize; });
}

Value make_known(Shape shape, std::vector<double> values, DataType dtype) {
  Value value;
  value.dtype = dtype;
  value.shape = std::move(shape);
  value.known = std::make_shared<const std::vector<double>>(std::move(values));
  return value;
}

Value& NodeLowering::input(std::size_t i) {
  const NodeInput& source = node_.inputs[i];
  std::vector<Value>& outputs = lowering_.values[source.node];
  const auto output = static_cast<std::size_t>(source.output);
  while (outputs.size() <= output) outputs.emplace_back();
  return outputs[output];
}

Result<void> NodeLowering::expect_inputs(std::size_t least, std::size_t most) const {
  const std::size_t count = node_.inputs.size();
  if (count >= least && count <= most) return {};
  return fail_at(ErrorKind::Malformed, node_.message.offset(), "{}: {} has {} inputs, expected {}",
                 node_.path, node_.op, count,
                 least == most ? std::to_string(least) : fmt::format("{}..{}", least, most));
}

Result<void> NodeLowering::expect_types(std::size_t first, std::size_t last) {
  VP_ASSIGN_OR_RETURN(const DataType wanted, read_type_attr(node_, "T"));
  if (wanted == DataType::Invalid) return {};
  for (std::size_t i = first; i < last; ++i) {
    const DataType found = input(i).dtype;
    if (found == wanted || found == DataType::Invalid) continue;
    return fail_at(ErrorKind::Malformed, node_.message.offset(),
                   "{}: {} of {} reads \"{}\", which is {}", node_.path, node_.op, name_of(wanted),
                   lowering_.nodes.nodes[node_.inputs[i].node].name, name_of(found));
  }
  return {};
}

Result<std::optional<std::vector<std::int64_t>>> NodeLowering::find_integers(std::size_t i) {
  VP_ASSIGN_OR_RETURN(const std::vector<double>* known, load_known(lowering_, input(i)));
  std::optional<std::vector<std::int64_t>> integers;
  // Larger numbers are not sizes, and their cast could be undefined.
  constexpr double kLargest = 9007199254740992.0;
  const auto is_size = [](double v) { return std::fabs(v) <= kLargest && v == std::trunc(v); };
  if (known == nullptr || !std::all_of(known->begin(), known->end(), is_size)) return integers;
  integers.emplace();
  for (const double value : *known) integers->push_back(static_cast<std::int64_t>(value));
  return integers;
}

Result<std::optional<std::int64_t>> NodeLowering::find_integer(std::size_t i) {
  VP_ASSIGN_OR_RETURN(const auto integers, find_integers(i));
  if (!integers || integers->size() != 1) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(integers->front());
}

Result<std::optional<double>> NodeLowering::find_number(std::size_t i) {
  VP_ASSIGN_OR_RETURN(const std::vector<double>* known, load_known(lowering_, input(i)));
  if (known == nullptr || known->size() != 1) return std::optional<double>();
  return std::optional<double>(known->front());
}

bool NodeLowering::is_constant(std::size_t i) {
  const Value& value = input(i);
  return value.stored || (value.known && value.id == kNoTensor);
}

Result<int> NodeLowering::check_axis(std::int64_t axis, std::size_t rank) const {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis >= -count && axis < count) return static_cast<int>(axis < 0 ? axis + count : axis);
  return fail_at(ErrorKind::Malformed, node_.message.offset(),
                 "{}: {} names axis {} of a tensor of {} axes", node_.path, node_.op, axis, rank);
}

Node NodeLowering::make_node(Op op, std::vector<TensorId> inputs) const {
  Node node;
  node.name = node_.name;
  node.source_type = node_.op;
  node.path = node_.path;
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  return node;
}

TensorId NodeLowering::add_tensor(const std::optional<Shape>& shape, DataType dtype,
                                  std::size_t output) {
  Tensor tensor;
  tensor.name = output == 0 ? node_.name : fmt::format("{}:{}", node_.name, output);
  tensor.has_rank = shape.has_value();
  tensor.shape = shape.value_or(Shape());
  tensor.dtype = dtype_of(dtype);
  return lowering_.graph.add_tensor(std::move(tensor));
}

Result<void> NodeLowering::count_made(std::int64_t values) {
  // The sum cannot overflow: each count is far below 2^62, and the first sum above the limit ends
  // the reading.
  lowering_.made_values += values;
  if (lowering_.made_values <= kMostMade) return {};
  return malformed(*this, fmt::format("{} values of constants that the file does not spell out, at "
                                      "most {} are made",
                                      lowering_.made_values, kMostMade));
}

Result<TensorId> NodeLowering::literal_of(Value& value) {
  std::vector<double> values;
  if (value.known && !has_unknown(*value.known)) {
    VP_RETURN_IF_ERROR(count_made(std::ssize(*value.known)));
    values = *value.known;
  } else if (value.stored) {
    const StoredTensor& stored = lowering_.constants[*value.stored].tensor;
    VP_ASSIGN_OR_RETURN(values, load_constant_values(lowering_.constants[*value.stored]));
    // Only count values that take less than a byte each in the file; the file's size limits the
    // others.
    if (stored.count > std::ssize(stored.content)) VP_RETURN_IF_ERROR(count_made(stored.count));
  }
  if (values.empty()) {
    return fail_at(ErrorKind::Unsupported, node_.message.offset(), "{}: {} reads an empty constant",
                   node_.path, node_.op);
  }
  Tensor tensor;
  tensor.name = value.stored ? lowering_.constants[*value.stored].name : node_.name + ":constant";
  tensor.shape = *value.shape;
  tensor.dtype = dtype_of(value.dtype);
  for (const double v : values) tensor.literal.push_back(static_cast<float>(v));
  value.id = lowering_.graph.add_tensor(std::move(tensor));
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
  weight.layer_group = index_;
  weight.stored.shape = constant.tensor.shape;
  weight.stored.payload = constant.tensor.payload;
  if (constant.code) {
    weight.stored.code = *constant.code;
  } else {
    weight.stored.code.encoding = float_encoding(constant.tensor.dtype);
    weight.stored.code.bits = constant.tensor.dtype == DataType::Half ? 16 : 32;
  }
  constant.weight = graph.weights.size();
  graph.weights.push_back(std::move(weight));
  lowering_.weight_nodes.push_back(constant.node);
  return *constant.weight;
}

void NodeLowering::note_use(std::size_t index, const Use& use, int channel_axis) {
  Weight& weight = lowering_.graph.weights[index];
  if (use.role >= weight.role) return;
  weight.role = use.role;
  weight.channel_axis = channel_axis;
  weight.layer = node_.name;
  weight.layer_group = index_;
}

Result<TensorId> NodeLowering::tensor_of(Value& value, const Use& use) {
  if (value.id != kNoTensor) return value.id;
  Graph& graph = lowering_.graph;
  if (value.stored && is_weight(lowering_.constants[*value.stored])) {
    const std::size_t index = weight_of(*value.stored);
    const Shape& stored = graph.weights[index].stored.shape;
    note_use(index, use, find_same_axis(*value.shape, use.channel_axis, stored));
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

namespace {

/// A shape to pass to the shape rule for an operand of open rank, if the result's shape does not
/// depend on it. Nothing if it does; the result's rank is then open, too.
std::optional<Shape> stand_in(const Op& op, std::size_t operand) {
  if (std::holds_alternative<Reshape>(op)) return Shape{-1};
  if (std::holds_alternative<NonMaxSuppression>(op)) return operand == 0 ? Shape{-1, 4} : Shape{-1};
  const auto* conv = std::get_if<Conv2d>(&op);
  if (conv != nullptr && conv->transposed && operand == 0) return Shape{1, -1, -1, -1};
  return std::nullopt;
}

bool any_needs_size(const std::vector<Value*>& operands) {
  return std::any_of(operands.begin(), operands.end(),
                     [](const Value* v) { return v->needs_input_size; });
}

/// Whether the operand's values are available, without reading them. Optional folding may use at
/// most half of the limit of count_made, so that the other half remains for constants that must be
/// computed.
bool is_foldable(const Lowering& lowering, const Value& operand) {
  if (!operand.shape) return false;
  if (operand.known) return true;
  if (!operand.stored) return false;
  const std::int64_t count = lowering.constants[*operand.stored].tensor.count;
  return count <= kMostKnown ||
         (count <= kMostFolded && lowering.made_values + count <= kMostMade / 2);
}

FoldType type_of_fold(DataType dtype) {
  if (dtype == DataType::UInt16) return {FoldRounding::Whole, 0.0, 65535.0};
  if (dtype == DataType::UInt32) return {FoldRounding::Whole, 0.0, 4294967295.0};
  if (dtype == DataType::BFloat16) return {FoldRounding::None};
  return fold_type_of(dtype_of(dtype));
}

/// Computes an operator on constants, if all values are known and there are not too many.
Result<KnownValues> try_fold(Lowering& lowering, const Op& op, const std::vector<Value*>& operands,
                             const std::optional<Shape>& shape, DataType dtype) {
  const KnownValues nothing;
  const auto count = shape ? element_count(*shape) : std::nullopt;
  if (!count || *count > kMostFolded || operands.empty()) return nothing;
  if (*count > kMostKnown && lowering.made_values + *count > kMostMade / 2) return nothing;
  const bool foldable = std::all_of(operands.begin(), operands.end(), [&](const Value* operand) {
    return is_foldable(lowering, *operand);
  });
  if (!foldable) return nothing;
  std::vector<KnownValues> values;
  std::vector<FoldOperand> known;
  for (Value* operand : operands) {
    VP_ASSIGN_OR_RETURN(const std::vector<double>* small, load_known(lowering, *operand));
    if (small != nullptr) {
      values.push_back(operand->known);
    } else {
      VP_ASSIGN_OR_RETURN(std::vector<double> large,
                          load_constant_values(lowering.constants[*operand->stored]));
      values.push_back(std::make_shared<const std::vector<double>>(std::move(large)));
    }
    known.push_back({*operand->shape, *values.back()});
  }
  auto result = fold(op, known, *shape, type_of_fold(dtype));
  if (!result) return nothing;
  return std::make_shared<const std::vector<double>>(std::move(*result));
}

/// Records which axes of the stored weight a folded result's axes come from.
void trace_origin(const Lowering& lowering, const Op& op, const Value& operand, Value& result) {
  std::vector<int> order = operand.order;
  if (operand.stored && is_weight(lowering.constants[*operand.stored])) {
    result.origin = operand.stored;
    const bool is_same = operand.shape == lowering.constants[*operand.stored].tensor.shape;
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

}  // namespace

Result<std::vector<std::optional<Shape>>> NodeLowering::infer(const Op& op,
                                                              const std::vector<Value*>& operands,
                                                              std::size_t results) const {
  std::vector<RuleInput> inputs;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Value& operand = *operands[i];
    const auto shape = operand.shape ? operand.shape : stand_in(op, i);
    if (!shape) return std::vector<std::optional<Shape>>(results);
    const bool is_constant = operand.stored || (operand.known && operand.id == kNoTensor);
    inputs.push_back({*shape, is_constant, std::nullopt});
  }
  // Empty results are allowed: a slice of a constant may be empty, and a Concat ignores it.
  auto shapes = infer_results(op, {inputs, results, Layout::ChannelsLast, true});
  if (!shapes) {
    return fail_at(shapes.error().kind, node_.message.offset(), "{}: {}", node_.path,
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
    VP_ASSIGN_OR_RETURN(results[0].known, try_fold(lowering_, op, operands, shapes[0], dtypes[0]));
    if (results[0].known && !has_unknown(*results[0].known)) {
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
    results[k].id = add_tensor(shapes[k], dtypes[k], k);
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
  result.id = add_tensor(result.shape, result.dtype, 0);
  Node node = make_node(std::move(op), std::move(inputs));
  node.outputs = {result.id};
  lowering_.graph.nodes.push_back(std::move(node));
  return result;
}

void NodeLowering::set_output(std::size_t k, Value value) {
  std::vector<Value>& outputs = lowering_.values[index_];
  if (outputs.size() <= k) outputs.resize(k + 1);
  outputs[k] = std::move(value);
}

Result<void> NodeLowering::finish(Op op, const std::vector<Value*>& operands, DataType dtype) {
  VP_ASSIGN_OR_RETURN(Value value, apply(std::move(op), operands, dtype));
  set_output(0, std::move(value));
  return {};
}

Result<void> NodeLowering::forward(const Value& value) {
  set_output(0, value);
  return {};
}

namespace {

/// The role of a constant in an operator that is not run, guessed from the operator's name.
Use use_of_unknown(const std::string& op, const Value& value) {
  const bool multiplies = op.find("Conv") != std::string::npos ||
                          op.find("MatMul") != std::string::npos || op == "Einsum";
  const auto rank = static_cast<int>(value.shape ? value.shape->size() : 0);
  if (!multiplies || rank < 2) return {};
  return {WeightRole::Kernel, rank - 1};
}

/// Whether `compress` can make the weight smaller, even though its reader cannot be run.
bool is_worth_carrying(const Lowering& lowering, const Value& value) {
  constexpr std::int64_t kLeastElements = 128;  // graphdef_writer replaces no smaller weight
  return value.stored && is_weight(lowering.constants[*value.stored]) &&
         lowering.constants[*value.stored].tensor.count >= kLeastElements;
}

}  // namespace

Result<void> NodeLowering::refuse(std::string why) {
  std::vector<TensorId> inputs;
  bool needs_size = false;
  for (std::size_t i = 0; i < input_count(); ++i) {
    Value& value = input(i);
    TensorId id = value.id;
    if (id == kNoTensor && is_worth_carrying(lowering_, value)) {
      VP_ASSIGN_OR_RETURN(id, tensor_of(value, use_of_unknown(node_.op, value)));
    }
    if (id != kNoTensor) inputs.push_back(id);
    needs_size = needs_size || value.needs_input_size;
  }
  Node node = make_node(Unsupported{std::move(why)}, std::move(inputs));
  const std::size_t outputs = std::max<std::size_t>(lowering_.reader_counts[index_].size(), 1);
  for (std::size_t k = 0; k < outputs; ++k) {
    Value value;
    value.dtype = DataType::Invalid;
    value.needs_input_size = needs_size;
    value.id = add_tensor(std::nullopt, DataType::Float, k);
    node.outputs.push_back(value.id);
    set_output(k, std::move(value));
  }
  lowering_.graph.nodes.push_back(std::move(node));
  return {};
}

Result<void> NodeLowering::refuse_input() {
  Value value = lowering_.values[index_].front();
  Node node =
      make_node(Unsupported{fmt::format("the input is {}; images as float32 or uint8 are run",
                                        name_of(value.dtype))},
                {value.id});
  value.id = add_tensor(value.shape, value.dtype, 0);
  node.outputs = {value.id};
  lowering_.graph.nodes.push_back(std::move(node));
  set_output(0, std::move(value));
  return {};
}

Result<void> NodeLowering::refuse_computed(std::size_t i, std::string why) {
  if (!input(i).needs_input_size) return refuse(std::move(why));
  return refuse("its size depends on the input's, which the file leaves open: --input-size WxH");
}

}  // namespace visionpress::graphdef
