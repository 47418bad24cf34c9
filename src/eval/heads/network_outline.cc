#include "eval/heads/network_outline.h"

#include <algorithm>
#include <variant>

namespace visionpress {
namespace {

bool only_moves_values(const Op& op) {
  return std::holds_alternative<Reshape>(op) || std::holds_alternative<Squeeze>(op) ||
         std::holds_alternative<ExpandDims>(op) || std::holds_alternative<Transpose>(op) ||
         std::holds_alternative<Identity>(op);
}

bool adds_bias(const Graph& graph, const Node& node) {
  const auto* binary = std::get_if<Binary>(&node.op);
  return binary != nullptr && binary->kind == BinaryKind::Add &&
         binary->activation == FusedActivation::None && node.inputs.size() == 2 &&
         graph.tensor(node.inputs[1]).is_constant();
}

/// Walks back from the output to its convolution.
bool ends_linearly(const Graph& graph, TensorId wanted) {
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (std::ranges::find(node->outputs, wanted) == node->outputs.end()) continue;
    if (const auto* conv = std::get_if<Conv2d>(&node->op)) {
      return conv->activation == FusedActivation::None;
    }
    if (!adds_bias(graph, *node) && !only_moves_values(node->op)) return false;
    wanted = node->inputs.front();
  }
  return false;
}

}  // namespace

NetworkOutline outline_network(const Graph& graph, std::span<const Shape> shapes,
                               std::size_t label_count) {
  NetworkOutline outline;
  outline.layout = graph.layout;
  outline.input_width = graph.input_info.width;
  outline.input_height = graph.input_info.height;
  outline.label_count = label_count;
  for (std::size_t i = 0; i < graph.outputs.size() && i < shapes.size(); ++i) {
    const TensorId id = graph.outputs[i];
    outline.outputs.push_back(
        {.name = graph.tensor(id).name, .shape = shapes[i], .is_linear = ends_linearly(graph, id)});
  }
  for (const Node& node : graph.nodes) {
    const auto* post = std::get_if<DetectionPostprocess>(&node.op);
    if (post != nullptr && node.outputs == graph.outputs)
      outline.postprocess_classes = static_cast<std::size_t>(post->classes);
  }
  return outline;
}

}  // namespace visionpress
