// The whole graph: which nodes are needed, the inputs, the outputs.

#include <algorithm>
#include <set>

#include "base/error.h"
#include "formats/onnx/onnx_input_info.h"
#include "formats/onnx/onnx_lowering.h"
#include "formats/onnx/onnx_writer.h"

namespace visionpress::onnx {
namespace {

/// Refuses nodes from `first` on that compute float64 values, because a run would compute them in
/// float32.
void refuse_doubles(Graph& graph, std::size_t first) {
  const auto is_double = [&graph](TensorId id) {
    return id != kNoTensor && graph.tensor(id).dtype == DType::Float64;
  };
  for (std::size_t n = first; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    if (moves_values(node.op)) continue;
    if (std::ranges::any_of(node.inputs, is_double) || std::ranges::any_of(node.outputs, is_double))
      node.op = Unsupported{"it computes in float64"};
  }
}

void count_readers(Lowering& lowering) {
  const GraphBody& graph = lowering.model.graph;
  for (const GraphNode& node : graph.nodes) {
    for (const std::string& name : node.inputs) ++lowering.reader_counts[name];
    for (const std::string& name : node.captured) ++lowering.reader_counts[name];
  }
  for (const ValueInfo& output : graph.outputs) ++lowering.reader_counts[output.name];
}

bool is_image_type(DataType dtype) {
  return dtype == DataType::Float || dtype == DataType::UInt8 || dtype == DataType::Float16;
}

/// The names that the nodes which the outputs need read.
std::set<std::string, std::less<>> list_needed(const GraphBody& graph) {
  std::set<std::string, std::less<>> needed;
  for (const ValueInfo& output : graph.outputs) needed.insert(output.name);
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool is_live = std::ranges::any_of(
        node->outputs, [&](const std::string& name) { return needed.contains(name); });
    if (!is_live) continue;
    needed.insert(node->inputs.begin(), node->inputs.end());
    needed.insert(node->captured.begin(), node->captured.end());
  }
  return needed;
}

/// The inputs that a run must give: those that are read and have no initializer.
std::vector<const ValueInfo*> list_inputs(const GraphBody& graph) {
  std::set<std::string, std::less<>> initialized;
  for (const StoredTensor& tensor : graph.initializers) initialized.insert(tensor.name);
  const auto needed = list_needed(graph);
  std::vector<const ValueInfo*> inputs;
  std::vector<const ValueInfo*> unread;
  for (const ValueInfo& input : graph.inputs) {
    if (initialized.contains(input.name)) continue;
    (needed.contains(input.name) ? inputs : unread).push_back(&input);
  }
  return inputs.empty() ? unread : inputs;
}

/// Sets a height and width that the file leaves open to the requested ones.
Result<void> set_input_size(const Lowering& lowering, const ValueInfo& input, Shape& shape) {
  if (!lowering.input_size || shape.size() != 4) return {};
  constexpr std::int64_t kLargest = 1 << 16;  // pixels
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t wanted = (*lowering.input_size)[axis];
    std::int64_t& size = shape[2 + axis];
    if (wanted < 1 || wanted > kLargest) {
      return fail(ErrorKind::InvalidArgument,
                  "an input size of {}x{}, expected 1..{} pixels a side", (*lowering.input_size)[1],
                  (*lowering.input_size)[0], kLargest);
    }
    if (size >= 0 && size != wanted) {
      return fail(
          ErrorKind::InvalidArgument,
          "input {}: the file fixes its size to {}x{}, an input size of {}x{} was asked for",
          quote(input.name), shape[3], shape[2], (*lowering.input_size)[1],
          (*lowering.input_size)[0]);
    }
    size = wanted;
  }
  return {};
}

/// Whether an input of four axes is an image with its channels last, as exports from TensorFlow
/// have.
bool has_channels_last(const Shape& shape) {
  constexpr std::int64_t kSmallestImage = 16;  // pixels along an axis; fewer may be channels
  const auto is_color = [](std::int64_t size) { return size == 1 || size == 3; };
  const auto is_side = [](std::int64_t size) { return size < 0 || size >= kSmallestImage; };
  return shape.size() == 4 && is_side(shape[1]) && is_side(shape[2]) && is_color(shape[3]);
}

