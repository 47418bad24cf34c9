// The parts of NodeLowering that read the node and give its results.

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {

Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
    if (const auto found = scope->values.find(name); found != scope->values.end())
      return found->second;
  }
  return nullptr;
}

NodeLowering::NodeLowering(Lowering& lowering, Scope& scope, const GraphNode& node)
    : lowering_(lowering),
      scope_(scope),
      node_(node),
      path_(scope.path + node.path),
      group_(lowering.next_group++) {}

std::int64_t NodeLowering::opset() const {
  const auto found = scope_.opsets->find(node_.domain);
  return found == scope_.opsets->end() ? 0 : found->second;
}

bool NodeLowering::has_input(std::size_t i) const {
  return i < node_.inputs.size() && !node_.inputs[i].empty() &&
         scope_.find(node_.inputs[i]) != nullptr;
}

Value& NodeLowering::input(std::size_t i) { return *scope_.find(node_.inputs[i]); }

bool NodeLowering::has_output(std::size_t k) const {
  if (k >= node_.outputs.size() || node_.outputs[k].empty()) return false;
  if (scope_.is_inner) return true;
  return lowering_.reader_counts.contains(node_.outputs[k]);
}

Result<void> NodeLowering::expect_inputs(std::size_t least, std::size_t most) const {
  const std::size_t count = node_.inputs.size();
  if (count < least || count > most) {
    return malformed(
        fmt::format("{} has {} inputs, expected {}", full_name_of(node_), count,
                    least == most ? std::to_string(least) : fmt::format("{}..{}", least, most)));
  }
  for (std::size_t i = 0; i < least; ++i) {
    if (!has_input(i)) {
      return malformed(fmt::format("input {} of {} is absent", i, full_name_of(node_)));
    }
  }
  return {};
}

tl::unexpected<Error> NodeLowering::malformed(const std::string& what) const {
  return fail_at(ErrorKind::Malformed, node_.message.offset(), "{}: {}", path_, what);
}

Result<const ProtobufMessage*> NodeLowering::find_attribute(std::string_view name) const {
  const auto found = node_.attributes.find(name);
  const ProtobufMessage* none = nullptr;
  if (found == node_.attributes.end()) return none;
  VP_ASSIGN_OR_RETURN(const std::string reference,
                      found->second.read_text(attribute_field::kRefName));
  if (reference.empty()) return &found->second;
  const auto given = scope_.attributes.find(reference);
  return given == scope_.attributes.end() ? none : given->second;
}

namespace {

tl::unexpected<Error> in_attribute(const NodeLowering& node, std::string_view name, Error error) {
  error.message = fmt::format("{}: attribute \"{}\": {}", node.path(), name, error.message);
  return tl::unexpected<Error>(std::move(error));
}

tl::unexpected<Error> fail_kind(const NodeLowering& node, std::string_view name,
                                const char* expected) {
  return node.malformed(fmt::format("attribute \"{}\" is not {}", name, expected));
}

}  // namespace

Result<std::int64_t> NodeLowering::read_int(std::string_view name, std::int64_t fallback) const {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* found, find_attribute(name));
  if (found == nullptr) return fallback;
  if (!found->has(attribute_field::kInt)) return fail_kind(*this, name, "an integer");
  auto value = found->read_int(attribute_field::kInt);
  return value ? value : in_attribute(*this, name, value.error());
}

Result<float> NodeLowering::read_float(std::string_view name, float fallback) const {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* found, find_attribute(name));
  if (found == nullptr) return fallback;
  if (!found->has(attribute_field::kFloat)) return fail_kind(*this, name, "a number");
  auto value = found->read_float(attribute_field::kFloat);
  return value ? value : in_attribute(*this, name, value.error());
}

Result<std::string> NodeLowering::read_text(std::string_view name,
                                            std::string_view fallback) const {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* found, find_attribute(name));
  if (found == nullptr) return std::string(fallback);
  if (!found->has(attribute_field::kString)) return fail_kind(*this, name, "a text");
  auto value = found->read_text(attribute_field::kString);
  return value ? value : in_attribute(*this, name, value.error());
}

Result<std::vector<std::int64_t>> read_attribute_ints(const ProtobufMessage& message) {
  return message.read_ints(attribute_field::kInts);
}

Result<std::optional<std::vector<std::int64_t>>> NodeLowering::read_ints(
    std::string_view name) const {
  std::optional<std::vector<std::int64_t>> values;
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* found, find_attribute(name));
  if (found == nullptr) return values;
  auto read = found->read_ints(attribute_field::kInts);
  if (!read) return in_attribute(*this, name, read.error());
  values = std::move(*read);
  return values;
}

Result<std::vector<float>> NodeLowering::read_floats(std::string_view name) const {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* found, find_attribute(name));
  if (found == nullptr) return std::vector<float>();
  auto read = found->read_floats(attribute_field::kFloats);
  return read ? std::move(read) : in_attribute(*this, name, read.error());
}

Result<std::vector<std::string>> NodeLowering::read_texts(std::string_view name) const {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* found, find_attribute(name));
  if (found == nullptr) return std::vector<std::string>();
  auto read = found->read_texts(attribute_field::kStrings);
  return read ? std::move(read) : in_attribute(*this, name, read.error());
}

