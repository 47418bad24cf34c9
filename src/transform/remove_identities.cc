#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

/// Lets the node before the Identity write the graph output under the Identity's name, and rewires
/// its other readers.
void rename_result(GraphEditor& editor, std::size_t writer, std::size_t copy) {
  const TensorId before = editor.node(copy).inputs[0];
  const TensorId after = editor.node(copy).outputs[0];
  std::size_t slot = 0;
  while (editor.node(writer).outputs[slot] != before) ++slot;
  editor.remove(copy);
  editor.replace_uses(before, after);
  editor.node(writer).outputs[slot] = after;
}

bool is_input(GraphEditor& editor, TensorId id) {
  for (const TensorId input : editor.graph().inputs) {
    if (input == id) return true;
  }
  return false;
}

}  // namespace

void remove_identities(OwnedGraph& owned) {
  // Each change replaces the writer of a tensor, so a new editor is built. Graphs have few outputs
  // behind an Identity, so this costs little.
  for (bool changed = true; changed;) {
    changed = false;
    GraphEditor editor(owned);
    for (std::size_t n = 0; n < editor.node_count() && !changed; ++n) {
      const Node& node = editor.node(n);
      if (!std::holds_alternative<Identity>(node.op) || node.inputs.size() != 1 ||
          node.outputs.size() != 1 || node.inputs[0] == kNoTensor) {
        continue;
      }
      const TensorId before = node.inputs[0];
      const TensorId after = node.outputs[0];
      if (editor.tensor(before).dtype != editor.tensor(after).dtype) continue;
      if (!editor.is_output(after)) {
        editor.remove(n);
        editor.replace_uses(after, before);
        continue;
      }
      const std::size_t writer = editor.writer_of(before);
      if (writer == GraphEditor::kNoNode || editor.is_output(before) || is_input(editor, before))
        continue;
      rename_result(editor, writer, n);
      changed = true;
    }
    editor.finish();
  }
}

}  // namespace visionpress