/// Adds an input. That of an image with its channels last is given to the runner with its channels
/// first, like every image of the graph, and turned by a node.
Result<void> add_input(Lowering& lowering, Scope& scope, const ValueInfo& input, bool is_image) {
  Graph& graph = lowering.graph;
  if (!input.is_tensor || element_bits(input.dtype) == 0) {
    return fail_at(ErrorKind::Unsupported, input.message.offset(), "input {} is {}",
                   quote(input.name),
                   input.is_tensor ? "of " + name_of(input.dtype) : "not a tensor");
  }
  Value value;
  value.name = input.name;
  value.dtype = input.dtype;
  value.shape = input.shape;
  const bool turns = is_image && value.shape && has_channels_last(*value.shape);
  Tensor tensor;
  tensor.name = input.name;
  tensor.has_rank = value.shape.has_value();
  if (value.shape) {
    const Shape& from = *input.shape;
    if (turns) value.shape = Shape{from[0], from[3], from[1], from[2]};
    if (is_image) VP_RETURN_IF_ERROR(set_input_size(lowering, input, *value.shape));
    tensor.shape = *value.shape;
  }
  if (!is_real(input.dtype) || input.dtype == DataType::Double)
    tensor.dtype = dtype_of(input.dtype);
  if (is_image) graph.input_info = read_input_info(lowering.model, input, tensor.shape);
  if (value.shape && !value.shape->empty() && value.shape->front() == -1) value.shape->front() = 1;
  value.id = graph.add_tensor(std::move(tensor));
  graph.inputs.push_back(value.id);
  scope.values[input.name] = &lowering.values.emplace_back(std::move(value));
  if (!turns) return {};
  GraphNode node;
  node.name = input.name;
  node.op = "channels last";
  node.path = "input " + quote(input.name);
  node.inputs = {input.name};
  node.outputs = {input.name};
  NodeLowering step(lowering, scope, node);
  graph.input_info.source += ", channels last";
  return step.finish(Transpose{{0, 2, 3, 1}}, step.input(0));
}

/// Adds the inputs; the one that receives the pixels comes first: the first with four axes, else
/// the first of floats, else the first.
Result<void> add_inputs(Lowering& lowering, Scope& scope) {
  std::vector<const ValueInfo*> inputs = list_inputs(lowering.model.graph);
  const auto fitness = [](const ValueInfo* input) {
    if (!is_image_type(input->dtype)) return 1;
    return !input->shape || input->shape->size() == 4 ? 3 : 2;
  };
  const auto image = std::ranges::max_element(
      inputs, [&](const auto* a, const auto* b) { return fitness(a) < fitness(b); });
  if (image != inputs.end()) std::rotate(inputs.begin(), image, image + 1);
  for (const ValueInfo* input : inputs)
    VP_RETURN_IF_ERROR(add_input(lowering, scope, *input, input == inputs.front()));
  return {};
}

/// Collects the graph's outputs, each under its own name. Maps and texts are left out.
Result<void> collect_outputs(Lowering& lowering, Scope& scope) {
  Graph& graph = lowering.graph;
  for (const ValueInfo& output : lowering.model.graph.outputs) {
    Value* value = scope.find(output.name);
    if (value == nullptr) {
      return fail_at(ErrorKind::Malformed, output.message.offset(),
                     "the graph's output {} is written by no node", quote(output.name));
    }
    if (value->is_opaque || value->dtype == DataType::String) continue;
    const bool is_own = value->id != kNoTensor && !value->is_constant() &&
                        graph.tensor(value->id).name == output.name &&
                        std::ranges::find(graph.inputs, value->id) == graph.inputs.end() &&
                        std::ranges::find(graph.outputs, value->id) == graph.outputs.end();
    if (is_own) {
      graph.outputs.push_back(value->id);
      continue;
    }
    GraphNode copy;
    copy.name = output.name;
    copy.op = "Identity";
    copy.path = "output " + quote(output.name);
    copy.inputs = {output.name};
    copy.outputs = {output.name};
    NodeLowering step(lowering, scope, copy);
    VP_ASSIGN_OR_RETURN(const TensorId source, step.tensor_of(*value));
    Tensor tensor;
    tensor.name = output.name;
    tensor.has_rank = value->shape.has_value();
    tensor.shape = value->shape.value_or(Shape());
    tensor.dtype = is_real(value->dtype) ? DType::Float32 : dtype_of(value->dtype);
    Node node;
    node.name = output.name;
    node.source_type = "Identity";
    node.path = copy.path;
    node.op = Identity{};
    node.inputs = {source};
    node.outputs = {graph.add_tensor(std::move(tensor))};
    graph.outputs.push_back(node.outputs[0]);
    graph.nodes.push_back(std::move(node));
  }
  if (graph.outputs.empty())
    return fail(ErrorKind::Malformed, "the graph has no output that is a tensor");
  return {};
}

