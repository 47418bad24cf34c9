#include "base/error.h"
#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

bool is_kernel(const Op& op, std::size_t slot) {
  return slot == 1 &&
         (std::holds_alternative<Conv2d>(op) || std::holds_alternative<FullyConnected>(op));
}

/// Makes a new weight for a tensor that views another tensor's elements in another shape.
Result<void> settle_view(OwnedGraph& owned, TensorId id) {
  const Shape shape = owned.graph.tensor(id).shape;
  Weight weight = owned.graph.weights[*owned.graph.tensor(id).weight];
  if (element_count(shape) != element_count(weight.stored.shape)) {
    return fail(ErrorKind::Internal, "{}: {} elements shown as {}", weight.path,
                to_string(weight.stored.shape), to_string(shape));
  }
  if (weight.stored.code.encoding != Encoding::Float32) {
    VP_ASSIGN_OR_RETURN(const std::vector<float> values, GraphEditor(owned).load_values(id));
    const Bytes bytes = std::as_bytes(std::span(values));
    weight.stored.payload = owned.keep(ByteBuffer(bytes.begin(), bytes.end()));
    weight.stored.code = WeightCode{};
    weight.stored.packing = Packing::Whole;
  }
  weight.channel_axis = find_same_axis(weight.stored.shape, weight.channel_axis, shape);
  weight.stored.shape = shape;
  owned.graph.tensors[static_cast<std::size_t>(id)].weight = owned.graph.weights.size();
  owned.graph.weights.push_back(std::move(weight));
  return {};
}

}  // namespace

Result<void> settle_constants(OwnedGraph& owned) {
  for (std::size_t t = 0; t < owned.graph.tensors.size(); ++t) {
    const Tensor& tensor = owned.graph.tensors[t];
    if (!tensor.weight || tensor.shape == owned.graph.weights[*tensor.weight].stored.shape)
      continue;
    VP_RETURN_IF_ERROR(settle_view(owned, static_cast<TensorId>(t)));
  }
  for (Node& node : owned.graph.nodes) {
    for (std::size_t slot = 0; slot < node.inputs.size(); ++slot) {
      if (!is_kernel(node.op, slot) || node.inputs[slot] == kNoTensor) continue;
      // A copy, because adding a weight may reallocate the tensors.
      const Tensor tensor = owned.graph.tensor(node.inputs[slot]);
      if (tensor.literal.empty()) continue;
      node.inputs[slot] =
          owned.add_floats(tensor.name, tensor.shape, tensor.literal, WeightRole::Kernel);
    }
  }
  return {};
}

}  // namespace visionpress
