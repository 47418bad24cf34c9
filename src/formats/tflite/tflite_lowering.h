#pragma once

// Lowers one TFLite operator to one Op of the Graph; a few operators need more Ops before or after
// it.

#include <set>
#include <string>
#include <vector>

#include "model/graph.h"
#include "tflite_schema_generated.h"
#include "visionpress/result.h"

namespace visionpress {

/// One operator with its checked tensor ids.
struct TfliteOperator {
  const Graph& graph;  ///< with all tensors and weights already added
  const tfl::Operator& table;
  tfl::BuiltinOperator code = tfl::BuiltinOperator::CUSTOM;
  std::string type = {};  ///< "CONV_2D", or the custom operator's name
  std::string path = {};
  std::vector<TensorId> inputs = {};  ///< as the file lists them
  std::vector<TensorId> outputs = {};
  const tfl::SubGraph* subgraph = nullptr;  ///< the file's description of its tensors
  /// Tensors whose rank the file does not state; their shape is empty. May be null.
  const std::set<TensorId>* without_rank = nullptr;
};

/// A node that a TFLite operator needs in addition to its main one.
struct LoweredStep {
  Op op = Unsupported{};
  std::vector<TensorId> inputs = {};
  std::vector<TensorId> outputs = {};
};

struct LoweredOperator {
  Op op = Unsupported{};
  std::vector<TensorId> inputs = {};  ///< in the order the Op documents
  /// Its activations are integers, so replacing its weight would break it.
  bool works_on_integers = false;
  std::vector<TensorId> outputs = {};  ///< in the order the Op documents; empty: as the file's
  std::vector<LoweredStep> before = {};
  std::vector<LoweredStep> after = {};
  /// Values between the steps; ids continue after the graph's tensors.
  std::vector<Tensor> made = {};
};

/// errors: Malformed if options or inputs that the operator needs are missing or out of range. A
/// legal operator that cannot be run becomes Unsupported in the result.
[[nodiscard]] Result<LoweredOperator> lower_operator(const TfliteOperator& source);

}  // namespace visionpress
