#include "formats/onnx/onnx_nodes.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <queue>
#include <set>
#include <utility>

#include "base/error.h"

namespace visionpress::onnx {
namespace {

tl::unexpected<Error> in_node(Error error, const std::string& path) {
  error.message = fmt::format("{}: {}", path, error.message);
  return tl::unexpected<Error>(std::move(error));
}

/// The names that a graph defines and those that it reads.
struct GraphNames {
  std::set<std::string, std::less<>> own = {};
  std::vector<std::string> read = {};
};

/// Adds the inputs and initializers of a graph.
Result<void> add_given_names(const ProtobufMessage& graph, GraphNames& names) {
  for (const std::uint32_t field : {graph_field::kInput, graph_field::kInitializer}) {
    const std::uint32_t name =
        field == graph_field::kInput ? value_info_field::kName : tensor_field::kName;
    VP_ASSIGN_OR_RETURN(const auto messages, graph.read_messages(field));
    for (const ProtobufMessage& message : messages) {
      VP_ASSIGN_OR_RETURN(std::string text, message.read_text(name));
      names.own.insert(std::move(text));
    }
  }
  return {};
}

/// Adds the names that a graph returns.
Result<void> add_result_names(const ProtobufMessage& graph, GraphNames& names) {
  VP_ASSIGN_OR_RETURN(const auto outputs, graph.read_messages(graph_field::kOutput));
  for (const ProtobufMessage& output : outputs) {
    VP_ASSIGN_OR_RETURN(std::string name, output.read_text(value_info_field::kName));
    names.read.push_back(std::move(name));
  }
  return {};
}

Result<void> list_captured(const ProtobufMessage& graph, std::vector<std::string>& captured,
                           int depth);

/// Adds the names that a node writes and reads, the latter also in graphs inside its attributes.
Result<void> add_node_names(const ProtobufMessage& node, GraphNames& names, int depth) {
  VP_ASSIGN_OR_RETURN(const auto inputs, node.read_texts(node_field::kInput));
  VP_ASSIGN_OR_RETURN(const auto outputs, node.read_texts(node_field::kOutput));
  names.read.insert(names.read.end(), inputs.begin(), inputs.end());
  names.own.insert(outputs.begin(), outputs.end());
  VP_ASSIGN_OR_RETURN(const auto attributes, node.read_messages(node_field::kAttribute));
  for (const ProtobufMessage& attribute : attributes) {
    VP_ASSIGN_OR_RETURN(const auto inner, attribute.read_message(attribute_field::kGraph));
    if (inner) VP_RETURN_IF_ERROR(list_captured(*inner, names.read, depth + 1));
  }
  return {};
}

/// Adds the names that a graph inside an attribute reads from around it.
Result<void> list_captured(const ProtobufMessage& graph, std::vector<std::string>& captured,
                           int depth) {
  constexpr int kDeepest = 8;
  if (depth > kDeepest) {
    return fail_at(ErrorKind::Unsupported, graph.offset(), "graphs nest deeper than {}", kDeepest);
  }
  GraphNames names;
  VP_RETURN_IF_ERROR(add_given_names(graph, names));
  VP_ASSIGN_OR_RETURN(const auto nodes, graph.read_messages(graph_field::kNode));
  for (const ProtobufMessage& node : nodes) {
    VP_RETURN_IF_ERROR(add_node_names(node, names, depth));
  }
  VP_RETURN_IF_ERROR(add_result_names(graph, names));
  for (std::string& name : names.read) {
    if (!name.empty() && names.own.find(name) == names.own.end())
      captured.push_back(std::move(name));
  }
  return {};
}

Result<void> read_attributes(GraphNode& node) {
  VP_ASSIGN_OR_RETURN(auto attributes, node.message.read_messages(node_field::kAttribute));
  for (ProtobufMessage& attribute : attributes) {
    VP_ASSIGN_OR_RETURN(const std::string name, attribute.read_text(attribute_field::kName));
    VP_ASSIGN_OR_RETURN(const auto inner, attribute.read_message(attribute_field::kGraph));
    if (inner) VP_RETURN_IF_ERROR(list_captured(*inner, node.captured, 0));
    const std::uint64_t offset = attribute.offset();
    if (!node.attributes.emplace(name, std::move(attribute)).second) {
      return fail_at(ErrorKind::Malformed, offset, "attribute {} appears twice", quote(name));
    }
  }
  return {};
}

Result<void> read_fields(GraphNode& node) {
  VP_ASSIGN_OR_RETURN(node.name, node.message.read_text(node_field::kName));
  VP_ASSIGN_OR_RETURN(node.op, node.message.read_text(node_field::kOpType));
  VP_ASSIGN_OR_RETURN(node.domain, node.message.read_text(node_field::kDomain));
  VP_ASSIGN_OR_RETURN(node.overload, node.message.read_text(node_field::kOverload));
  VP_ASSIGN_OR_RETURN(node.inputs, node.message.read_texts(node_field::kInput));
  VP_ASSIGN_OR_RETURN(node.outputs, node.message.read_texts(node_field::kOutput));
  if (node.domain == "ai.onnx") node.domain.clear();
  if (node.op.empty()) {
    return fail_at(ErrorKind::Malformed, node.message.offset(), "a node without an operator");
  }
  constexpr std::size_t kMostNames = std::size_t{1} << 16;
  if (node.inputs.size() > kMostNames || node.outputs.size() > kMostNames) {
    return fail_at(ErrorKind::Malformed, node.message.offset(), "{} inputs and {} outputs",
                   node.inputs.size(), node.outputs.size());
  }
  return read_attributes(node);
}

/// The node that writes each name.
using Writers = std::map<std::string, std::size_t, std::less<>>;

Result<Writers> find_writers(const std::vector<GraphNode>& nodes,
                             const std::vector<std::string>& given) {
  const std::set<std::string, std::less<>> known(given.begin(), given.end());
  Writers writers;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : nodes[i].outputs) {
      if (name.empty()) continue;
      const bool is_given = known.find(name) != known.end();
      const auto [found, is_new] = writers.emplace(name, i);
      if (is_new && !is_given) continue;
      return fail_at(ErrorKind::Malformed, nodes[i].message.offset(), "{}: writes {}, which {}",
                     nodes[i].path, quote(name),
                     is_given ? "is an input or an initializer"
                              : fmt::format("{} writes too", nodes[found->second].path));
    }
  }
  return writers;
}

