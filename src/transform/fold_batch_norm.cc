#include <cmath>

#include "base/error.h"
#include "model/kernel_axes.h"
#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

/// y = scale * x + shift, with one scale and one shift per channel.
struct Affine {
  std::vector<float> scale = {};
  std::vector<float> shift = {};  ///< empty: 0
};

Result<std::vector<float>> load_parameter(const GraphEditor& editor, const Node& node,
                                          std::size_t slot, std::size_t channels) {
  if (slot >= node.inputs.size() || !editor.is_constant(node.inputs[slot])) {
    return fail(ErrorKind::Unsupported, "{}: its parameter {} is computed", node.path, slot);
  }
  VP_ASSIGN_OR_RETURN(std::vector<float> values, editor.load_values(node.inputs[slot]));
  if (values.size() != channels) {
    return fail(ErrorKind::Malformed, "{}: parameter {} has {} values for {} channels", node.path,
                slot, values.size(), channels);
  }
  return values;
}

/// Computes gamma * (x - mean) / sqrt(variance + epsilon) + beta as one affine step, in double,
/// rounded once.
Result<Affine> load_batch_norm(const GraphEditor& editor, const Node& node, float epsilon) {
  if (node.inputs.size() != 5 || !editor.is_constant(node.inputs[1])) {
    return fail(ErrorKind::Unsupported, "{}: its parameters are computed", node.path);
  }
  VP_ASSIGN_OR_RETURN(const std::vector<float> gamma, editor.load_values(node.inputs[1]));
  VP_ASSIGN_OR_RETURN(const auto beta, load_parameter(editor, node, 2, gamma.size()));
  VP_ASSIGN_OR_RETURN(const auto mean, load_parameter(editor, node, 3, gamma.size()));
  VP_ASSIGN_OR_RETURN(const auto variance, load_parameter(editor, node, 4, gamma.size()));
  Affine affine;
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    const double scale = double{gamma[c]} / std::sqrt(double{variance[c]} + double{epsilon});
    affine.scale.push_back(static_cast<float>(scale));
    affine.shift.push_back(static_cast<float>(double{beta[c]} - double{mean[c]} * scale));
  }
  return affine;
}

/// The node that can absorb one scale per channel: a convolution or matrix product whose result
/// nothing else reads.
std::size_t find_target(GraphEditor& editor, TensorId x, std::size_t channels) {
  const std::size_t before = editor.sole_writer(x);
  if (before == GraphEditor::kNoNode) return before;
  const Node& node = editor.node(before);
  const auto* conv = std::get_if<Conv2d>(&node.op);
  const auto* connected = std::get_if<FullyConnected>(&node.op);
  const bool plain = (conv != nullptr && conv->activation == FusedActivation::None) ||
                     (connected != nullptr && connected->activation == FusedActivation::None);
  if (!plain || node.inputs.size() < 2 || !editor.is_constant(node.inputs[1]) ||
      !editor.tensor(node.inputs[1]).weight) {
    return GraphEditor::kNoNode;
  }
  if (node.inputs.size() > 2 && node.inputs[2] != kNoTensor && !editor.is_constant(node.inputs[2]))
    return GraphEditor::kNoNode;
  const auto layout = find_output_channels(node.op, editor.tensor(node.inputs[1]).shape);
  return layout && layout->channels == channels ? before : GraphEditor::kNoNode;
}

Result<void> fold_into(GraphEditor& editor, std::size_t index, const Affine& affine) {
  const TensorId kernel = editor.node(index).inputs[1];
  const Shape shape = editor.tensor(kernel).shape;
  const auto layout = find_output_channels(editor.node(index).op, shape);
  if (!layout) return fail(ErrorKind::Internal, "{}: no channels", editor.node(index).path);
  VP_ASSIGN_OR_RETURN(std::vector<float> weights, editor.load_values(kernel));
  for (std::size_t o = 0; o < layout->outer; ++o) {
    for (std::size_t c = 0; c < layout->channels; ++c) {
      float* at = weights.data() + (o * layout->channels + c) * layout->inner;
      for (std::size_t i = 0; i < layout->inner; ++i) at[i] *= affine.scale[c];
    }
  }
  const std::string kernel_name = editor.tensor(kernel).name;
  editor.set_input(index, 1,
                   editor.owned().add_floats(kernel_name, shape, weights, WeightRole::Kernel));
  const bool has_bias =
      editor.node(index).inputs.size() > 2 && editor.node(index).inputs[2] != kNoTensor;
  if (!has_bias && affine.shift.empty()) return {};
  std::vector<float> bias(layout->channels, 0.0F);
  if (has_bias) {
    VP_ASSIGN_OR_RETURN(bias, editor.load_values(editor.node(index).inputs[2]));
  }
  for (std::size_t c = 0; c < bias.size(); ++c) {
    bias[c] = bias[c] * affine.scale[c] + (affine.shift.empty() ? 0.0F : affine.shift[c]);
  }
  const TensorId id =
      editor.owned().add_floats(editor.node(index).name + "/bias",
                                {static_cast<std::int64_t>(bias.size())}, bias, WeightRole::Bias);
  if (editor.node(index).inputs.size() > 2) {
    editor.set_input(index, 2, id);
  } else {
    editor.add_input(index, id);
  }
  return {};
}

