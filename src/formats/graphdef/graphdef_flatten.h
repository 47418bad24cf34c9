#pragma once

// Inlines function calls: TensorFlow 2 keeps a model's computation in functions of the GraphDef's
// library.
//
// The layout accepted (in addition to that of graphdef_nodes.h):
//   GraphDef { node 1 ..., library 2 { FunctionDef function 1 ... } }
//     FunctionDef { OpDef signature 1 { name 1, input_arg 2, output_arg 3 { name 1 } },
//                   NodeDef node_def 3 ..., ret 4 { output_arg's name: tensor } }
//   inside a function a tensor is "argument" or "node:output_arg:index".
// source: tensorflow/core/framework/{function,op_def}.proto.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::graphdef {

/// Names a tensor: output `output` of the node of that name.
struct TensorName {
  std::string node = {};
  int output = 0;
};

/// One node, from outside functions or from a called function. Control inputs are dropped, because
/// they only order side effects and no node that computes a value here has side effects.
struct FlatNode {
  std::string name = {};  ///< "call/node" for a node of a function
  std::string op = {};
  std::vector<std::string> inputs = {};  ///< as in a GraphDef: "node" or "node:1"
  ProtobufMessage message = {};          ///< the NodeDef, which holds the attributes
};

class FlatGraph {
 public:
  /// graph: a GraphDef message.
  /// errors: Malformed with the node's name for a call of a missing function, calls nested too deep
  /// or a wrong number of arguments; Malformed for more than a million nodes, 2^28 bytes of nodes,
  /// or 100,000 calls, because a small file can expand without limit.
  [[nodiscard]] static Result<FlatGraph> read(const ProtobufMessage& graph);

  [[nodiscard]] const std::vector<FlatNode>& nodes() const { return nodes_; }
  /// Returns the node of that name, or null. Calls are not listed, because inlining replaced them.
  [[nodiscard]] const FlatNode* find(std::string_view name) const;
  /// Follows `input` through calls to the tensor that computes the value. errors: Malformed; also
  /// after a million steps, for calls that return their own arguments.
  [[nodiscard]] Result<TensorName> resolve(std::string_view input) const;

 private:
  class Reader;

  std::vector<FlatNode> nodes_ = {};
  std::map<std::string, std::size_t, std::less<>> by_name_ = {};
  /// The tensors that each call returns, by the call's name.
  std::map<std::string, std::vector<std::string>, std::less<>> calls_ = {};
  mutable std::size_t steps_ = 0;  ///< steps that `resolve` took from a call to its results
};

}  // namespace visionpress::graphdef
