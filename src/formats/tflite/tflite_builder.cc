#include "formats/tflite/tflite_builder.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "formats/tflite/tflite_new_model.h"
#include "formats/tflite/tflite_node_builder.h"

namespace visionpress {
namespace {

/// Checks that all sizes are known and fit into 32 bits, as the file stores them.
Result<void> check_shape(const Tensor& tensor) {
  constexpr std::int64_t kLargest = (std::int64_t{1} << 31) - 1;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    const std::int64_t size = tensor.shape[axis];
    if (size > kLargest || size < -1 || (size < 0 && axis > 0)) {
      return fail(ErrorKind::Unsupported, "\"{}\" has shape {}, axis {} must be known", tensor.name,
                  to_string(tensor.shape), axis);
    }
  }
  return {};
}

/// Checks that a constant has the form that the passes produce.
Result<void> check_weight(const Tensor& tensor, const Weight& weight) {
  const auto count = element_count(weight.stored.shape);
  if (weight.stored.code.encoding != Encoding::Float32 || !count ||
      weight.stored.payload.size() != static_cast<std::size_t>(*count) * sizeof(float)) {
    return fail(ErrorKind::Internal, "{}: a new file takes float32 weights, this is not one",
                weight.path);
  }
  if (tensor.shape != weight.stored.shape) {
    return fail(ErrorKind::Internal, "{}: {} is read as {}, a new file holds one shape",
                weight.path, to_string(weight.stored.shape), to_string(tensor.shape));
  }
  return {};
}

Result<void> check_tensors(const Graph& graph) {
  std::vector<TensorId> used = graph.inputs;
  used.insert(used.end(), graph.outputs.begin(), graph.outputs.end());
  for (const Node& node : graph.nodes) {
    used.insert(used.end(), node.inputs.begin(), node.inputs.end());
    used.insert(used.end(), node.outputs.begin(), node.outputs.end());
  }
  for (const TensorId id : used) {
    if (id == kNoTensor) continue;
    const Tensor& tensor = graph.tensor(id);
    VP_RETURN_IF_ERROR(check_shape(tensor));
    if (tensor.weight) VP_RETURN_IF_ERROR(check_weight(tensor, graph.weights[*tensor.weight]));
  }
  return {};
}

}  // namespace

Result<FilePieces> build_tflite(const Graph& graph) {
  if (graph.layout != Layout::ChannelsLast) {
    return fail(ErrorKind::Unsupported,
                "its images are laid out channels first, TFLite wants channels last");
  }
  VP_RETURN_IF_ERROR(check_tensors(graph));
  tflite::NewModel model(graph);
  for (const TensorId id : graph.inputs) (void)model.file_tensor(id);
  std::string refused;
  for (const Node& node : graph.nodes) {
    if (const auto built = tflite::NodeBuilder(node, model).build(); !built) {
      if (built.error().kind != ErrorKind::Unsupported) {
        return fail(built.error().kind, "{}: {}", node.path, built.error().message);
      }
      refused += fmt::format("{}{} \"{}\" ({})", refused.empty() ? "" : ", ", node.source_type,
                             node.name, built.error().message);
    }
  }
  if (!refused.empty()) {
    return fail(ErrorKind::Unsupported, "TFLite has no operator for: {}", refused);
  }
  return model.finish();
}

}  // namespace visionpress
