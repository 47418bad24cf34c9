#pragma once

// A graph whose calls of functions have been replaced by what these do: TensorFlow 2 keeps a
// model's computation in functions of the GraphDef's library.
//
// The layout accepted (beside graphdef_nodes.h):
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

/// A tensor: output `output` of the node of that name.
struct TensorName {
  std::string node = {};
  int output = 0;
};

/// One node outside functions, or of a function that is called. Control inputs are left out: they
/// order side effects, and nothing that computes a value here has one.
struct FlatNode {
  std::string name = {};  ///< "call/node" in a function
  std::string op = {};
  std::vector<std::string> inputs = {};  ///< as in a GraphDef: "node" or "node:1"
  ProtobufMessage message = {};          ///< the NodeDef, whose attributes are the node's
};

class FlatGraph {
 public:
  /// graph: a GraphDef message. errors: Malformed with the node's name: calls of functions that
  /// are not there, too deep, or of other numbers of arguments; more than a million nodes, 2^28
  /// bytes of them, or 100,000 calls.
  [[nodiscard]] static Result<FlatGraph> read(const ProtobufMessage& graph);

  [[nodiscard]] const std::vector<FlatNode>& nodes() const { return nodes_; }
  /// Null where there is none; calls are not listed.
  [[nodiscard]] const FlatNode* find(std::string_view name) const;
  /// The tensor that computes what `input` names, across calls. errors: Malformed, after a million
  /// steps across calls that give back their own arguments too.
  [[nodiscard]] Result<TensorName> resolve(std::string_view input) const;

 private:
  class Reader;

  std::vector<FlatNode> nodes_ = {};
  std::map<std::string, std::size_t, std::less<>> by_name_ = {};
  /// By name of a call: the tensors it gives back.
  std::map<std::string, std::vector<std::string>, std::less<>> calls_ = {};
  mutable std::size_t steps_ = 0;  ///< from a call to what it gives back
};

}  // namespace visionpress::graphdef
