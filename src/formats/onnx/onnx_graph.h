#pragma once

// A ModelProto with its graph and its functions, as stored in the file.
//
// The layout accepted (field numbers in onnx_schema.h):
//   ModelProto { ir_version 1, graph 7, opset_import 8 ..., metadata_props 14 ..., functions 25
//   ...}
//     GraphProto { node 1 ..., name 2, initializer 5 ..., input 11 ..., output 12 ... }
//     FunctionProto { name 1, input 4 ..., output 5 ..., node 7 ..., domain 10 }

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/onnx/onnx_nodes.h"
#include "formats/onnx/onnx_tensor.h"

namespace visionpress::onnx {

/// An input or output of a graph.
struct ValueInfo {
  std::string name = {};
  bool is_tensor = false;  ///< false: a sequence, a map or an optional
  DataType dtype = DataType::Undefined;
  std::optional<Shape> shape = std::nullopt;  ///< nothing: the rank is open; -1: the size is open
  std::string denotation = {};                ///< "IMAGE"
  ProtobufMessage message = {};
};

/// The newest version of each domain's operators that a graph or a function uses.
using Opsets = std::map<std::string, std::int64_t, std::less<>>;

struct GraphBody {
  std::string name = {};
  std::vector<GraphNode> nodes = {};  ///< each after the nodes it reads
  std::vector<StoredTensor> initializers = {};
  std::vector<ValueInfo> inputs = {};  ///< may name initializers, which are then their defaults
  std::vector<ValueInfo> outputs = {};
  ProtobufMessage message = {};
};

/// An operator that the file itself defines.
struct Function {
  std::string name = {};
  std::string domain = {};
  std::string overload = {};
  std::vector<std::string> inputs = {};
  std::vector<std::string> outputs = {};
  /// AttributeProto by name, of the attributes that have a default.
  std::map<std::string, ProtobufMessage, std::less<>> defaults = {};
  std::vector<GraphNode> nodes = {};
  Opsets opsets = {};
};

struct ModelFile {
  std::int64_t ir_version = 0;
  Opsets opsets = {};
  std::string producer = {};
  std::map<std::string, std::string> metadata = {};
  GraphBody graph = {};
  std::vector<Function> functions = {};
  ProtobufMessage message = {};
  PayloadPool pool = {};  ///< owns payloads that are not contiguous in the file
  /// Offsets of the nodes before opset 13 whose softmax is over one axis, as in later opsets.
  std::set<std::uint64_t> one_axis_nodes = {};
};

/// Reads a graph.  path: the start of each message, with its dot at the end; empty for the model's
/// own graph.
/// errors: Malformed, Unsupported, with the path.
[[nodiscard]] Result<GraphBody> read_graph_body(ProtobufMessage message, const std::string& path,
                                                ExternalFiles& external, PayloadPool& pool);

/// Reads the whole file.  errors: Malformed with the offset; Unsupported for IR versions and
/// opsets that are not read.
[[nodiscard]] Result<ModelFile> read_model_file(Bytes file, ExternalFiles& external,
                                                Diagnostics& diagnostics);

}  // namespace visionpress::onnx
