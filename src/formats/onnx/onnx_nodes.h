#pragma once

// The nodes of an ONNX graph as stored in the file: their inputs and outputs by name, and their
// attributes. This file does not interpret operators.
//
// The layout accepted (field numbers in onnx_schema.h):
//   NodeProto { input 1 ..., output 2 ..., name 3, op_type 4, attribute 5 ..., domain 7 }
//     AttributeProto { name 1, its value in the field of its type, ref_attr_name 21 }

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx/onnx_schema.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::onnx {

/// One NodeProto. An empty input or output name stands for an optional one that is absent.
struct GraphNode {
  std::string name = {};    ///< its own, else that of its first output
  std::string op = {};      ///< "Conv"
  std::string domain = {};  ///< empty: ONNX's own operators ("ai.onnx" means the same)
  std::string overload = {};
  std::string path = {};  ///< `node[12] "Conv_3"`, the index in the file
  std::vector<std::string> inputs = {};
  std::vector<std::string> outputs = {};
  std::map<std::string, ProtobufMessage, std::less<>> attributes = {};  ///< AttributeProto by name
  /// Names of the values around it that graphs in its attributes read.
  std::vector<std::string> captured = {};
  ProtobufMessage message = {};
};

/// "Conv", or "com.microsoft.FC" with a domain of its own.
[[nodiscard]] std::string full_name_of(const GraphNode& node);

/// Reads one node.  place: what holds it, for its path: "node[12]".
/// errors: Malformed with that place.
[[nodiscard]] Result<GraphNode> read_node(const ProtobufMessage& parent, const ProtobufField& field,
                                          const std::string& place);

/// Sorts nodes so that each comes after those whose outputs it reads; keeps the file's order where
/// it qualifies. given: names that exist before the first node.
/// errors: Malformed for a cycle, for a name that two nodes write, and for one that a node writes
/// although it is given.
[[nodiscard]] Result<void> sort_nodes(std::vector<GraphNode>& nodes,
                                      const std::vector<std::string>& given);

/// The name in quotes, shortened where it is long.
[[nodiscard]] std::string quote(std::string_view name);

}  // namespace visionpress::onnx
