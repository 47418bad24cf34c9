#include "formats/graphdef/graphdef_nodes.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <queue>
#include <utility>

#include "base/error.h"

namespace visionpress::graphdef {
namespace {

/// Adds the place to an error of the protobuf layer.
tl::unexpected<Error> in_node(Error error, const std::string& path) {
  error.message = fmt::format("{}: {}", path, error.message);
  return tl::unexpected<Error>(std::move(error));
}

std::string quote(const std::string& name) {
  constexpr std::size_t kLongest = 200;
  return fmt::format("\"{}\"", name.size() <= kLongest ? name : name.substr(0, kLongest) + "...");
}

Result<void> read_attrs(GraphNode& node) {
  for (const ProtobufField& field : node.message.fields()) {
    if (field.number != node_field::kAttr) continue;
    VP_ASSIGN_OR_RETURN(const ProtobufMessage entry, node.message.open(field));
    VP_ASSIGN_OR_RETURN(const std::string key, entry.read_text(node_field::kAttrKey));
    VP_ASSIGN_OR_RETURN(auto value, entry.read_message(node_field::kAttrValue));
    if (!value) value.emplace();
    if (!node.attrs.emplace(key, std::move(*value)).second) {
      return fail_at(ErrorKind::Malformed, field.tag_offset, "attribute \"{}\" appears twice", key);
    }
  }
  return {};
}

Result<GraphNode> read_node(const ProtobufMessage& graph, const ProtobufField& field,
                            std::size_t index) {
  GraphNode node;
  node.path = fmt::format("node[{}]", index);
  auto message = graph.open(field);
  if (!message) return in_node(message.error(), node.path);
  node.message = std::move(*message);
  auto name = node.message.read_text(node_field::kName);
  if (!name) return in_node(name.error(), node.path);
  auto op = node.message.read_text(node_field::kOp);
  if (!op) return in_node(op.error(), node.path);
  node.name = std::move(*name);
  node.op = std::move(*op);
  if (node.name.empty() || node.op.empty()) {
    return fail_at(ErrorKind::Malformed, field.tag_offset, "{}: a node without {}", node.path,
                   node.name.empty() ? "a name" : "an operator");
  }
  node.path = fmt::format("node[{}] {}", index, quote(node.name));
  if (auto attrs = read_attrs(node); !attrs) return in_node(attrs.error(), node.path);
  return node;
}

/// Resolves inputs "name" and "name:2"; control inputs ("^name") are stored separately, because
/// they carry no value.
Result<void> link_inputs(NodeList& list, GraphNode& node) {
  auto texts = node.message.read_texts(node_field::kInput);
  if (!texts) return in_node(texts.error(), node.path);
  for (const std::string& text : *texts) {
    const bool is_control = text.starts_with('^');
    std::string_view name = text;
    if (is_control) name.remove_prefix(1);
    NodeInput input;
    if (const std::size_t colon = name.rfind(':'); colon != std::string_view::npos) {
      const std::string_view digits = name.substr(colon + 1);
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), input.output);
      if (error != std::errc() || end != digits.data() + digits.size() || input.output < 0) {
        return fail_at(ErrorKind::Malformed, node.message.offset(),
                       "{}: input {} names no output of a node", node.path, quote(text));
      }
      name = name.substr(0, colon);
    }
    const auto found = list.by_name.find(name);
    if (found == list.by_name.end()) {
      return fail_at(ErrorKind::Malformed, node.message.offset(),
                     "{}: reads {}, which is no node of the graph", node.path, quote(text));
    }
    input.node = found->second;
    if (is_control) {
      node.controls.push_back(input.node);
    } else {
      node.inputs.push_back(input);
    }
  }
  return {};
}

