#include "formats/graphdef/graphdef_flatten.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/error.h"
#include "formats/graphdef/graphdef_schema.h"

namespace visionpress::graphdef {
namespace {

constexpr std::size_t kMostNodes = 1'000'000;
/// The limit for the memory of all nodes, 256 MiB, because nested calls multiply a file's nodes.
/// Ten thousand nodes take about 10 MiB.
constexpr std::size_t kMostBytes = std::size_t{1} << 28U;
constexpr int kDeepestCall = 32;
constexpr std::size_t kMostCalls = 100'000;  ///< of functions, including empty ones
constexpr std::size_t kMostSteps = 1'000'000;

namespace function_field {
constexpr std::uint32_t kLibraryFunction = 1;
constexpr std::uint32_t kSignature = 1;
constexpr std::uint32_t kNode = 3;
constexpr std::uint32_t kReturn = 4;
constexpr std::uint32_t kName = 1;
constexpr std::uint32_t kInputArg = 2;
constexpr std::uint32_t kOutputArg = 3;
constexpr std::uint32_t kAttrFunction = 10;
}  // namespace function_field

/// Operators with several named outputs; every other operator has one output or one list.
/// source: tensorflow/core/ops/{nn_ops,image_ops,array_ops}.cc.
struct OutputNames {
  std::string_view op;
  std::array<std::string_view, 6> names;
};
constexpr std::array<OutputNames, 11> kOutputNames = {{
    {"FusedBatchNorm", {"y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"}},
    {"FusedBatchNormV2",
     {"y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"}},
    {"FusedBatchNormV3",
     {"y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2",
      "reserve_space_3"}},
    {"TopK", {"values", "indices"}},
    {"TopKV2", {"values", "indices"}},
    {"NonMaxSuppressionV4", {"selected_indices", "valid_outputs"}},
    {"NonMaxSuppressionV5", {"selected_indices", "selected_scores", "valid_outputs"}},
    {"CombinedNonMaxSuppression",
     {"nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"}},
    {"Unique", {"y", "idx"}},
    {"Switch", {"output_false", "output_true"}},
    {"Merge", {"output", "value_index"}},
}};

/// Index of an output among all outputs of its node. index: position within the named output.
std::optional<int> flat_output(std::string_view op, std::string_view name, int index) {
  for (const OutputNames& row : kOutputNames) {
    if (row.op != op) continue;
    const auto found = std::find(row.names.begin(), row.names.end(), name);
    if (found == row.names.end() || index != 0) return std::nullopt;
    return static_cast<int>(found - row.names.begin());
  }
  return index;
}

std::optional<int> parse_index(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// Splits "a:b:c" at its colons.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

/// A FunctionDef; it is read once, however often it is called.
struct Function {
  /// Index of each argument, by name.
  std::map<std::string, std::size_t, std::less<>> arguments = {};
  std::size_t argument_count = 0;
  std::vector<std::string> returns = {};  ///< one tensor per result, as named in the function
  std::vector<FlatNode> nodes = {};       ///< with inputs as named in the function
  std::map<std::string, std::string, std::less<>> ops = {};  ///< the operator of each node, by name
};

Result<FlatNode> read_node(const ProtobufMessage& message) {
  FlatNode node;
  VP_ASSIGN_OR_RETURN(node.name, message.read_text(node_field::kName));
  VP_ASSIGN_OR_RETURN(node.op, message.read_text(node_field::kOp));
  VP_ASSIGN_OR_RETURN(std::vector<std::string> inputs, message.read_texts(node_field::kInput));
  for (std::string& input : inputs) {
    if (!input.starts_with('^')) node.inputs.push_back(std::move(input));
  }
  node.message = message;
  return node;
}

/// The approximate memory of a node.
std::size_t bytes_of(const FlatNode& node) {
  std::size_t bytes = sizeof(FlatNode) + node.name.size();
  for (const std::string& input : node.inputs) bytes += sizeof(std::string) + input.size();
  return bytes + node.message.fields().size() * sizeof(ProtobufField);
}

Result<std::vector<std::string>> read_arg_names(const ProtobufMessage& signature,
                                                std::uint32_t field) {
  std::vector<std::string> names;
  VP_ASSIGN_OR_RETURN(const auto args, signature.read_messages(field));
  for (const ProtobufMessage& arg : args) {
    VP_ASSIGN_OR_RETURN(std::string name, arg.read_text(function_field::kName));
    names.push_back(std::move(name));
  }
  return names;
}

Result<Function> read_function(const ProtobufMessage& message, const ProtobufMessage& signature) {
  Function function;
  VP_ASSIGN_OR_RETURN(const std::vector<std::string> arguments,
                      read_arg_names(signature, function_field::kInputArg));
  function.argument_count = arguments.size();
  for (std::size_t i = 0; i < arguments.size(); ++i) function.arguments.emplace(arguments[i], i);
  VP_ASSIGN_OR_RETURN(const std::vector<std::string> results,
                      read_arg_names(signature, function_field::kOutputArg));
  std::map<std::string, std::string, std::less<>> spelled;
  VP_ASSIGN_OR_RETURN(const auto returns, message.read_messages(function_field::kReturn));
  for (const ProtobufMessage& entry : returns) {
    VP_ASSIGN_OR_RETURN(std::string key, entry.read_text(node_field::kAttrKey));
    VP_ASSIGN_OR_RETURN(std::string value, entry.read_text(node_field::kAttrValue));
    spelled[std::move(key)] = std::move(value);
  }
  for (const std::string& result : results) function.returns.push_back(spelled[result]);
  VP_ASSIGN_OR_RETURN(const auto nodes, message.read_messages(function_field::kNode));
  for (const ProtobufMessage& node : nodes) {
    VP_ASSIGN_OR_RETURN(FlatNode read, read_node(node));
    function.ops.emplace(read.name, read.op);
    function.nodes.push_back(std::move(read));
  }
  return function;
}

/// The function that a node calls: attribute "f" of a call, else the function that the node's
/// operator names.
Result<std::string> called_function(const FlatNode& node) {
  if (node.op != "PartitionedCall" && node.op != "StatefulPartitionedCall") return node.op;
  VP_ASSIGN_OR_RETURN(const auto attrs, node.message.read_messages(node_field::kAttr));
  for (const ProtobufMessage& attr : attrs) {
    VP_ASSIGN_OR_RETURN(const std::string key, attr.read_text(node_field::kAttrKey));
    if (key != "f") continue;
    VP_ASSIGN_OR_RETURN(const auto value, attr.read_message(node_field::kAttrValue));
    if (!value) break;
    VP_ASSIGN_OR_RETURN(const auto function, value->read_message(function_field::kAttrFunction));
    if (!function) break;
    return function->read_text(function_field::kName);
  }
  return fail(ErrorKind::Malformed, "node \"{}\" calls no function", node.name);
}

/// Converts a tensor's name in a function to its name in a GraphDef. prefix: "call/".
Result<std::string> translate(const Function& function, const std::string& prefix,
                              const std::vector<std::string>& arguments, std::string_view input) {
  const std::vector<std::string_view> parts = split(input);
  if (parts.size() == 1) {
    const auto found = function.arguments.find(input);
    if (found != function.arguments.end()) return arguments[found->second];
  }
  if (parts.size() == 3) {
    const auto op = function.ops.find(parts[0]);
    const auto index = parse_index(parts[2]);
    if (op != function.ops.end() && index) {
      if (const auto output = flat_output(op->second, parts[1], *index)) {
        return fmt::format("{}{}:{}", prefix, parts[0], *output);
      }
    }
  }
  return fail(ErrorKind::Malformed, "\"{}\" in the function that \"{}\" calls is no tensor of it",
              input, prefix.substr(0, prefix.size() - 1));
}

}  // namespace

/// Fills a FlatGraph, one call at a time.
class FlatGraph::Reader {
 public:
  explicit Reader(FlatGraph& graph) : graph_(graph) {}

