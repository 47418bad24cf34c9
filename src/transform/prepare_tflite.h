#pragma once

// All passes in the order in which a graph becomes one that build_tflite takes.

#include "model/owned_graph.h"
#include "visionpress/result.h"

namespace visionpress {

struct PrepareOptions {
  Shape input_shape = {};   ///< of the one input; every size known, a batch of 1
  bool open_batch = false;  ///< the batch of inputs and outputs is written as open
  /// MUL and MAXIMUM of a leaky ReLU become one operator, as converters do since TensorFlow 2.
  bool fuse_leaky_relu = true;
  int threads = 1;  ///< the result does not depend on it
};

/// graph: channels last, borrowed by the result, as the file it was read from.
/// errors: of the passes and of shape inference.
[[nodiscard]] Result<OwnedGraph> prepare_for_tflite(const Graph& graph,
                                                    const PrepareOptions& options);

}  // namespace visionpress
