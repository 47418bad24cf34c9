#pragma once

// The nodes of a GraphDef as stored in the file: their inputs, their attributes, and the byte
// ranges that a writer edits. This file does not interpret operators.
//
// The layout accepted (field numbers in graphdef_schema.h):
//   GraphDef { NodeDef node 1 ..., versions 4 }
//     NodeDef { name 1, op 2, input 3 ..., device 4, attr 5 ... { key 1, AttrValue value 2 } }
//       a Const's attr "value": AttrValue { TensorProto tensor 8 }, graphdef_tensor.h

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/graphdef/graphdef_tensor.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::graphdef {

/// The source of a node's input.
struct NodeInput {
  std::size_t node = 0;  ///< index into NodeList::nodes
  int output = 0;        ///< "name:2" reads output 2
};

/// One NodeDef.
struct GraphNode {
  std::string name = {};
  std::string op = {};    ///< "Conv2D"
  std::string path = {};  ///< `node[12] "Conv2D_3"`, the index in the file
  std::vector<NodeInput> inputs = {};
  /// Nodes named by "^name" inputs, which only order execution.
  std::vector<std::size_t> controls = {};
  /// The NodeDef with its fields; frames().back() is its place in the file.
  ProtobufMessage message = {};
  /// AttrValue by key.
  std::map<std::string, ProtobufMessage, std::less<>> attrs = {};
};

/// All nodes, in the file's order.
struct NodeList {
  std::vector<GraphNode> nodes = {};
  std::map<std::string, std::size_t, std::less<>> by_name = {};
  /// Indices into `nodes`, each after all nodes it reads, except along loop edges. This is the
  /// file's order if that order qualifies.
  std::vector<std::size_t> order = {};
  std::int64_t producer = 0;  ///< versions.producer; 0 where absent
};

/// Whether the input closes a loop of TensorFlow 1: a Merge reads the value that NextIteration
/// passes to the next round. The sort ignores such an input, because it would be a cycle.
[[nodiscard]] bool is_loop_edge(const NodeList& list, const GraphNode& reader,
                                const NodeInput& input);

/// Whether the node is an input of the graph without a default value.
[[nodiscard]] bool is_placeholder(const GraphNode& node);

/// Reads the nodes of one GraphDef message and sorts them.
/// errors: Malformed with the node's path: a name used twice, an input that no node has, a cycle,
/// a broken message.
[[nodiscard]] Result<NodeList> read_nodes(const ProtobufMessage& graph);

/// Reads an attribute; `fallback` if the node does not have it.
/// errors: Malformed with the node's path if the attribute has another kind.
[[nodiscard]] Result<std::string> read_text_attr(const GraphNode& node, std::string_view name,
                                                 std::string_view fallback = "");
[[nodiscard]] Result<std::int64_t> read_int_attr(const GraphNode& node, std::string_view name,
                                                 std::int64_t fallback = 0);
[[nodiscard]] Result<bool> read_bool_attr(const GraphNode& node, std::string_view name,
                                          bool fallback = false);
[[nodiscard]] Result<float> read_float_attr(const GraphNode& node, std::string_view name,
                                            float fallback = 0.0F);
[[nodiscard]] Result<DataType> read_type_attr(const GraphNode& node, std::string_view name,
                                              DataType fallback = DataType::Invalid);
[[nodiscard]] Result<std::vector<std::int64_t>> read_ints_attr(const GraphNode& node,
                                                               std::string_view name);
/// Reads a shape: nothing if the rank is open; -1 for an open size.
[[nodiscard]] Result<std::optional<Shape>> read_shape_attr(const GraphNode& node,
                                                           std::string_view name);

/// Reads the value of a Const node. errors: Malformed with the node's path if "value" is missing,
/// the sizes do not fit the payload, or the element type differs from attr "dtype".
[[nodiscard]] Result<StoredTensor> read_const(const GraphNode& node);

}  // namespace visionpress::graphdef
