#pragma once

// One TFLite operator becomes one Op of the Graph; a few need others before or after it.

#include <set>
#include <string>
#include <vector>

#include "model/graph.h"
#include "tflite_schema_generated.h"
#include "visionpress/result.h"

namespace visionpress {

/// One operator with its checked tensor ids.
struct TfliteOperator {
  const Graph& graph;  ///< its tensors and weights are complete
  const tfl::Operator& table;
  tfl::BuiltinOperator code = tfl::BuiltinOperator::CUSTOM;
  std::string type = {};  ///< "CONV_2D", or the custom operator's name
  std::string path = {};
  std::vector<TensorId> inputs = {};  ///< as the file lists them
  std::vector<TensorId> outputs = {};
  const tfl::SubGraph* subgraph = nullptr;  ///< what the file says of its tensors
  /// Tensors whose number of axes the file does not say; their shape is empty. May be null.
  const std::set<TensorId>* without_rank = nullptr;
};

/// A node that a TFLite operator needs besides its own.
struct LoweredStep {
  Op op = Unsupported{};
  std::vector<TensorId> inputs = {};
  std::vector<TensorId> outputs = {};
};

struct LoweredOperator {
  Op op = Unsupported{};
  std::vector<TensorId> inputs = {};   ///< in the order the Op documents
  bool works_on_integers = false;      ///< its activations: a replaced weight would break it
  std::vector<TensorId> outputs = {};  ///< in the order the Op documents; empty: as the file's
  std::vector<LoweredStep> before = {};
  std::vector<LoweredStep> after = {};
  std::vector<Tensor> made = {};  ///< what the steps pass on; ids count on from the graph's tensors
};

/// errors: Malformed when options or inputs that the operator needs are missing or out of range.
/// What is legal and beyond us is Unsupported in the result.
[[nodiscard]] Result<LoweredOperator> lower_operator(const TfliteOperator& source);

}  // namespace visionpress
