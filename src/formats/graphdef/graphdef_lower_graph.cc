#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "formats/graphdef/graphdef_dequantize.h"
#include "formats/graphdef/graphdef_lowering.h"
#include "formats/graphdef/graphdef_writer.h"

namespace visionpress::graphdef {
namespace {

bool is_placeholder(const GraphNode& node) {
  return node.op == "Placeholder" || node.op == "PlaceholderV2";
}

/// Nodes that check or order others and give nothing to compute with.
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

/// Ranges of a Dequantize, one or one a channel; nothing where they are computed.
Result<std::optional<std::vector<float>>> read_range(NodeLowering& node, std::size_t i,
                                                     std::int64_t count) {
  VP_ASSIGN_OR_RETURN(const std::vector<double>* known, load_known(node.lowering(), node.input(i)));
  std::optional<std::vector<float>> range;
  if (known == nullptr) return range;
  if (static_cast<std::int64_t>(known->size()) != count) {
    return fail_at(ErrorKind::Malformed, node.node().message.offset(), "{}: {} ranges, expected {}",
                   node.node().path, known->size(), count);
  }
  range.emplace();
  for (const double v : *known) range->push_back(static_cast<float>(v));
  return range;
}

/// The least and the largest values; nothing where they are computed.
Result<std::optional<std::pair<std::vector<float>, std::vector<float>>>> read_ranges(
    NodeLowering& node, std::int64_t count) {
  std::optional<std::pair<std::vector<float>, std::vector<float>>> ranges;
  VP_ASSIGN_OR_RETURN(auto mins, read_range(node, 1, count));
  VP_ASSIGN_OR_RETURN(auto maxs, read_range(node, 2, count));
  if (mins && maxs) ranges.emplace(std::move(*mins), std::move(*maxs));
  return ranges;
}

/// -1: one range for all.
Result<std::int64_t> read_range_axis(NodeLowering& node, const Shape& shape) {
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, read_int_attr(node.node(), "axis", -1));
  if (axis >= -1 && axis < static_cast<std::int64_t>(shape.size())) return axis;
  return fail_at(ErrorKind::Malformed, node.node().message.offset(), "{}: axis {} of the shape {}",
                 node.node().path, axis, to_string(shape));
}

void set_constant(NodeLowering& node, StoredConstant constant, std::optional<Shape> shape) {
  constant.node = node.index();
  constant.name = node.node().name;
  Value value;
  value.shape = std::move(shape);
  value.stored = node.lowering().constants.size();
  node.lowering().constants.push_back(std::move(constant));
  node.set_output(0, std::move(value));
}

/// inputs: codes, min, max.
Result<void> lower_dequantize(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  const Value& x = node.input(0);
  if (!x.stored) return node.refuse("activations of 8 bits are not run");
  const StoredConstant& codes = node.lowering().constants[*x.stored];
  if (codes.tensor.payload.empty() || (x.dtype != DataType::QUInt8 && x.dtype != DataType::QInt8)) {
    return node.refuse("it decodes " + name_of(x.dtype) + "; quint8 and qint8 are read");
  }
  DequantizeType type;
  VP_ASSIGN_OR_RETURN(const std::string word, read_text_attr(node.node(), "mode", "MIN_COMBINED"));
  const auto mode = parse_dequantize_mode(word);
  if (!mode) return node.refuse("its mode is " + word);
  type.mode = *mode;
  type.is_signed = x.dtype == DataType::QInt8;
  VP_ASSIGN_OR_RETURN(type.narrow_range, read_bool_attr(node.node(), "narrow_range"));
  const Shape& shape = codes.tensor.shape;
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, read_range_axis(node, shape));
  const std::int64_t count = axis < 0 ? 1 : shape[static_cast<std::size_t>(axis)];
  VP_ASSIGN_OR_RETURN(const auto ranges, read_ranges(node, count));
  if (!ranges) return node.refuse("its range is computed");
  StoredConstant constant = codes;
  constant.code = make_range_code(type, ranges->first, ranges->second,
                                  static_cast<int>(std::max<std::int64_t>(axis, 0)));
  set_constant(node, std::move(constant), x.shape);
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

Result<void> check_inputs(NodeLowering& node) {
  for (const NodeInput& input : node.node().inputs) {
    const std::size_t outputs = node.lowering().values[input.node].size();
    if (static_cast<std::size_t>(input.output) < outputs) continue;
    const GraphNode& source = node.lowering().nodes.nodes[input.node];
    return fail_at(ErrorKind::Malformed, node.node().message.offset(),
                   "{}: reads output {} of \"{}\" ({}), which has {}", node.node().path,
                   input.output, source.name, source.op, outputs);
  }
  return {};
}

/// Outputs behind the first, of all nodes: the largest number that is read says how many a node
/// has, and room is made for each. Real graphs split thousands of times at the most.
constexpr std::size_t kMostFurtherOutputs = std::size_t{1} << 18U;

/// Which nodes the outputs need, and how often each of their outputs is read by one of those.
/// errors: Malformed beyond kMostFurtherOutputs.
Result<std::vector<bool>> find_live(Lowering& lowering) {
  const std::vector<GraphNode>& nodes = lowering.nodes.nodes;
  std::vector<bool> is_read(nodes.size(), false);
  for (const GraphNode& node : nodes) {
    for (const NodeInput& input : node.inputs) is_read[input.node] = true;
  }
  std::vector<bool> live(nodes.size(), false);
  std::size_t further = 0;
  lowering.is_output.assign(nodes.size(), false);
  lowering.reader_counts.assign(nodes.size(), {});
  for (auto at = lowering.nodes.order.rbegin(); at != lowering.nodes.order.rend(); ++at) {
    const GraphNode& node = nodes[*at];
    const bool gives = !is_dropped(node) && !is_placeholder(node) && node.op != "Const";
    lowering.is_output[*at] = gives && !is_read[*at];
    live[*at] = live[*at] || lowering.is_output[*at];
    if (!live[*at]) continue;
    for (const NodeInput& input : node.inputs) {
      live[input.node] = true;
      std::vector<std::size_t>& counts = lowering.reader_counts[input.node];
      // A node has few outputs; a number beyond that is refused where it is read.
      constexpr int kMostOutputs = 1 << 12;
      const auto output = static_cast<std::size_t>(std::min(input.output, kMostOutputs));
      if (counts.size() <= output) {
        further += output + 1 - std::max<std::size_t>(counts.size(), 1);
        counts.resize(output + 1, 0);
      }
      if (further > kMostFurtherOutputs) {
        return fail_at(
            ErrorKind::Malformed, node.message.offset(),
            "{}: with its inputs, more than {} outputs of nodes are read beside the first",
            node.path, kMostFurtherOutputs);
      }
      ++counts[output];
    }
  }
  return live;
}

/// Channels of an input whose rank is open: those of the first kernel.
Result<std::int64_t> guess_channels(const Lowering& lowering) {
  const auto resolve = [&](std::size_t at) {
    const GraphNode* node = &lowering.nodes.nodes[at];
    while (node->op == "Identity" && node->inputs.size() == 1) {
      node = &lowering.nodes.nodes[node->inputs[0].node];
    }
    return node;
  };
  for (const std::size_t at : lowering.nodes.order) {
    const GraphNode& node = lowering.nodes.nodes[at];
    if ((node.op != "Conv2D" && node.op != "DepthwiseConv2dNative") || node.inputs.size() != 2) {
      continue;
    }
    const GraphNode* kernel = resolve(node.inputs[1].node);
    if (kernel->op != "Const") continue;
    VP_ASSIGN_OR_RETURN(const StoredTensor tensor, read_const(*kernel));
    if (tensor.shape.size() == 4) return tensor.shape[2];
  }
  return 3;
}

/// Height and width that the file leaves open become the ones asked for.
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

Result<void> lower_placeholder(NodeLowering& node) {
  Lowering& lowering = node.lowering();
  Value value;
  VP_ASSIGN_OR_RETURN(value.dtype, read_type_attr(node.node(), "dtype", DataType::Float));
  if (value.dtype != DataType::Float && value.dtype != DataType::UInt8) {
    return fail_at(ErrorKind::Unsupported, node.node().message.offset(),
                   "{}: the input is {}; images as float32 or uint8 are run", node.node().path,
                   name_of(value.dtype));
  }
  VP_ASSIGN_OR_RETURN(auto shape, read_shape_attr(node.node(), "shape"));
  // TensorFlow 1 wrote an unknown shape as one without axes.
  if (!shape || shape->empty()) {
    VP_ASSIGN_OR_RETURN(const std::int64_t channels, guess_channels(lowering));
    shape = Shape{-1, -1, -1, channels};
  }
  if (shape->size() == 4) VP_RETURN_IF_ERROR(set_input_size(lowering, node.node(), *shape));
  Tensor tensor;
  tensor.name = node.node().name;
  tensor.shape = *shape;
  describe_input(lowering.graph, node.node(), *shape);
  if (shape->front() == -1) shape->front() = 1;
  value.shape = std::move(*shape);
  value.id = lowering.graph.add_tensor(std::move(tensor));
  lowering.graph.inputs = {value.id};
  node.set_output(0, std::move(value));
  return {};
}

Result<void> check_placeholders(const Lowering& lowering, const std::vector<bool>& live) {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < live.size(); ++i) {
    const GraphNode& node = lowering.nodes.nodes[i];
    if (live[i] && is_placeholder(node)) paths.push_back(node.path);
  }
  if (paths.size() == 1) return {};
  if (paths.empty()) {
    return fail(ErrorKind::Malformed, "the graph has no Placeholder that its outputs depend on");
  }
  return fail(ErrorKind::Unsupported, "the graph has {} inputs ({} and {}), expected one image",
              paths.size(), paths[0], paths[1]);
}

