#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"
#include "formats/graphdef/graphdef_writer.h"

namespace visionpress::graphdef {
namespace {

bool is_image_type(DataType dtype) { return dtype == DataType::Float || dtype == DataType::UInt8; }

/// Whether a node only checks or orders others and computes no value.
bool is_dropped(const GraphNode& node) { return node.op == "NoOp" || node.op == "Assert"; }

Result<void> lower_const(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(0, 0));
  VP_ASSIGN_OR_RETURN(StoredTensor tensor, read_const(node.node()));
  Value value;
  value.dtype = tensor.dtype;
  value.shape = tensor.shape;
  value.stored = node.lowering().constants.size();
  StoredConstant constant;
  constant.tensor = std::move(tensor);
  constant.node = node.index();
  constant.name = node.node().name;
  constant.path = node.node().path;
  node.lowering().constants.push_back(std::move(constant));
  node.set_output(0, std::move(value));
  return {};
}

std::string unknown_reason(std::string_view op) {
  constexpr std::array kControl = std::to_array<std::string_view>(
      {"Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond", "If", "StatelessIf",
       "While", "StatelessWhile", "RefSwitch", "RefMerge"});
  constexpr std::array kVariables = std::to_array<std::string_view>(
      {"Variable", "VariableV2", "VarHandleOp", "ReadVariableOp", "AutoReloadVariable"});
  if (std::find(kControl.begin(), kControl.end(), op) != kControl.end()) {
    return "control flow is not run";
  }
  if (std::find(kVariables.begin(), kVariables.end(), op) != kVariables.end()) {
    return "a variable's value is not in the file; freeze the graph first";
  }
  return "the operator is not known";
}

/// inputs: data, predicate. outputs: the data if the predicate is false; the data if it is true. A
/// known predicate (such as a PlaceholderWithDefault for training or inference) decides which
/// output is computed.
Result<void> lower_switch(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto predicate, node.find_number(1));
  if (!predicate) return node.refuse(unknown_reason(node.node().op));
  Value never;
  never.is_dead = true;
  const std::size_t taken = *predicate != 0.0 ? 1 : 0;
  node.set_output(taken, node.input(0));
  node.set_output(1 - taken, std::move(never));
  return {};
}

/// outputs: the one input that was computed, and its index.
Result<void> lower_merge(NodeLowering& node) {
  std::optional<std::size_t> found;
  std::size_t computed = 0;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    if (node.input(i).is_dead) continue;
    found = i;
    ++computed;
  }
  if (computed != 1 || computed == node.input_count())
    return node.refuse(unknown_reason(node.node().op));
  node.set_output(0, node.input(*found));
  node.set_output(1, make_known({}, {static_cast<double>(*found)}, DataType::Int32));
  return {};
}

/// Enter passes a value into a loop; a constant is the same in each round.
Result<void> lower_enter(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const bool is_same, read_bool_attr(node.node(), "is_constant"));
  if (!is_same || !node.is_constant(0)) return node.refuse(unknown_reason(node.node().op));
  return node.forward(node.input(0));
}

/// Whether the node reads from the branch of a condition that is not taken; its results are then
/// dead, too.
bool is_on_dead_branch(NodeLowering& node) {
  if (node.node().op == "Merge") return false;
  bool dead = false;
  for (std::size_t i = 0; i < node.input_count() && !dead; ++i) dead = node.input(i).is_dead;
  if (!dead) return false;
  const std::size_t outputs = node.lowering().reader_counts[node.index()].size();
  Value never;
  never.is_dead = true;
  for (std::size_t k = 0; k < std::max<std::size_t>(outputs, 1); ++k) node.set_output(k, never);
  return true;
}

Result<void> check_inputs(NodeLowering& node) {
  for (const NodeInput& input : node.node().inputs) {
    if (is_loop_edge(node.lowering().nodes, node.node(), input)) continue;
    const std::size_t outputs = node.lowering().values[input.node].size();
    if (static_cast<std::size_t>(input.output) < outputs) continue;
    const GraphNode& source = node.lowering().nodes.nodes[input.node];
    return fail_at(ErrorKind::Malformed, node.node().message.offset(),
                   "{}: reads output {} of \"{}\" ({}), which has {}", node.node().path,
                   input.output, source.name, source.op, outputs);
  }
  return {};
}

/// Limit on outputs after the first, over all nodes. The largest output index that is read
/// determines how many entries a node gets, so a tiny file could ask for any amount of memory. Real
/// graphs have at most thousands.
constexpr std::size_t kMostFurtherOutputs = std::size_t{1} << 18U;

