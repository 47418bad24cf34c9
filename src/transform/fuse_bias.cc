#include "base/error.h"
#include "model/kernel_axes.h"
#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

bool is_activated(const Op& op) {
  if (const auto* conv = std::get_if<Conv2d>(&op)) return conv->activation != FusedActivation::None;
  if (const auto* connected = std::get_if<FullyConnected>(&op))
    return connected->activation != FusedActivation::None;
  return true;
}

bool is_matrix_or_conv(const Op& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<FullyConnected>(op);
}

/// Adds one constant per channel to the node's bias, and makes the bias if there is none.
Result<void> add_to_bias(GraphEditor& editor, std::size_t index, TensorId constant,
                         const std::vector<float>& added) {
  Node& node = editor.node(index);
  const std::string name = editor.tensor(constant).name;
  const Shape shape = {static_cast<std::int64_t>(added.size())};
  if (node.inputs.size() < 3) {
    if (editor.tensor(constant).shape == shape) {
      editor.add_input(index, constant);
      if (const auto& weight = editor.tensor(constant).weight)
        editor.graph().weights[*weight].role = WeightRole::Bias;
      return {};
    }
    editor.add_input(index, editor.owned().add_floats(name, shape, added, WeightRole::Bias));
    return {};
  }
  VP_ASSIGN_OR_RETURN(std::vector<float> sum, editor.load_values(node.inputs[2]));
  for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += added[c];
  editor.set_input(index, 2, editor.owned().add_floats(name, shape, sum, WeightRole::Bias));
  return {};
}

}  // namespace

Result<void> fuse_bias(OwnedGraph& owned) {
  GraphEditor editor(owned);
  for (std::size_t n = 0; n < editor.node_count(); ++n) {
    const auto* add = std::get_if<Binary>(&editor.node(n).op);
    if (add == nullptr || add->kind != BinaryKind::Add || editor.node(n).inputs.size() != 2)
      continue;
    for (std::size_t slot = 0; slot < 2; ++slot) {
      const TensorId x = editor.node(n).inputs[slot];
      const TensorId constant = editor.node(n).inputs[1 - slot];
      const std::size_t before = editor.sole_writer(x);
      if (before == GraphEditor::kNoNode || !is_matrix_or_conv(editor.node(before).op) ||
          is_activated(editor.node(before).op) || !editor.is_constant(constant)) {
        continue;
      }
      const Node& target = editor.node(before);
      if (target.inputs.size() > 2 &&
          (target.inputs[2] == kNoTensor || !editor.is_constant(target.inputs[2])))
        continue;
      const auto layout = find_output_channels(target.op, editor.tensor(target.inputs[1]).shape);
      // A constant with more axes than the result would give the sum more axes.
      if (!layout || editor.tensor(constant).shape.size() > editor.tensor(x).shape.size()) {
        continue;
      }
      const auto values =
          editor.find_channel_values(constant, static_cast<std::int64_t>(layout->channels));
      if (!values) continue;
      const FusedActivation activation = add->activation;
      VP_RETURN_IF_ERROR(add_to_bias(editor, before, constant, *values));
      editor.absorb(before, n);
      if (auto* conv = std::get_if<Conv2d>(&editor.node(before).op)) conv->activation = activation;
      if (auto* connected = std::get_if<FullyConnected>(&editor.node(before).op))
        connected->activation = activation;
      break;
    }
  }
  editor.finish();
  return {};
}

}  // namespace visionpress
