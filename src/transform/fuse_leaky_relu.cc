#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

bool is_plain(const Node& node, BinaryKind kind) {
  const auto* binary = std::get_if<Binary>(&node.op);
  return binary != nullptr && binary->kind == kind && node.inputs.size() == 2 &&
         binary->activation == FusedActivation::None && node.inputs[0] != kNoTensor &&
         node.inputs[1] != kNoTensor;
}

/// The slope, if `scaled` is slope * x and nothing else reads it.
std::optional<float> find_slope(GraphEditor& editor, TensorId x, TensorId scaled) {
  const std::size_t writer = editor.sole_writer(scaled);
  if (writer == GraphEditor::kNoNode) return std::nullopt;
  const Node& multiply = editor.node(writer);
  if (!is_plain(multiply, BinaryKind::Multiply)) return std::nullopt;
  for (std::size_t slot = 0; slot < 2; ++slot) {
    if (multiply.inputs[slot] != x) continue;
    const auto slope = editor.find_scalar(multiply.inputs[1 - slot]);
    // A scalar with more axes than x would give the product more axes.
    const bool same_rank =
        editor.tensor(multiply.inputs[1 - slot]).shape.size() <= editor.tensor(x).shape.size();
    if (slope && same_rank && *slope >= 0.0F && *slope <= 1.0F) return slope;
  }
  return std::nullopt;
}

}  // namespace

void fuse_leaky_relu(OwnedGraph& owned) {
  GraphEditor editor(owned);
  for (std::size_t n = 0; n < editor.node_count(); ++n) {
    if (!is_plain(editor.node(n), BinaryKind::Maximum)) continue;
    for (std::size_t slot = 0; slot < 2; ++slot) {
      const TensorId x = editor.node(n).inputs[slot];
      const TensorId scaled = editor.node(n).inputs[1 - slot];
      const auto slope = find_slope(editor, x, scaled);
      if (!slope) continue;
      const std::size_t multiply = editor.writer_of(scaled);
      Node& node = editor.node(n);
      editor.set_input(n, 1 - slot, kNoTensor);
      node.inputs = {x};
      node.op = Unary{UnaryKind::LeakyRelu, *slope, 0.0F};
      editor.remove(multiply);
      break;
    }
  }
  editor.finish();
}

}  // namespace visionpress