/// Marks the nodes that give results: no node reads them, and none waits for them except to order
/// others (the branches of a condition order their constants by an Identity that nothing reads).
void find_outputs(Lowering& lowering) {
  const std::vector<GraphNode>& nodes = lowering.nodes.nodes;
  std::vector<bool> is_read(nodes.size(), false);
  std::vector<bool> is_awaited(nodes.size(), false);
  for (const GraphNode& node : nodes) {
    for (const NodeInput& input : node.inputs) is_read[input.node] = true;
    for (const std::size_t before : node.controls)
      is_awaited[before] = is_awaited[before] || !is_dropped(node);
  }
  bool found = false;
  for (const bool awaited_too : {false, true}) {
    lowering.is_output.assign(nodes.size(), false);
    for (std::size_t i = 0; i < nodes.size() && !found; ++i) {
      const bool gives =
          !is_dropped(nodes[i]) && !is_placeholder(nodes[i]) && nodes[i].op != "Const";
      lowering.is_output[i] = gives && !is_read[i] && (awaited_too || !is_awaited[i]);
    }
    found = std::find(lowering.is_output.begin(), lowering.is_output.end(), true) !=
            lowering.is_output.end();
    if (found) return;
  }
}

/// Counts a live node as a reader of each of its inputs. further: the number of outputs after the
/// first so far.
Result<void> count_reader(Lowering& lowering, const GraphNode& node, std::size_t& further) {
  for (const NodeInput& input : node.inputs) {
    std::vector<std::size_t>& counts = lowering.reader_counts[input.node];
    // A node has few outputs; a larger index is refused when its node is lowered.
    constexpr int kMostOutputs = 1 << 12;
    const auto output = static_cast<std::size_t>(std::min(input.output, kMostOutputs));
    if (counts.size() <= output) {
      further += output + 1 - std::max<std::size_t>(counts.size(), 1);
      counts.resize(output + 1, 0);
    }
    if (further > kMostFurtherOutputs) {
      return fail_at(ErrorKind::Malformed, node.message.offset(),
                     "{}: with its inputs, more than {} outputs of nodes are read beside the first",
                     node.path, kMostFurtherOutputs);
    }
    ++counts[output];
  }
  return {};
}

/// Finds the nodes that the outputs need, and counts how often those nodes read each output.
/// errors: Malformed beyond kMostFurtherOutputs.
Result<std::vector<bool>> find_live(Lowering& lowering) {
  const std::vector<GraphNode>& nodes = lowering.nodes.nodes;
  find_outputs(lowering);
  lowering.reader_counts.assign(nodes.size(), {});
  std::vector<bool> live = lowering.is_output;
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (live[i]) open.push_back(i);
  }
  std::size_t further = 0;
  while (!open.empty()) {
    const GraphNode& node = nodes[open.back()];
    open.pop_back();
    VP_RETURN_IF_ERROR(count_reader(lowering, node, further));
    for (const NodeInput& input : node.inputs) {
      if (live[input.node]) continue;
      live[input.node] = true;
      open.push_back(input.node);
    }
  }
  return live;
}

/// The Const that a kernel comes from. Follows nodes that keep the shape: copies and the decoding
/// of compressed weights, whose codes are the first operand of each step.
const GraphNode& find_kernel_source(const Lowering& lowering, std::size_t at) {
  constexpr std::array kKeepShape = std::to_array<std::string_view>(
      {"Identity", "Cast", "Dequantize", "Mul", "Add", "AddV2", "StopGradient"});
  const GraphNode* node = &lowering.nodes.nodes[at];
  // Inputs come before their readers, so the loop ends.
  while (!node->inputs.empty() &&
         std::find(kKeepShape.begin(), kKeepShape.end(), node->op) != kKeepShape.end()) {
    node = &lowering.nodes.nodes[node->inputs[0].node];
  }
  return *node;
}

/// The channels of an image input whose rank is open: those of the first kernel. Nothing if no
/// convolution reads a constant kernel.
Result<std::optional<std::int64_t>> guess_channels(const Lowering& lowering) {
  for (const std::size_t at : lowering.nodes.order) {
    const GraphNode& node = lowering.nodes.nodes[at];
    if ((node.op != "Conv2D" && node.op != "DepthwiseConv2dNative") || node.inputs.size() != 2) {
      continue;
    }
    const GraphNode& kernel = find_kernel_source(lowering, node.inputs[1].node);
    if (kernel.op != "Const") continue;
    VP_ASSIGN_OR_RETURN(const StoredTensor tensor, read_const(kernel));
    if (tensor.shape.size() == 4) return tensor.shape[2];
  }
  return std::optional<std::int64_t>();
}