/// What nobody reads, each under its node's own name.
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
      if (graph.tensor(value.id).name != name || value.id == graph.inputs[0]) {
        VP_ASSIGN_OR_RETURN(Value copy, node.apply(Identity{}, {&value}, value.shape, value.dtype));
        graph.tensors[static_cast<std::size_t>(copy.id)].name = name;
        value = std::move(copy);
      }
      graph.outputs.push_back(value.id);
    }
  }
  if (graph.outputs.empty()) {
    return fail(ErrorKind::Malformed, "the graph has no output that depends on its input");
  }
  return {};
}

/// Drops nodes whose results became constants of what read them.
void drop_unread(Graph& graph) {
  std::vector<bool> is_read(graph.tensors.size(), false);
  for (const TensorId id : graph.outputs) is_read[static_cast<std::size_t>(id)] = true;
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool is_needed =
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
  const std::string& op = node.node().op;
  if (op == "Const") return lower_const(node);
  if (op == "Dequantize") return lower_dequantize(node);
  if (is_placeholder(node.node())) return lower_placeholder(node);
  VP_ASSIGN_OR_RETURN(const bool done, lower_elementwise(node));
  if (done) return {};
  for (const auto rows : {spatial_rows(), shape_rows(), slice_rows(), selection_rows()}) {
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&](const OperatorRow& r) { return op == r.op; });
    if (row != rows.end()) return row->lower(node);
  }
  return node.refuse(unknown_reason(op));
}

Result<void> lower_graph(Lowering& lowering) {
  VP_ASSIGN_OR_RETURN(const std::vector<bool> live, find_live(lowering));
  VP_RETURN_IF_ERROR(check_placeholders(lowering, live));
  for (const std::size_t at : lowering.nodes.order) {
    if (!live[at]) continue;
    NodeLowering node(lowering, at);
    VP_RETURN_IF_ERROR(lower_node(node));
    std::int64_t known = 0;
    for (const Value& value : lowering.values[at])
      known += value.known ? std::ssize(*value.known) : 0;
    VP_RETURN_IF_ERROR(node.count_made(known));
  }
  VP_RETURN_IF_ERROR(collect_outputs(lowering));
  drop_unread(lowering.graph);
  mark_fixed(lowering);
  return check_graph(lowering.graph);
}

}  // namespace visionpress::graphdef