/// Drops nodes whose results have become constants of their readers.
void drop_unread(Graph& graph) {
  std::vector<bool> is_read(graph.tensors.size(), false);
  for (const TensorId id : graph.outputs) is_read[static_cast<std::size_t>(id)] = true;
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool is_needed = std::ranges::any_of(
        node->outputs, [&](TensorId id) { return is_read[static_cast<std::size_t>(id)]; });
    if (!is_needed) continue;
    for (const TensorId id : node->inputs)
      if (id != kNoTensor) is_read[static_cast<std::size_t>(id)] = true;
    kept.push_back(std::move(*node));
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
}

}  // namespace

void add_initializers(Lowering& lowering, Scope& scope, const GraphBody& body) {
  for (const StoredTensor& tensor : body.initializers) {
    Value value;
    value.name = tensor.name;
    value.dtype = tensor.dtype;
    value.shape = tensor.shape;
    if (tensor.dtype == DataType::String) {
      value.texts = load_texts(tensor).value_or(std::vector<std::string>());
    } else {
      StoredConstant constant;
      constant.dtype = tensor.dtype;
      constant.shape = tensor.shape;
      constant.payload = tensor.payload;
      constant.name = tensor.name;
      constant.path = fmt::format("{}initializer {}", scope.path, quote(tensor.name));
      constant.slot.frames = tensor.message.frames();
      constant.slot.tensor_name = tensor.name;
      constant.slot.value_name = tensor.name;
      constant.slot.is_replaceable = !scope.is_inner;
      value.stored = lowering.constants.size();
      lowering.constants.push_back(std::move(constant));
    }
    scope.values[tensor.name] = &lowering.values.emplace_back(std::move(value));
  }
}

Result<void> lower_nodes(Lowering& lowering, Scope& scope, const std::vector<GraphNode>& nodes,
                         const std::vector<std::string>& wanted) {
  std::set<std::string, std::less<>> needed(wanted.begin(), wanted.end());
  std::vector<bool> is_live(nodes.size(), false);
  for (std::size_t i = nodes.size(); i-- > 0;) {
    is_live[i] = std::ranges::any_of(
        nodes[i].outputs, [&](const std::string& name) { return needed.contains(name); });
    if (!is_live[i]) continue;
    needed.insert(nodes[i].inputs.begin(), nodes[i].inputs.end());
    needed.insert(nodes[i].captured.begin(), nodes[i].captured.end());
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!is_live[i]) continue;
    NodeLowering node(lowering, scope, nodes[i]);
    const std::size_t first = lowering.graph.nodes.size();
    VP_RETURN_IF_ERROR(lower_node(node));
    refuse_doubles(lowering.graph, first);
  }
  return {};
}

Result<void> lower_graph(Lowering& lowering) {
  const GraphBody& body = lowering.model.graph;
  Scope scope;
  scope.opsets = &lowering.model.opsets;
  count_readers(lowering);
  add_initializers(lowering, scope, body);
  VP_RETURN_IF_ERROR(add_inputs(lowering, scope));
  std::vector<std::string> wanted;
  for (const ValueInfo& output : body.outputs) wanted.push_back(output.name);
  VP_RETURN_IF_ERROR(lower_nodes(lowering, scope, body.nodes, wanted));
  VP_RETURN_IF_ERROR(collect_outputs(lowering, scope));
  drop_unread(lowering.graph);
  mark_fixed(lowering);
  return check_graph(lowering.graph);
}

}  // namespace visionpress::onnx