/// Follows the inputs of nodes that never became ready until a node repeats, and reports that
/// cycle.
tl::unexpected<Error> fail_cycle(const NodeList& list, const std::vector<std::size_t>& waiting) {
  std::vector<std::size_t> trail;
  std::vector<bool> seen(waiting.size(), false);
  std::size_t at = 0;
  while (waiting[at] == 0) ++at;
  while (!seen[at]) {
    seen[at] = true;
    trail.push_back(at);
    for (const NodeInput& input : list.nodes[at].inputs) {
      if (waiting[input.node] == 0 || is_loop_edge(list, list.nodes[at], input)) continue;
      at = input.node;
      break;
    }
  }
  trail.erase(trail.begin(), std::find(trail.begin(), trail.end(), at));
  std::string names;
  constexpr std::size_t kMostNames = 6;
  for (std::size_t i = 0; i < trail.size() && i < kMostNames; ++i) {
    names += quote(list.nodes[trail[i]].name) + " reads ";
  }
  if (trail.size() > kMostNames) names += fmt::format("... ({} nodes) ... ", trail.size());
  return fail_at(ErrorKind::Malformed, list.nodes[at].message.offset(),
                 "{}: the graph has a cycle: {}{}", list.nodes[at].path, names,
                 quote(list.nodes[at].name));
}

Result<void> sort_nodes(NodeList& list) {
  const std::size_t count = list.nodes.size();
  std::vector<std::size_t> waiting(count, 0);
  std::vector<std::vector<std::size_t>> readers(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (const NodeInput& input : list.nodes[i].inputs) {
      if (is_loop_edge(list, list.nodes[i], input)) continue;
      ++waiting[i];
      readers[input.node].push_back(i);
    }
  }
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < count; ++i) {
    if (waiting[i] == 0) ready.push(i);
  }
  while (!ready.empty()) {
    const std::size_t next = ready.top();
    ready.pop();
    list.order.push_back(next);
    for (const std::size_t reader : readers[next]) {
      if (--waiting[reader] == 0) ready.push(reader);
    }
  }
  if (list.order.size() != count) return fail_cycle(list, waiting);
  return {};
}

/// The attribute of that name if it holds a value of that kind; null if it is absent.
Result<const ProtobufMessage*> find_attr(const GraphNode& node, std::string_view name,
                                         std::uint32_t kind, const char* wanted) {
  const auto found = node.attrs.find(name);
  if (found == node.attrs.end()) return nullptr;
  if (found->second.has(kind)) return &found->second;
  // Some writers write an attribute with its default value as an empty AttrValue.
  if (found->second.fields().empty()) return nullptr;
  return fail_at(ErrorKind::Malformed, found->second.offset(), "{}: attribute \"{}\" is no {}",
                 node.path, name, wanted);
}

/// Reads a value from a protobuf message and adds the node's path to an error.
template <typename T>
Result<T> placed(Result<T> value, const GraphNode& node) {
  if (!value) return in_node(std::move(value).error(), node.path);
  return value;
}

}  // namespace

bool is_placeholder(const GraphNode& node) {
  return node.op == "Placeholder" || node.op == "PlaceholderV2";
}

bool is_loop_edge(const NodeList& list, const GraphNode& reader, const NodeInput& input) {
  const std::string& source = list.nodes[input.node].op;
  return (reader.op == "Merge" || reader.op == "RefMerge") &&
         (source == "NextIteration" || source == "RefNextIteration");
}

Result<NodeList> read_nodes(const ProtobufMessage& graph) {
  NodeList list;
  std::size_t library = 0;
  for (const ProtobufField& field : graph.fields()) {
    if (field.number == graph_field::kLibrary) ++library;
    if (field.number != graph_field::kNode) continue;
    VP_ASSIGN_OR_RETURN(GraphNode node, read_node(graph, field, list.nodes.size()));
    const auto [known, is_new] = list.by_name.emplace(node.name, list.nodes.size());
    if (!is_new) {
      return fail_at(ErrorKind::Malformed, field.tag_offset, "{}: node[{}] has the same name",
                     node.path, known->second);
    }
    list.nodes.push_back(std::move(node));
  }
  if (list.nodes.empty()) {
    return fail_at(ErrorKind::Malformed, graph.offset(), "a TensorFlow graph without nodes");
  }
  for (GraphNode& node : list.nodes) VP_RETURN_IF_ERROR(link_inputs(list, node));
  VP_RETURN_IF_ERROR(sort_nodes(list));
  VP_ASSIGN_OR_RETURN(const auto versions, graph.read_message(graph_field::kVersions));
  if (versions) {
    VP_ASSIGN_OR_RETURN(list.producer, versions->read_int(versions_field::kProducer));
  }
  return list;
}

