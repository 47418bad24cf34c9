// Branches, functions of the file, and ai.onnx.ml's wrappers around a classifier's result.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "formats/onnx/onnx_gather.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

/// Functions and branches that contain each other end here.
constexpr int kDeepest = 16;

/// Lowers the branch that a known condition chooses; its results are those of the node.
Result<void> take_branch(NodeLowering& node, const char* name, ProtobufMessage graph);

Result<void> lower_if(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  const auto condition = node.find_number(0);
  if (!condition)
    return node.refuse_computed(0, "which of its branches runs is decided in the run");
  const char* name = *condition != 0.0 ? "then_branch" : "else_branch";
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* attribute, node.find_attribute(name));
  if (attribute == nullptr) return node.malformed(fmt::format("it has no {}", name));
  VP_ASSIGN_OR_RETURN(auto graph, attribute->read_message(attribute_field::kGraph));
  if (!graph) return node.malformed(fmt::format("{} is not a graph", name));
  return take_branch(node, name, std::move(*graph));
}

/// Lowers a graph of an attribute in the place of its node.
Result<void> take_branch(NodeLowering& node, const char* name, ProtobufMessage graph) {
  if (node.scope().depth >= kDeepest) return node.malformed("branches and functions nest too deep");
  Scope inner;
  inner.outer = &node.scope();
  inner.opsets = node.scope().opsets;
  inner.attributes = node.scope().attributes;
  inner.path = fmt::format("{}.{}.", node.path(), name);
  inner.is_inner = true;
  inner.depth = node.scope().depth + 1;
  VP_ASSIGN_OR_RETURN(const GraphBody body,
                      read_graph_body(std::move(graph), inner.path, node.lowering().external,
                                      node.lowering().model.pool));
  add_initializers(node.lowering(), inner, body);
  std::vector<std::string> wanted;
  wanted.reserve(body.outputs.size());
  for (const ValueInfo& output : body.outputs) wanted.push_back(output.name);
  if (wanted.size() != node.node().outputs.size()) {
    return node.malformed(fmt::format("{} has {} outputs, expected {}", name, wanted.size(),
                                      node.node().outputs.size()));
  }
  VP_RETURN_IF_ERROR(lower_nodes(node.lowering(), inner, body.nodes, wanted));
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const Value* value = inner.find(wanted[k]);
    if (value == nullptr) return node.malformed(fmt::format("{} gives no {}", name, wanted[k]));
    node.set_output(k, *value);
  }
  return {};
}

Result<void> lower_loop(NodeLowering& node) {
  return node.refuse("how often its layers run is decided in the run");
}

/// Gives the class with the largest probability its name. Where the names are texts there is no
/// tensor.
Result<void> lower_feature_extractor(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  Value& x = node.input(0);
  Graph& graph = node.lowering().graph;
  if (x.dtype == DataType::String) {
    if (graph.labels.empty() && x.texts.size() > 1) {
      graph.labels = x.texts;
      graph.labels_source = "ArrayFeatureExtractor";
    }
    Value label;
    label.is_opaque = true;
    label.dtype = DataType::String;
    return node.forward(label);
  }
  if (!x.shape || !node.input(1).shape || x.shape->empty())
    return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(Value indices, node.view(Reshape{{-1}}, node.input(1)));
  VP_ASSIGN_OR_RETURN(Value taken,
                      gather_along(node, x, indices, static_cast<int>(x.shape->size()) - 1));
  if (x.shape->size() > 1) return node.finish(std::move(taken));
  return node.finish(node.view(ExpandDims{{0}}, taken));
}

/// Makes maps from labels to probabilities: a run gives the probabilities, in the labels' order.
Result<void> lower_zip_map(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(std::vector<std::string> labels, node.read_texts("classlabels_strings"));
  VP_ASSIGN_OR_RETURN(const auto numbers, node.read_ints("classlabels_int64s"));
  for (const std::int64_t number : numbers.value_or(std::vector<std::int64_t>()))
    labels.push_back(std::to_string(number));
  Graph& graph = node.lowering().graph;
  if (!labels.empty()) {
    graph.labels = std::move(labels);
    graph.labels_source = "ZipMap";
  }
  return node.finish(Identity{}, node.input(0));
}