/// The other operand of a Multiply by x, where it is one constant per channel of the last axis.
std::optional<Affine> find_product(GraphEditor& editor, std::size_t index, TensorId& x) {
  const Node& node = editor.node(index);
  const auto* multiply = std::get_if<Binary>(&node.op);
  if (multiply == nullptr || multiply->kind != BinaryKind::Multiply || node.inputs.size() != 2 ||
      multiply->activation != FusedActivation::None)
    return std::nullopt;
  for (std::size_t slot = 0; slot < 2; ++slot) {
    const TensorId constant = node.inputs[1 - slot];
    if (!editor.is_constant(constant) || editor.is_constant(node.inputs[slot])) continue;
    x = node.inputs[slot];
    const Shape& shape = editor.tensor(x).shape;
    // A single number may be the slope of max(x, a * x), which fuse_leaky_relu needs; a vector is a
    // scale.
    if (shape.empty() || element_count(editor.tensor(constant).shape) == 1 ||
        editor.tensor(constant).shape.size() > shape.size())
      continue;
    auto values = editor.find_channel_values(constant, shape.back());
    if (values) return Affine{std::move(*values), {}};
  }
  return std::nullopt;
}

/// Replaces a batch normalization that cannot be folded by two nodes: x * scale + shift.
void split_batch_norm(GraphEditor& editor, std::size_t index, const Affine& affine,
                      std::vector<Node>& added) {
  Node& node = editor.node(index);
  const Shape shape = {static_cast<std::int64_t>(affine.scale.size())};
  OwnedGraph& owned = editor.owned();
  const TensorId scale =
      owned.add_floats(node.name + "/scale", shape, affine.scale, WeightRole::Vector);
  const TensorId shift =
      owned.add_floats(node.name + "/shift", shape, affine.shift, WeightRole::Vector);
  Tensor product = editor.tensor(node.outputs[0]);
  product.name = node.name + "/product";
  const TensorId product_id = owned.graph.add_tensor(std::move(product));
  Node multiply = node;
  multiply.op = Binary{BinaryKind::Multiply, FusedActivation::None};
  multiply.inputs = {node.inputs[0], scale};
  multiply.outputs = {product_id};
  node.op = Binary{BinaryKind::Add, FusedActivation::None};
  node.inputs = {product_id, shift};
  added.push_back(std::move(multiply));
}

}  // namespace

Result<void> fold_batch_norm(OwnedGraph& owned) {
  GraphEditor editor(owned);
  std::vector<std::vector<Node>> before(
      editor.node_count());  // the nodes to insert before each node
  for (std::size_t n = 0; n < editor.node_count(); ++n) {
    TensorId x = kNoTensor;
    Affine affine;
    const auto* norm = std::get_if<BatchNorm>(&editor.node(n).op);
    if (norm != nullptr) {
      VP_ASSIGN_OR_RETURN(affine, load_batch_norm(editor, editor.node(n), norm->epsilon));
      x = editor.node(n).inputs[0];
    } else if (auto product = find_product(editor, n, x)) {
      affine = std::move(*product);
    } else {
      continue;
    }
    const std::size_t target = find_target(editor, x, affine.scale.size());
    if (target != GraphEditor::kNoNode) {
      VP_RETURN_IF_ERROR(fold_into(editor, target, affine));
      editor.absorb(target, n);
    } else if (norm != nullptr) {
      split_batch_norm(editor, n, affine, before[n]);
    }
  }
  std::vector<Node> nodes;
  for (std::size_t n = 0; n < before.size(); ++n) {
    if (editor.is_removed(n)) continue;
    for (Node& node : before[n]) nodes.push_back(std::move(node));
    nodes.push_back(std::move(editor.node(n)));
  }
  owned.graph.nodes = std::move(nodes);
  return {};
}

}  // namespace visionpress
