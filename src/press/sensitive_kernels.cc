#include "press/sensitive_kernels.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "model/kernel_axes.h"

namespace visionpress {
namespace {

/// From this number of bits on, these kernels lose no more than others.
constexpr int kEnoughBits = 6;
constexpr int kSafeBits = 8;

/// The weight that a node's layer has as its kernel.
std::optional<std::size_t> find_kernel_by_role(const Graph& graph, const Node& node) {
  for (const TensorId input : node.inputs) {
    if (input == kNoTensor) continue;
    const auto& weight = graph.tensor(input).weight;
    if (weight && graph.weights[*weight].role == WeightRole::Kernel) return weight;
  }
  return std::nullopt;
}

bool is_depthwise(const Node& node, const Shape& kernel) {
  const auto* conv = std::get_if<Conv2d>(&node.op);
  if (conv == nullptr || conv->groups == 1 || kernel.size() != 4) return false;
  return conv->groups == 0 ||
         kernel_sizes(kernel, conv->kernel_layout, conv->groups).in_per_group == 1;
}

/// For each tensor, whether a kernel lies before it. Nodes stand in an order in which they can run.
std::vector<bool> find_behind_kernels(const Graph& graph) {
  std::vector<bool> behind(graph.tensors.size(), false);
  for (const Node& node : graph.nodes) {
    const bool is_behind =
        find_kernel_by_role(graph, node) || std::ranges::any_of(node.inputs, [&](TensorId input) {
          return input != kNoTensor && behind[static_cast<std::size_t>(input)];
        });
    for (const TensorId output : node.outputs) {
      if (output != kNoTensor) behind[static_cast<std::size_t>(output)] = is_behind;
    }
  }
  return behind;
}

/// For each tensor, whether a kernel's layer reads it or what is made of it.
std::vector<bool> find_before_kernels(const Graph& graph) {
  std::vector<bool> before(graph.tensors.size(), false);
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool is_before = find_kernel_by_role(graph, *node) ||
                           std::ranges::any_of(node->outputs, [&](TensorId output) {
                             return output != kNoTensor && before[static_cast<std::size_t>(output)];
                           });
    if (!is_before) continue;
    for (const TensorId input : node->inputs) {
      if (input != kNoTensor) before[static_cast<std::size_t>(input)] = true;
    }
  }
  return before;
}

}  // namespace

std::vector<std::string> find_sensitive_kernels(const Graph& graph) {
  const std::vector<bool> behind = find_behind_kernels(graph);
  const std::vector<bool> before = find_before_kernels(graph);
  std::vector<std::string> reasons(graph.weights.size());
  const auto is_any = [](const std::vector<TensorId>& tensors, const std::vector<bool>& marks) {
    return std::ranges::any_of(tensors, [&](TensorId tensor) {
      return tensor != kNoTensor && marks[static_cast<std::size_t>(tensor)];
    });
  };
  for (const Node& node : graph.nodes) {
    const auto kernel = find_kernel_by_role(graph, node);
    if (!kernel || !reasons[*kernel].empty()) continue;
    if (is_depthwise(node, graph.weights[*kernel].stored.shape)) {
      reasons[*kernel] = "depthwise kernel";
    } else if (!is_any(node.inputs, behind)) {
      reasons[*kernel] = "first layer";
    } else if (!is_any(node.outputs, before)) {
      reasons[*kernel] = "last layer";
    }
  }
  return reasons;
}

Form widen_form(const Form& wish) {
  const bool has_codes = wish.encoding == Encoding::Linear || wish.encoding == Encoding::Table;
  Form form = wish;
  if (has_codes && wish.bits < kEnoughBits) form.bits = kSafeBits;
  return form;
}

}  // namespace visionpress