Result<std::string> read_text_attr(const GraphNode& node, std::string_view name,
                                   std::string_view fallback) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* value,
                      find_attr(node, name, attr_field::kText, "text"));
  if (value == nullptr) return std::string(fallback);
  return placed(value->read_text(attr_field::kText), node);
}

Result<std::int64_t> read_int_attr(const GraphNode& node, std::string_view name,
                                   std::int64_t fallback) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* value,
                      find_attr(node, name, attr_field::kInt, "integer"));
  if (value == nullptr) return fallback;
  return placed(value->read_int(attr_field::kInt), node);
}

Result<bool> read_bool_attr(const GraphNode& node, std::string_view name, bool fallback) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* value,
                      find_attr(node, name, attr_field::kBool, "truth value"));
  if (value == nullptr) return fallback;
  return placed(value->read_bool(attr_field::kBool), node);
}

Result<float> read_float_attr(const GraphNode& node, std::string_view name, float fallback) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* value,
                      find_attr(node, name, attr_field::kFloat, "float"));
  if (value == nullptr) return fallback;
  return placed(value->read_float(attr_field::kFloat), node);
}

Result<DataType> read_type_attr(const GraphNode& node, std::string_view name, DataType fallback) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* value,
                      find_attr(node, name, attr_field::kType, "element type"));
  if (value == nullptr) return fallback;
  VP_ASSIGN_OR_RETURN(const std::uint64_t type, placed(value->read_uint(attr_field::kType), node));
  return type < 256 ? static_cast<DataType>(type) : DataType::Invalid;
}

Result<std::vector<std::int64_t>> read_ints_attr(const GraphNode& node, std::string_view name) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* value,
                      find_attr(node, name, attr_field::kList, "list"));
  if (value == nullptr) return std::vector<std::int64_t>();
  VP_ASSIGN_OR_RETURN(const auto list, placed(value->read_message(attr_field::kList), node));
  return placed(list->read_ints(attr_field::kListInts), node);
}

Result<std::optional<Shape>> read_shape_attr(const GraphNode& node, std::string_view name) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* value,
                      find_attr(node, name, attr_field::kShape, "shape"));
  if (value == nullptr) return std::optional<Shape>();
  VP_ASSIGN_OR_RETURN(const auto message, placed(value->read_message(attr_field::kShape), node));
  return placed(read_shape(*message), node);
}

Result<StoredTensor> read_const(const GraphNode& node) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* value,
                      find_attr(node, "value", attr_field::kTensor, "tensor"));
  if (value == nullptr) {
    return fail_at(ErrorKind::Malformed, node.message.offset(), "{}: a Const without a value",
                   node.path);
  }
  const ProtobufField& place = *value->find_last(attr_field::kTensor);
  if (place.type != ProtobufType::Delimited) {
    return fail_at(ErrorKind::Malformed, place.tag_offset, "{}: its value is no message",
                   node.path);
  }
  VP_ASSIGN_OR_RETURN(StoredTensor tensor, placed(read_tensor(*value, place), node));
  VP_ASSIGN_OR_RETURN(const DataType declared, read_type_attr(node, "dtype", tensor.dtype));
  if (declared != tensor.dtype) {
    return fail_at(ErrorKind::Malformed, tensor.offset, "{}: declared {}, its value is {}",
                   node.path, name_of(declared), name_of(tensor.dtype));
  }
  return tensor;
}

}  // namespace visionpress::graphdef
