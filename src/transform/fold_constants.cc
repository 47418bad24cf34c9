#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "lower/fold.h"
#include "lower/known_values.h"
#include "lower/shape_rules.h"
#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

/// Results with more elements than this are not folded, because the file would grow by them.
constexpr std::size_t kMaxFolded = 1 << 20;

bool is_whole(DType dtype) {
  return dtype == DType::Int32 || dtype == DType::Int64 || dtype == DType::Bool;
}

/// Turns a tensor of the graph into a constant with these values.
void set_constant(OwnedGraph& owned, TensorId id, Shape shape, const std::vector<double>& values) {
  const DType dtype = owned.graph.tensor(id).dtype;
  const std::string name = owned.graph.tensor(id).name;
  if (!is_whole(dtype)) {
    const std::vector<float> floats(values.begin(), values.end());
    const TensorId made = owned.add_floats(name, shape, floats, WeightRole::Constant);
    Tensor& target = owned.graph.tensors[static_cast<std::size_t>(id)];
    target.weight = owned.graph.tensor(made).weight;
    target.shape = std::move(shape);
    target.dtype = DType::Float32;
    return;
  }
  const std::size_t width = element_bytes(dtype);
  ByteBuffer bytes(values.size() * width);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto whole = static_cast<std::int64_t>(std::llrint(values[i]));
    if (dtype == DType::Int64) store_le(MutableBytes(bytes), i * width, whole);
    if (dtype == DType::Int32)
      store_le(MutableBytes(bytes), i * width, static_cast<std::int32_t>(whole));
    if (dtype == DType::Bool) bytes[i] = values[i] != 0.0 ? std::byte{1} : std::byte{0};
  }
  Tensor& target = owned.graph.tensors[static_cast<std::size_t>(id)];
  target.constant = owned.keep(std::move(bytes));
  target.shape = std::move(shape);
}

/// Replaces ShapeOf by a constant where all sizes but the batch are known; the batch becomes 1.
bool fold_shape(OwnedGraph& owned, const Node& node) {
  std::vector<double> sizes;
  for (const std::int64_t size : owned.graph.tensor(node.inputs[0]).shape) {
    if (size < 0 && !sizes.empty()) return false;
    sizes.push_back(size < 0 ? 1.0 : static_cast<double>(size));
  }
  if (sizes.empty()) return false;
  set_constant(owned, node.outputs[0], {static_cast<std::int64_t>(sizes.size())}, sizes);
  return true;
}

bool reads_constants_alone(const GraphEditor& editor, const Node& node) {
  return !node.inputs.empty() && node.outputs.size() == 1 &&
         std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](TensorId id) { return id != kNoTensor && editor.is_constant(id); });
}

/// The shape of a node's one result; nothing if it has more than kMaxFolded elements.
std::optional<Shape> foldable_shape(GraphEditor& editor, const Node& node) {
  std::vector<RuleInput> inputs;
  for (const TensorId id : node.inputs)
    inputs.push_back({editor.tensor(id).shape, true, std::nullopt});
  const auto shapes = infer_results(node.op, {inputs, 1, editor.graph().layout, true});
  if (!shapes) return std::nullopt;
  const auto count = element_count(shapes->front());
  return count && *count <= static_cast<std::int64_t>(kMaxFolded) ? shapes->front()
                                                                  : std::optional<Shape>();
}

/// A constant's values for `fold`; nothing if one is NaN, because `fold` reads NaN as "not known".
Result<std::optional<std::vector<double>>> load_operand(const GraphEditor& editor, TensorId id) {
  std::optional<std::vector<double>> values;
  if (const auto whole = find_integers(editor.tensor(id), kMaxFolded)) {
    values.emplace(whole->begin(), whole->end());
    return values;
  }
  VP_ASSIGN_OR_RETURN(const std::vector<float> floats, editor.load_values(id));
  if (std::ranges::none_of(floats, [](float v) { return std::isnan(v); }))
    values.emplace(floats.begin(), floats.end());
  return values;
}

/// returns: false if `fold` cannot compute the node, which then stays for the runtime.
Result<bool> fold_node(GraphEditor& editor, const Node& node) {
  const auto shape = foldable_shape(editor, node);
  if (!shape) return false;
  std::vector<std::vector<double>> values;
  for (const TensorId id : node.inputs) {
    VP_ASSIGN_OR_RETURN(auto operand, load_operand(editor, id));
    if (!operand) return false;
    values.push_back(std::move(*operand));
  }
  std::vector<FoldOperand> operands;
  for (std::size_t i = 0; i < values.size(); ++i)
    operands.push_back({editor.tensor(node.inputs[i]).shape, values[i]});
  const TensorId result = node.outputs[0];
  // Floats of every width become float32 weights.
  const DType dtype = editor.tensor(result).dtype;
  const FoldType type = is_whole(dtype) ? fold_type_of(dtype) : FoldType{};
  const auto folded = fold(node.op, operands, *shape, type);
  if (!folded || std::ranges::any_of(*folded, [](double v) { return std::isnan(v); })) return false;
  set_constant(editor.owned(), result, *shape, *folded);
  return true;
}

}  // namespace

Result<void> fold_constants(OwnedGraph& owned) {
  GraphEditor editor(owned);
  for (std::size_t n = 0; n < editor.node_count(); ++n) {
    // A copy, because adding a constant may reallocate the graph's vectors.
    const Node node = editor.node(n);
    bool folded = false;
    if (std::holds_alternative<ShapeOf>(node.op) && !node.inputs.empty() &&
        node.inputs[0] != kNoTensor && node.outputs.size() == 1) {
      folded = fold_shape(owned, node);
    } else if (reads_constants_alone(editor, node)) {
      VP_ASSIGN_OR_RETURN(folded, fold_node(editor, node));
    }
    if (folded) editor.remove(n);
  }
  editor.finish();
  return {};
}

}  // namespace visionpress
