#include "transform/prepare_tflite.h"

#include "base/error.h"
#include "lower/graph_shapes.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

Result<void> set_shapes(OwnedGraph& owned, const Shape& input_shape) {
  VP_ASSIGN_OR_RETURN(std::vector<Shape> shapes, infer_shapes(owned.graph, input_shape));
  for (std::size_t id = 0; id < shapes.size(); ++id) {
    Tensor& tensor = owned.graph.tensors[id];
    if (!tensor.is_constant()) tensor.shape = std::move(shapes[id]);
  }
  return {};
}

void open_batch(Graph& graph) {
  for (const std::vector<TensorId>* ids : {&graph.inputs, &graph.outputs}) {
    for (const TensorId id : *ids) {
      Tensor& tensor = graph.tensors[static_cast<std::size_t>(id)];
      if (!tensor.is_constant() && !tensor.shape.empty() && tensor.shape[0] == 1)
        tensor.shape[0] = -1;
    }
  }
}

}  // namespace

Result<OwnedGraph> prepare_for_tflite(const Graph& graph, const PrepareOptions& options) {
  OwnedGraph owned;
  owned.graph = graph;
  remove_dead_nodes(owned);
  VP_RETURN_IF_ERROR(set_shapes(owned, options.input_shape));
  VP_RETURN_IF_ERROR(settle_constants(owned));
  remove_identities(owned);
  VP_RETURN_IF_ERROR(fold_constants(owned));
  VP_RETURN_IF_ERROR(fold_batch_norm(owned));
  VP_RETURN_IF_ERROR(fuse_bias(owned));
  if (options.fuse_leaky_relu) fuse_leaky_relu(owned);
  fuse_activation(owned);
  fuse_padding(owned);
  remove_dead_nodes(owned);
  VP_RETURN_IF_ERROR(prepare_kernels(owned, options.threads));
  if (options.open_batch) open_batch(owned.graph);
  return owned;
}

}  // namespace visionpress