/// Sets a height and width that the file leaves open to the requested ones.
Result<void> set_input_size(Lowering& lowering, const GraphNode& node, Shape& shape) {
  if (!lowering.input_size) return {};
  constexpr std::int64_t kLargest = 1 << 16;  // pixels
  for (const std::int64_t size : *lowering.input_size) {
    if (size >= 1 && size <= kLargest) continue;
    return fail(ErrorKind::InvalidArgument, "an input size of {}x{}, expected 1..{} pixels a side",
                (*lowering.input_size)[1], (*lowering.input_size)[0], kLargest);
  }
  for (std::size_t axis = 0; axis < 2; ++axis) {
    std::int64_t& size = shape[1 + axis];
    const std::int64_t wanted = (*lowering.input_size)[axis];
    if (size >= 0 && size != wanted) {
      return fail(ErrorKind::InvalidArgument,
                  "{}: the file fixes its input to {}x{}, an input size of {}x{} was asked for",
                  node.path, shape[2], shape[1], (*lowering.input_size)[1],
                  (*lowering.input_size)[0]);
    }
    size = wanted;
  }
  return {};
}

void describe_input(Graph& graph, const GraphNode& node, const Shape& shape) {
  graph.input_info.name = node.name;
  graph.input_info.source = "TensorFlow Placeholder";
  if (shape.size() != 4) return;
  const auto pixels = [](std::int64_t size) {
    return size > 0 && size < (1 << 24) ? static_cast<int>(size) : 0;
  };
  graph.input_info.height = pixels(shape[1]);
  graph.input_info.width = pixels(shape[2]);
  graph.input_info.channels = pixels(shape[3]);
}

/// The shape that a Placeholder states; four axes if it is an image of open rank.
Result<std::optional<Shape>> placeholder_shape(const NodeLowering& node, DataType dtype,
                                               const Lowering& lowering) {
  VP_ASSIGN_OR_RETURN(auto shape, read_shape_attr(node.node(), "shape"));
  if (!is_image_type(dtype)) return shape;
  // TensorFlow 1 wrote an unknown shape as a shape without axes.
  if (shape && !shape->empty()) return shape;
  shape.reset();
  VP_ASSIGN_OR_RETURN(const auto channels, guess_channels(lowering));
  if (channels) shape = Shape{-1, -1, -1, *channels};
  return shape;
}

Result<void> lower_placeholder(NodeLowering& node) {
  Lowering& lowering = node.lowering();
  Graph& graph = lowering.graph;
  Value value;
  VP_ASSIGN_OR_RETURN(value.dtype, read_type_attr(node.node(), "dtype", DataType::Float));
  VP_ASSIGN_OR_RETURN(auto shape, placeholder_shape(node, value.dtype, lowering));
  const bool is_image = node.index() == lowering.image_input;
  if (is_image && shape && shape->size() == 4)
    VP_RETURN_IF_ERROR(set_input_size(lowering, node.node(), *shape));
  Tensor tensor;
  tensor.name = node.node().name;
  tensor.has_rank = shape.has_value();
  tensor.shape = shape.value_or(Shape());
  if (!is_image_type(value.dtype)) tensor.dtype = dtype_of(value.dtype);
  if (is_image) describe_input(graph, node.node(), tensor.shape);
  if (shape && !shape->empty() && shape->front() == -1) shape->front() = 1;
  value.shape = std::move(shape);
  value.id = graph.add_tensor(std::move(tensor));
  graph.inputs.insert(is_image ? graph.inputs.begin() : graph.inputs.end(), value.id);
  node.set_output(0, std::move(value));
  if (is_image_type(node.lowering().values[node.index()][0].dtype)) return {};
  return node.refuse_input();
}

/// Chooses the input that receives the pixels among the Placeholders that the outputs depend on:
/// the first with four axes or open rank, else the first of floats, else the first.
Result<void> choose_image_input(Lowering& lowering, const std::vector<bool>& live) {
  std::size_t best = 0;
  for (const std::size_t at : lowering.nodes.order) {
    const GraphNode& node = lowering.nodes.nodes[at];
    if (!live[at] || !is_placeholder(node) || lowering.settings.contains(at)) continue;
    VP_ASSIGN_OR_RETURN(const DataType dtype, read_type_attr(node, "dtype", DataType::Float));
    VP_ASSIGN_OR_RETURN(const auto shape, read_shape_attr(node, "shape"));
    const bool may_be_image = !shape || shape->empty() || shape->size() == 4;
    const std::size_t fitness = is_image_type(dtype) ? (may_be_image ? 3 : 2) : 1;
    if (fitness <= best) continue;
    best = fitness;
    lowering.image_input = at;
  }
  return {};
}