  Result<void> read_library(const ProtobufMessage& graph) {
    VP_ASSIGN_OR_RETURN(const auto library, graph.read_message(graph_field::kLibrary));
    if (!library) return {};
    VP_ASSIGN_OR_RETURN(const auto messages,
                        library->read_messages(function_field::kLibraryFunction));
    for (const ProtobufMessage& message : messages) {
      VP_ASSIGN_OR_RETURN(const auto signature, message.read_message(function_field::kSignature));
      if (!signature) continue;
      VP_ASSIGN_OR_RETURN(std::string name, signature->read_text(function_field::kName));
      VP_ASSIGN_OR_RETURN(Function function, read_function(message, *signature));
      functions_.insert_or_assign(std::move(name), std::move(function));
    }
    return {};
  }

  Result<void> add(FlatNode node, int depth) {
    const bool is_call = node.op == "PartitionedCall" || node.op == "StatefulPartitionedCall";
    if (is_call || functions_.contains(node.op)) return add_call(node, depth);
    if (graph_.nodes_.size() >= kMostNodes) {
      return fail(ErrorKind::Malformed, "the graph has more than {} nodes", kMostNodes);
    }
    VP_RETURN_IF_ERROR(take(bytes_of(node), node.name));
    if (!graph_.by_name_.emplace(node.name, graph_.nodes_.size()).second) {
      return fail(ErrorKind::Malformed, "two nodes are called \"{}\"", node.name);
    }
    graph_.nodes_.push_back(std::move(node));
    return {};
  }

