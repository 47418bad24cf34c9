#include <vector>

#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {

void remove_dead_nodes(OwnedGraph& owned) {
  GraphEditor editor(owned);
  std::vector<bool> needed(owned.graph.tensors.size(), false);
  for (const TensorId id : owned.graph.outputs) needed[static_cast<std::size_t>(id)] = true;
  for (std::size_t n = editor.node_count(); n-- > 0;) {
    bool alive = false;
    for (const TensorId id : editor.node(n).outputs) {
      alive = alive || needed[static_cast<std::size_t>(id)];
    }
    if (!alive) {
      editor.remove(n);
      continue;
    }
    for (const TensorId id : editor.node(n).inputs) {
      if (id != kNoTensor) needed[static_cast<std::size_t>(id)] = true;
    }
  }
  editor.finish();
}

}  // namespace visionpress