/// Collects the tensors that no node reads as outputs, each with its node's name.
Result<void> collect_outputs(Lowering& lowering) {
  Graph& graph = lowering.graph;
  for (const std::size_t at : lowering.nodes.order) {
    if (!lowering.is_output[at]) continue;
    NodeLowering node(lowering, at);
    for (std::size_t k = 0; k < lowering.values[at].size(); ++k) {
      Value& value = lowering.values[at][k];
      if (value.id == kNoTensor || value.stored) continue;
      const std::string name =
          k == 0 ? node.node().name : fmt::format("{}:{}", node.node().name, k);
      const bool is_input =
          std::find(graph.inputs.begin(), graph.inputs.end(), value.id) != graph.inputs.end();
      if (graph.tensor(value.id).name != name || is_input) {
        VP_ASSIGN_OR_RETURN(Value copy, node.apply(Identity{}, {&value}, value.dtype));
        graph.tensors[static_cast<std::size_t>(copy.id)].name = name;
        value = std::move(copy);
      }
      graph.outputs.push_back(value.id);
    }
  }
  if (graph.outputs.empty()) {
    return fail(ErrorKind::Malformed, "the graph has no output that it computes");
  }
  return {};
}

/// Drops nodes whose results have become constants of their readers.
void drop_unread(Graph& graph) {
  std::vector<bool> is_read(graph.tensors.size(), false);
  for (const TensorId id : graph.outputs) is_read[static_cast<std::size_t>(id)] = true;
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    // In a loop, a value for the next round is read by an earlier node.
    const bool is_needed =
        node->source_type == "NextIteration" || node->source_type == "RefNextIteration" ||
        std::any_of(node->outputs.begin(), node->outputs.end(),
                    [&](TensorId id) { return is_read[static_cast<std::size_t>(id)]; });
    if (!is_needed) continue;
    for (const TensorId id : node->inputs) {
      if (id != kNoTensor) is_read[static_cast<std::size_t>(id)] = true;
    }
    kept.push_back(std::move(*node));
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
}

void mark_fixed(Lowering& lowering) {
  for (const StoredConstant& constant : lowering.constants) {
    if (!constant.weight) continue;
    lowering.graph.weights[*constant.weight].fixed_because =
        why_fixed(lowering.nodes.nodes[constant.node], constant.tensor);
  }
}

}  // namespace

Result<void> lower_node(NodeLowering& node) {
  VP_RETURN_IF_ERROR(check_inputs(node));
  if (is_on_dead_branch(node)) return {};
  if (const auto set = node.lowering().settings.find(node.index());
      set != node.lowering().settings.end()) {
    return node.forward(set->second);
  }
  const std::string& op = node.node().op;
  if (op == "Switch") return lower_switch(node);
  if (op == "Merge") return lower_merge(node);
  if (op == "Enter") return lower_enter(node);
  if (op == "Const") return lower_const(node);
  if (op == "Dequantize") return lower_dequantize(node);
  if (is_placeholder(node.node())) return lower_placeholder(node);
  for (const auto lower : {lower_decoding, lower_elementwise}) {
    VP_ASSIGN_OR_RETURN(const bool done, lower(node));
    if (done) return {};
  }
  for (const auto rows : {spatial_rows(), shape_rows(), slice_rows(), selection_rows(),
                          batch_rows(), composed_rows(), einsum_rows()}) {
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&](const OperatorRow& r) { return op == r.op; });
    if (row != rows.end()) return row->lower(node);
  }
  return node.refuse(unknown_reason(op));
}

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

}  // namespace

Result<void> lower_graph(Lowering& lowering) {
  VP_ASSIGN_OR_RETURN(const std::vector<bool> live, find_live(lowering));
  VP_RETURN_IF_ERROR(choose_image_input(lowering, live));
  for (const std::size_t at : lowering.nodes.order) {
    if (!live[at]) continue;
    NodeLowering node(lowering, at);
    const std::size_t first = lowering.graph.nodes.size();
    VP_RETURN_IF_ERROR(lower_node(node));
    refuse_doubles(lowering.graph, first);
    std::int64_t known = 0;
    // A value that a node only passes on is shared with its source.
    for (const Value& value : lowering.values[at])
      known += value.known.use_count() == 1 ? std::ssize(*value.known) : 0;
    VP_RETURN_IF_ERROR(node.count_made(known));
  }
  VP_RETURN_IF_ERROR(collect_outputs(lowering));
  drop_unread(lowering.graph);
  mark_fixed(lowering);
  return check_graph(lowering.graph);
}

}  // namespace visionpress::graphdef
