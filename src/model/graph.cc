#include "model/graph.h"

#include "base/error.h"

namespace visionpress {
namespace {

bool is_inside(const Graph& graph, TensorId id) {
  return id >= 0 && static_cast<std::size_t>(id) < graph.tensors.size();
}

Result<void> check_node(const Graph& graph, const Node& node, std::vector<bool>& written) {
  for (const TensorId id : node.inputs) {
    if (id == kNoTensor) continue;
    if (!is_inside(graph, id)) {
      return fail(ErrorKind::Malformed, "{}: input tensor {} of {}", node.path, id,
                  graph.tensors.size());
    }
    if (!written[static_cast<std::size_t>(id)]) {
      return fail(ErrorKind::Malformed,
                  "{}: reads \"{}\" before any layer writes it (missing, or a cycle)", node.path,
                  graph.tensor(id).name);
    }
  }
  for (const TensorId id : node.outputs) {
    if (!is_inside(graph, id)) {
      return fail(ErrorKind::Malformed, "{}: output tensor {} of {}", node.path, id,
                  graph.tensors.size());
    }
    written[static_cast<std::size_t>(id)] = true;
  }
  return {};
}

}  // namespace

bool is_inner_step(const Graph& graph, std::size_t node) {
  if (node + 1 >= graph.nodes.size() || graph.nodes[node].path.empty()) return false;
  const bool is_refused = std::holds_alternative<Unsupported>(graph.nodes[node].op);
  return !is_refused && graph.nodes[node].path == graph.nodes[node + 1].path;
}

std::size_t count_layers(const Graph& graph) {
  std::size_t count = 0;
  for (std::size_t node = 0; node < graph.nodes.size(); ++node) {
    if (!is_inner_step(graph, node)) ++count;
  }
  return count;
}

Result<void> check_graph(const Graph& graph) {
  std::vector<bool> written(graph.tensors.size(), false);
  for (std::size_t i = 0; i < graph.tensors.size(); ++i)
    written[i] = graph.tensors[i].is_constant();
  for (const TensorId id : graph.inputs) {
    if (!is_inside(graph, id)) return fail(ErrorKind::Malformed, "graph input {} is no tensor", id);
    written[static_cast<std::size_t>(id)] = true;
  }
  for (const Node& node : graph.nodes) VP_RETURN_IF_ERROR(check_node(graph, node, written));
  for (const TensorId id : graph.outputs) {
    if (!is_inside(graph, id) || !written[static_cast<std::size_t>(id)]) {
      return fail(ErrorKind::Malformed, "graph output \"{}\" is written by no layer",
                  is_inside(graph, id) ? graph.tensor(id).name : std::to_string(id));
    }
  }
  return {};
}

}  // namespace visionpress