 private:
  Result<void> add_call(const FlatNode& call, int depth) {
    VP_ASSIGN_OR_RETURN(const std::string name, called_function(call));
    const auto found = functions_.find(name);
    if (found == functions_.end()) {
      return fail(ErrorKind::Malformed, "node \"{}\" calls function \"{}\", which is not there",
                  call.name, name);
    }
    const Function& function = found->second;
    if (depth >= kDeepestCall || ++call_count_ > kMostCalls) {
      return fail(ErrorKind::Malformed, "node \"{}\": functions call each other too often",
                  call.name);
    }
    if (call.inputs.size() != function.argument_count) {
      return fail(ErrorKind::Malformed, "node \"{}\" has {} inputs, function \"{}\" takes {}",
                  call.name, call.inputs.size(), name, function.argument_count);
    }
    const std::string prefix = call.name + "/";
    for (const FlatNode& node : function.nodes) {
      FlatNode copy = node;
      copy.name = prefix + node.name;
      for (std::string& input : copy.inputs) {
        VP_ASSIGN_OR_RETURN(input, translate(function, prefix, call.inputs, input));
      }
      VP_RETURN_IF_ERROR(add(std::move(copy), depth + 1));
    }
    std::vector<std::string> results;
    for (const std::string& result : function.returns) {
      VP_ASSIGN_OR_RETURN(std::string tensor, translate(function, prefix, call.inputs, result));
      VP_RETURN_IF_ERROR(take(sizeof(std::string) + tensor.size(), call.name));
      results.push_back(std::move(tensor));
    }
    graph_.calls_.insert_or_assign(call.name, std::move(results));
    return {};
  }

  Result<void> take(std::size_t bytes, const std::string& node) {
    if (bytes > kMostBytes - bytes_) {
      return fail(ErrorKind::Malformed, "node \"{:.200}\": the graph takes more than {} bytes",
                  node, kMostBytes);
    }
    bytes_ += bytes;
    return {};
  }

  FlatGraph& graph_;
  std::map<std::string, Function, std::less<>> functions_ = {};
  std::size_t call_count_ = 0;
  std::size_t bytes_ = 0;
};

Result<FlatGraph> FlatGraph::read(const ProtobufMessage& graph) {
  FlatGraph flat;
  Reader reader(flat);
  VP_RETURN_IF_ERROR(reader.read_library(graph));
  VP_ASSIGN_OR_RETURN(const auto nodes, graph.read_messages(graph_field::kNode));
  for (const ProtobufMessage& message : nodes) {
    VP_ASSIGN_OR_RETURN(FlatNode node, read_node(message));
    VP_RETURN_IF_ERROR(reader.add(std::move(node), 0));
  }
  return flat;
}

const FlatNode* FlatGraph::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &nodes_[found->second];
}

Result<TensorName> FlatGraph::resolve(std::string_view input) const {
  std::string_view at = input;
  // A call can return its own argument at most once per nesting level, so calls_.size() steps
  // suffice.
  for (std::size_t step = 0; step <= calls_.size(); ++step) {
    const std::size_t colon = at.rfind(':');
    const std::string_view node = at.substr(0, colon);
    const auto output =
        colon == std::string_view::npos ? std::optional(0) : parse_index(at.substr(colon + 1));
    if (!output) break;
    const auto call = calls_.find(node);
    if (call == calls_.end()) return TensorName{std::string(node), *output};
    if (static_cast<std::size_t>(*output) >= call->second.size()) break;
    if (++steps_ > kMostSteps) {
      return fail(ErrorKind::Malformed, "\"{:.200}\" lies behind too many calls", input);
    }
    at = call->second[static_cast<std::size_t>(*output)];
  }
  return fail(ErrorKind::Malformed, "\"{}\" is no tensor of the graph", input);
}

}  // namespace visionpress::graphdef