Result<int> NodeLowering::check_axis(std::int64_t axis, std::size_t rank) const {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis >= -count && axis < count) return static_cast<int>(axis < 0 ? axis + count : axis);
  return malformed(
      fmt::format("{} names axis {} of a tensor of {} axes", full_name_of(node_), axis, rank));
}

Result<Value> NodeLowering::binary(BinaryKind kind, Value& a, Value& b) {
  const bool is_left = is_real(a.dtype) || !is_real(b.dtype);
  return apply(Binary{kind, FusedActivation::None, true}, {&a, &b}, is_left ? a.dtype : b.dtype);
}

Result<Value> NodeLowering::binary(BinaryKind kind, Value& a, double b) {
  Value number = make_known({}, {b}, a.dtype);
  return binary(kind, a, number);
}

Result<Value> NodeLowering::unary(UnaryKind kind, Value& x, float alpha, float beta) {
  return apply(Unary{kind, alpha, beta}, x);
}

void NodeLowering::set_output(std::size_t k, Value value) {
  if (k >= node_.outputs.size() || node_.outputs[k].empty()) return;
  value.name = node_.outputs[k];
  if (value.id != kNoTensor && !lowering_.graph.nodes.empty()) {
    // The last step of a node writes the tensor with the node's output name.
    Tensor& tensor = lowering_.graph.tensors[static_cast<std::size_t>(value.id)];
    const Node& last = lowering_.graph.nodes.back();
    const bool is_own = std::ranges::find(last.outputs, value.id) != last.outputs.end();
    if (is_own) tensor.name = scope_.path + node_.outputs[k];
  }
  scope_.values[node_.outputs[k]] = &lowering_.values.emplace_back(std::move(value));
}

Result<void> NodeLowering::finish(Result<Value> value) {
  if (!value) return tl::unexpected<Error>(std::move(value).error());
  set_output(0, std::move(*value));
  return {};
}

Result<void> NodeLowering::finish(Op op, const std::vector<Value*>& operands, DataType dtype) {
  return finish(apply(std::move(op), operands, dtype));
}

Result<void> NodeLowering::forward(const Value& value) {
  set_output(0, value);
  return {};
}

Value NodeLowering::add_stored(StoredConstant constant) {
  Value value;
  value.dtype = constant.code ? DataType::Float : constant.dtype;
  value.shape = constant.shape;
  value.stored = lowering_.constants.size();
  lowering_.constants.push_back(std::move(constant));
  return value;
}

namespace {

/// The role of a constant in an operator that is not run, guessed from the operator's name.
Use use_of_unknown(const std::string& op, const Value& value) {
  const bool multiplies = op.find("Conv") != std::string::npos ||
                          op.find("MatMul") != std::string::npos || op == "Gemm" ||
                          op == "Einsum" || op == "LSTM" || op == "GRU" || op == "RNN";
  const std::size_t rank = value.shape ? value.shape->size() : 0;
  if (!multiplies || rank < 2) return {};
  const bool is_product = op.find("MatMul") != std::string::npos;
  return {WeightRole::Kernel, is_product ? static_cast<int>(rank) - 1 : 0};
}

}  // namespace

Result<void> NodeLowering::refuse(std::string why) {
  std::vector<TensorId> inputs;
  bool needs_size = false;
  constexpr std::int64_t kLeastElements = 64;  // `compress` makes no smaller weight smaller
  for (std::size_t i = 0; i < input_count(); ++i) {
    if (!has_input(i)) continue;
    Value& value = input(i);
    TensorId id = value.id;
    const bool is_carried = value.stored && value.shape &&
                            element_count(*value.shape).value_or(0) >= kLeastElements &&
                            (lowering_.constants[*value.stored].code ||
                             is_weight_type(lowering_.constants[*value.stored].dtype));
    if (id == kNoTensor && is_carried) {
      VP_ASSIGN_OR_RETURN(id, tensor_of(value, use_of_unknown(node_.op, value)));
    }
    if (id != kNoTensor) inputs.push_back(id);
    needs_size = needs_size || value.needs_input_size;
  }
  Node node = make_node(Unsupported{std::move(why)}, std::move(inputs));
  std::vector<std::pair<std::size_t, Value>> results;
  for (std::size_t k = 0; k < node_.outputs.size(); ++k) {
    if (node_.outputs[k].empty()) continue;
    Value value;
    value.needs_input_size = needs_size;
    value.id = add_tensor(std::nullopt, DataType::Float);
    node.outputs.push_back(value.id);
    results.emplace_back(k, std::move(value));
  }
  lowering_.graph.nodes.push_back(std::move(node));
  for (auto& [k, value] : results) set_output(k, std::move(value));
  return {};
}

Result<void> NodeLowering::refuse_computed(std::size_t i, std::string why) {
  if (!has_input(i) || !input(i).needs_input_size) return refuse(std::move(why));
  return refuse("its size depends on the input's, which the file leaves open: --input-size WxH");
}

}  // namespace visionpress::onnx