std::vector<std::string> list_read(const GraphNode& node) {
  std::vector<std::string> read = node.inputs;
  read.insert(read.end(), node.captured.begin(), node.captured.end());
  return read;
}

/// Follows the readers of nodes that never became ready until one repeats.
tl::unexpected<Error> fail_cycle(const std::vector<GraphNode>& nodes, const Writers& writers,
                                 const std::vector<std::size_t>& waiting) {
  std::vector<bool> seen(nodes.size(), false);
  std::vector<std::size_t> trail;
  std::size_t at = 0;
  while (waiting[at] == 0) ++at;
  while (!seen[at]) {
    seen[at] = true;
    trail.push_back(at);
    for (const std::string& name : list_read(nodes[at])) {
      const auto writer = writers.find(name);
      if (writer == writers.end() || waiting[writer->second] == 0) continue;
      at = writer->second;
      break;
    }
  }
  trail.erase(trail.begin(), std::find(trail.begin(), trail.end(), at));
  std::string names;
  constexpr std::size_t kMostNames = 6;
  for (std::size_t i = 0; i < trail.size() && i < kMostNames; ++i) {
    names += quote(nodes[trail[i]].name) + " reads ";
  }
  if (trail.size() > kMostNames) names += fmt::format("... ({} nodes) ... ", trail.size());
  return fail_at(ErrorKind::Malformed, nodes[at].message.offset(),
                 "{}: the graph has a cycle: {}{}", nodes[at].path, names, quote(nodes[at].name));
}

}  // namespace

std::string quote(std::string_view name) {
  constexpr std::size_t kLongest = 200;
  return fmt::format("\"{}{}\"", name.substr(0, kLongest), name.size() > kLongest ? "..." : "");
}

std::string full_name_of(const GraphNode& node) {
  return node.domain.empty() ? node.op : fmt::format("{}.{}", node.domain, node.op);
}

Result<GraphNode> read_node(const ProtobufMessage& parent, const ProtobufField& field,
                            const std::string& place) {
  GraphNode node;
  auto message = parent.open(field);
  if (!message) return in_node(message.error(), place);
  node.message = std::move(*message);
  if (auto fields = read_fields(node); !fields) return in_node(fields.error(), place);
  const auto named = std::ranges::find_if(node.outputs, [](const auto& o) { return !o.empty(); });
  if (node.name.empty() && named != node.outputs.end()) node.name = *named;
  node.path = node.name.empty() ? place : fmt::format("{} {}", place, quote(node.name));
  return node;
}

Result<void> sort_nodes(std::vector<GraphNode>& nodes, const std::vector<std::string>& given) {
  VP_ASSIGN_OR_RETURN(const Writers writers, find_writers(nodes, given));
  std::vector<std::size_t> waiting(nodes.size(), 0);
  std::vector<std::vector<std::size_t>> readers(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : list_read(nodes[i])) {
      const auto writer = writers.find(name);
      if (writer == writers.end()) continue;
      ++waiting[i];
      readers[writer->second].push_back(i);
    }
  }
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (waiting[i] == 0) ready.push(i);
  }
  std::vector<std::size_t> order;
  while (!ready.empty()) {
    const std::size_t next = ready.top();
    ready.pop();
    order.push_back(next);
    for (const std::size_t reader : readers[next]) {
      if (--waiting[reader] == 0) ready.push(reader);
    }
  }
  if (order.size() != nodes.size()) return fail_cycle(nodes, writers, waiting);
  std::vector<GraphNode> sorted;
  sorted.reserve(nodes.size());
  for (const std::size_t i : order) sorted.push_back(std::move(nodes[i]));
  nodes = std::move(sorted);
  return {};
}

}  // namespace visionpress::onnx
