#include "lower/graph_shapes.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "lower/axis_order.h"
#include "lower/known_values.h"

namespace visionpress {
namespace {

/// The shapes found so far, by TensorId.
struct FoundShapes {
  std::vector<Shape> shapes = {};
  std::vector<bool> are_known = {};

  [[nodiscard]] bool knows(TensorId id) const {
    return id != kNoTensor && are_known[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] const Shape& at(TensorId id) const { return shapes[static_cast<std::size_t>(id)]; }
  void set(TensorId id, Shape shape) {
    shapes[static_cast<std::size_t>(id)] = std::move(shape);
    are_known[static_cast<std::size_t>(id)] = true;
  }
};

/// errors: Malformed for an absent operand; Internal for one that nothing has written.
Result<RuleInput> describe_value(const Graph& graph, const FoundShapes& found, TensorId id,
                                 std::size_t rank) {
  const Tensor& tensor = graph.tensor(id);
  RuleInput input = {{}, tensor.is_constant(), find_integers(tensor, kMostAxes)};
  if (found.knows(id)) {
    input.shape = found.at(id);
  } else if (tensor.is_constant()) {
    input.shape = constant_shape(tensor.shape, graph.layout, rank);
  } else {
    return fail(ErrorKind::Internal, "tensor {} has no values", id);
  }
  return input;
}

Result<void> add_node(const Graph& graph, const Node& node, FoundShapes& found) {
  std::size_t rank = 0;
  for (const TensorId id : node.inputs)
    if (found.knows(id)) rank = std::max(rank, found.at(id).size());
  std::vector<RuleInput> inputs;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const TensorId id = node.inputs[i];
    // Parameters keep the shape in which they are stored.
    if (i > 0 && takes_parameters(node.op)) {
      inputs.push_back(id == kNoTensor ? RuleInput{}
                                       : RuleInput{graph.tensor(id).shape,
                                                   graph.tensor(id).is_constant(), std::nullopt});
      continue;
    }
    if (id == kNoTensor) return fail(ErrorKind::Malformed, "input {} is absent", i);
    VP_ASSIGN_OR_RETURN(RuleInput input, describe_value(graph, found, id, rank));
    inputs.push_back(std::move(input));
  }
  // An open size may be 0 in the run, so a result without elements is not a fault of the file.
  const bool may_be_empty = std::any_of(
      inputs.begin(), inputs.end(), [](const RuleInput& input) { return is_open(input.shape); });
  const RuleContext context = {inputs, node.outputs.size(), graph.layout, may_be_empty};
  VP_ASSIGN_OR_RETURN(std::vector<Shape> results, infer_results(node.op, context));
  VP_RETURN_IF_ERROR(check_output_count(node.outputs.size(), results.size()));
  for (std::size_t i = 0; i < results.size(); ++i)
    found.set(node.outputs[i], std::move(results[i]));
  return {};
}

}  // namespace

bool takes_parameters(const Op& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<FullyConnected>(op) ||
         std::holds_alternative<BatchNorm>(op) || std::holds_alternative<InstanceNorm>(op) ||
         std::holds_alternative<Prelu>(op);
}

Shape constant_shape(const Shape& stored, Layout layout, std::size_t rank) {
  Shape shape = stored;
  const bool widens = layout == Layout::ChannelsFirst && rank == 4 && shape.size() < 4;
  if (widens) shape.insert(shape.begin(), 4 - shape.size(), 1);
  return shape;
}

tl::unexpected<Error> in_node(const Node& node, Error error) {
  error.message = fmt::format("{} ({}): {}", node.path, node.source_type, error.message);
  return tl::unexpected<Error>(std::move(error));
}

Result<void> check_output_count(std::size_t found, std::size_t results) {
  if (found == results) return {};
  return fail(ErrorKind::Malformed, "it has {} outputs, not {}", found, results);
}

Result<std::vector<Shape>> infer_shapes(const Graph& graph, const Shape& input_shape) {
  if (graph.inputs.size() != 1)
    return fail(ErrorKind::Unsupported, "it has {} inputs, not one", graph.inputs.size());
  FoundShapes found = {std::vector<Shape>(graph.tensors.size()),
                       std::vector<bool>(graph.tensors.size(), false)};
  found.set(graph.inputs[0], input_shape);
  for (const Node& node : graph.nodes) {
    auto added = add_node(graph, node, found);
    if (!added) return in_node(node, std::move(added).error());
  }
  // Callers get a constant in its own shape, even where a node saw it widened to four axes.
  for (std::size_t t = 0; t < graph.tensors.size(); ++t) {
    if (graph.tensors[t].is_constant()) found.shapes[t] = graph.tensors[t].shape;
  }
  return std::move(found.shapes);
}

}  // namespace visionpress
