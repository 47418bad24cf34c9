#include "transform/graph_editor.h"

#include <algorithm>
#include <utility>

#include "run/operator.h"

namespace visionpress {

GraphEditor::GraphEditor(OwnedGraph& owned)
    : owned_(owned),
      removed_(owned.graph.nodes.size(), false),
      writers_(owned.graph.tensors.size(), kNoNode),
      uses_(owned.graph.tensors.size(), 0) {
  for (std::size_t n = 0; n < removed_.size(); ++n) {
    for (const TensorId id : node(n).outputs) writers_[static_cast<std::size_t>(id)] = n;
    for (const TensorId id : node(n).inputs) count(id, 1);
  }
  for (const TensorId id : owned.graph.outputs) count(id, 1);
}

void GraphEditor::count(TensorId id, std::ptrdiff_t by) {
  if (id == kNoTensor) return;
  const auto index = static_cast<std::size_t>(id);
  if (index >= uses_.size()) uses_.resize(index + 1, 0);
  uses_[index] += static_cast<std::size_t>(by);
}

std::size_t GraphEditor::writer_of(TensorId id) const {
  const auto index = static_cast<std::size_t>(id);
  return id == kNoTensor || index >= writers_.size() ? kNoNode : writers_[index];
}

std::size_t GraphEditor::use_count(TensorId id) const {
  const auto index = static_cast<std::size_t>(id);
  return id == kNoTensor || index >= uses_.size() ? 0 : uses_[index];
}

std::size_t GraphEditor::sole_writer(TensorId id) const {
  return use_count(id) == 1 && !is_output(id) ? writer_of(id) : kNoNode;
}

bool GraphEditor::is_output(TensorId id) const {
  const auto& outputs = owned_.graph.outputs;
  return std::find(outputs.begin(), outputs.end(), id) != outputs.end();
}

bool GraphEditor::is_constant(TensorId id) const {
  return id != kNoTensor && tensor(id).is_constant();
}

void GraphEditor::remove(std::size_t index) {
  removed_[index] = true;
  for (const TensorId id : node(index).inputs) count(id, -1);
  for (const TensorId id : node(index).outputs) {
    auto& writer = writers_[static_cast<std::size_t>(id)];
    if (writer == index) writer = kNoNode;
  }
}

void GraphEditor::set_input(std::size_t index, std::size_t slot, TensorId id) {
  TensorId& input = node(index).inputs[slot];
  count(input, -1);
  input = id;
  count(id, 1);
}

void GraphEditor::add_input(std::size_t index, TensorId id) {
  node(index).inputs.push_back(id);
  count(id, 1);
}

void GraphEditor::absorb(std::size_t earlier, std::size_t later) {
  const TensorId result = node(later).outputs[0];
  writers_[static_cast<std::size_t>(node(earlier).outputs[0])] = kNoNode;
  remove(later);
  node(earlier).outputs[0] = result;
  writers_[static_cast<std::size_t>(result)] = earlier;
}

void GraphEditor::replace_uses(TensorId from, TensorId to) {
  for (std::size_t n = 0; n < node_count(); ++n) {
    if (is_removed(n)) continue;
    for (std::size_t slot = 0; slot < node(n).inputs.size(); ++slot) {
      if (node(n).inputs[slot] == from) set_input(n, slot, to);
    }
  }
}

Result<std::vector<float>> GraphEditor::load_values(TensorId id) const {
  const Tensor& constant = tensor(id);
  const Weight* weight = constant.weight ? &owned_.graph.weights[*constant.weight] : nullptr;
  return load_constant({constant.shape, &constant, weight});
}

std::optional<float> GraphEditor::find_scalar(TensorId id) const {
  if (!is_constant(id) || element_count(tensor(id).shape) != 1) return std::nullopt;
  const auto values = load_values(id);
  if (!values || values->size() != 1) return std::nullopt;
  return values->front();
}

std::optional<std::vector<float>> GraphEditor::find_channel_values(TensorId id,
                                                                   std::int64_t channels) const {
  if (!is_constant(id) || channels <= 0) return std::nullopt;
  const Shape& shape = tensor(id).shape;
  const auto count = element_count(shape);
  const bool is_vector = count == channels && !shape.empty() && shape.back() == channels;
  if (!is_vector && count != 1) return std::nullopt;
  auto values = load_values(id);
  if (!values || static_cast<std::int64_t>(values->size()) != *count) return std::nullopt;
  if (*count == 1) values->assign(static_cast<std::size_t>(channels), values->front());
  return std::move(*values);
}

void GraphEditor::finish() {
  std::vector<Node> kept;
  for (std::size_t n = 0; n < node_count(); ++n) {
    if (!is_removed(n)) kept.push_back(std::move(node(n)));
  }
  owned_.graph.nodes = std::move(kept);
  removed_.assign(owned_.graph.nodes.size(), false);
}

}  // namespace visionpress
