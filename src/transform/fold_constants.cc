#include <algorithm>
#include <cmath>
#include <map>

#include "base/bytes.h"
#include "base/error.h"
#include "run/executor.h"
#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

/// Elements of a result beyond this many stay computed: the file would grow by them.
constexpr std::int64_t kMaxFolded = 1 << 20;

/// One node with the constants it reads; the first of them is the input of the run.
Graph make_part(const Graph& whole, const Node& node) {
  Graph part;
  part.format = whole.format;
  part.layout = whole.layout;
  std::map<TensorId, TensorId> copied;
  Node copy = node;
  for (std::size_t slot = 0; slot < node.inputs.size(); ++slot) {
    const TensorId id = node.inputs[slot];
    if (id == kNoTensor) continue;
    Tensor tensor = whole.tensor(id);
    if (slot == 0) {
      tensor.weight.reset();
      tensor.constant = {};
      tensor.literal.clear();
      copy.inputs[slot] = part.add_tensor(std::move(tensor));
      part.inputs = {copy.inputs[slot]};
      continue;
    }
    const auto [found, added] = copied.try_emplace(id, kNoTensor);
    if (added) {
      if (tensor.weight) {
        part.weights.push_back(whole.weights[*tensor.weight]);
        tensor.weight = part.weights.size() - 1;
      }
      found->second = part.add_tensor(std::move(tensor));
    }
    copy.inputs[slot] = found->second;
  }
  for (TensorId& id : copy.outputs) id = part.add_tensor(whole.tensor(id));
  part.outputs = copy.outputs;
  part.nodes = {std::move(copy)};
  return part;
}

/// Turns a tensor of the graph into a constant with these values.
void set_constant(OwnedGraph& owned, TensorId id, Shape shape, std::span<const float> values) {
  const DType dtype = owned.graph.tensor(id).dtype;
  const std::string name = owned.graph.tensor(id).name;
  if (dtype != DType::Int32 && dtype != DType::Int64 && dtype != DType::Bool) {
    const TensorId made = owned.add_floats(name, shape, values, WeightRole::Constant);
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
    if (dtype == DType::Bool) bytes[i] = values[i] != 0.0F ? std::byte{1} : std::byte{0};
  }
  Tensor& target = owned.graph.tensors[static_cast<std::size_t>(id)];
  target.constant = owned.keep(std::move(bytes));
  target.shape = std::move(shape);
}

/// The sizes of x as a constant, where they are known but for the batch, which is 1.
bool fold_shape(OwnedGraph& owned, const Node& node) {
  std::vector<float> sizes;
  for (const std::int64_t size : owned.graph.tensor(node.inputs[0]).shape) {
    if (size < 0 && !sizes.empty()) return false;
    sizes.push_back(size < 0 ? 1.0F : static_cast<float>(size));
  }
  if (sizes.empty()) return false;
  set_constant(owned, node.outputs[0], {static_cast<std::int64_t>(sizes.size())}, sizes);
  return true;
}

bool is_foldable(const GraphEditor& editor, const Node& node) {
  if (node.inputs.empty() || node.inputs[0] == kNoTensor ||
      std::holds_alternative<Unsupported>(node.op))
    return false;
  for (const TensorId id : node.outputs) {
    const auto count = element_count(editor.tensor(id).shape);
    if (!count || *count > kMaxFolded) return false;
  }
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](TensorId id) { return id == kNoTensor || editor.is_constant(id); });
}

/// Runs one node.
Result<void> fold_node(GraphEditor& editor, const Node& node) {
  const Graph part = make_part(editor.graph(), node);
  VP_ASSIGN_OR_RETURN(const std::vector<float> input, editor.load_values(node.inputs[0]));
  ExecutorOptions options;
  options.arithmetic = Arithmetic::Float;
  options.threads = 1;
  options.input_shape = editor.tensor(node.inputs[0]).shape;
  VP_ASSIGN_OR_RETURN(const Executor executor, Executor::create(part, options));
  VP_ASSIGN_OR_RETURN(Session session, executor.make_session());
  VP_RETURN_IF_ERROR(session.run(input));
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const OutputView& view = session.outputs()[i];
    set_constant(editor.owned(), node.outputs[i], view.shape, view.values);
  }
  return {};
}

}  // namespace

Result<void> fold_constants(OwnedGraph& owned) {
  GraphEditor editor(owned);
  for (std::size_t n = 0; n < editor.node_count(); ++n) {
    // A copy: constants that are added move the graph's vectors.
    const Node node = editor.node(n);
    bool folded = false;
    if (std::holds_alternative<ShapeOf>(node.op) && !node.inputs.empty() &&
        node.inputs[0] != kNoTensor && node.outputs.size() == 1) {
      folded = fold_shape(owned, node);
    } else if (is_foldable(editor, node)) {
      VP_RETURN_IF_ERROR(fold_node(editor, node));
      folded = true;
    }
    if (folded) editor.remove(n);
  }
  editor.finish();
  return {};
}

}  // namespace visionpress