constexpr std::array kControlRows = std::to_array<OperatorRow>({
    {"If", lower_if},
    {"Loop", lower_loop},
    {"Scan", lower_loop},
    {"ai.onnx.ml.ArrayFeatureExtractor", lower_feature_extractor},
    {"ai.onnx.ml.ZipMap", lower_zip_map},
});

const Function* find_function(const ModelFile& model, const GraphNode& node) {
  const auto found = std::ranges::find_if(model.functions, [&](const Function& function) {
    return function.name == node.op && function.domain == node.domain &&
           function.overload == node.overload;
  });
  return found == model.functions.end() ? nullptr : &*found;
}

/// Lowers a function's nodes in the place of the node that calls it.
Result<void> call_function(NodeLowering& node, const Function& function) {
  if (node.scope().depth >= kDeepest) return node.malformed("branches and functions nest too deep");
  Scope inner;
  inner.opsets = function.opsets.empty() ? node.scope().opsets : &function.opsets;
  inner.path = node.path() + ".";
  inner.is_inner = true;
  inner.depth = node.scope().depth + 1;
  if (node.input_count() > function.inputs.size()) {
    return node.malformed(fmt::format("{} has {} inputs, the function takes {}", node.node().op,
                                      node.input_count(), function.inputs.size()));
  }
  for (std::size_t i = 0; i < function.inputs.size(); ++i)
    if (node.has_input(i)) inner.values[function.inputs[i]] = &node.input(i);
  for (const auto& [name, attribute] : function.defaults) inner.attributes[name] = &attribute;
  for (const auto& [name, attribute] : node.node().attributes) {
    VP_ASSIGN_OR_RETURN(const ProtobufMessage* given, node.find_attribute(name));
    if (given != nullptr) inner.attributes[name] = given;
  }
  VP_RETURN_IF_ERROR(lower_nodes(node.lowering(), inner, function.nodes, function.outputs));
  for (std::size_t k = 0; k < function.outputs.size(); ++k) {
    const Value* value = inner.find(function.outputs[k]);
    if (value != nullptr) {
      node.set_output(k, *value);
    } else if (node.has_output(k)) {
      return node.malformed("the function gives no " + quote(function.outputs[k]));
    }
  }
  return {};
}

std::string unknown_reason(const GraphNode& node) {
  if (node.domain.empty() || node.domain.starts_with("ai.onnx")) {
    return "no operator here computes it";
  }
  return fmt::format("an operator of the domain {}, which the file does not define",
                     quote(node.domain));
}

}  // namespace

std::span<const OperatorRow> control_rows() { return kControlRows; }

Result<void> lower_node(NodeLowering& node) {
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    const std::string& name = node.node().inputs[i];
    // A function's optional parameter may be absent from its call.
    if (name.empty() || node.scope().find(name) != nullptr || node.scope().is_inner) continue;
    return node.malformed(fmt::format(
        "reads {}, which is no input, no initializer and no output of a node", quote(name)));
  }
  constexpr std::int64_t kMostNodes = std::int64_t{1} << 20;
  if (++node.lowering().lowered_nodes > kMostNodes)
    return node.malformed(fmt::format("more than {} nodes, with those of functions", kMostNodes));
  if (const Function* function = find_function(node.lowering().model, node.node()))
    return call_function(node, *function);
  const std::string name = full_name_of(node.node());
  for (const auto rows :
       {elementwise_rows(), activation_rows(), cast_rows(), spatial_rows(), pool_rows(),
        resize_rows(), shape_rows(), constant_rows(), slice_rows(), selection_rows(), boxes_rows(),
        reduce_rows(), norm_rows(), matrix_rows(), quantize_rows(), control_rows()}) {
    const auto row = std::ranges::find(rows, name, &OperatorRow::op);
    if (row != rows.end()) return row->lower(node);
  }
  return node.refuse(unknown_reason(node.node()));
}

}  // namespace visionpress::onnx
