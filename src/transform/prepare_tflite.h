#pragma once

// Runs all passes, in the order that turns a graph into one that build_tflite takes.

#include "model/owned_graph.h"
#include "visionpress/result.h"

namespace visionpress {

struct PrepareOptions {
  Shape input_shape = {};   ///< the shape of the one input; every size is known and the batch is 1
  bool open_batch = false;  ///< write the batch of inputs and outputs as open
  /// Merge MUL and MAXIMUM of a leaky ReLU into one operator, as converters do since TensorFlow 2.
  bool fuse_leaky_relu = true;
  int threads = 1;  ///< the result does not depend on it
};

/// graph: channels last; the result borrows it and the file it was read from.
/// errors: those of the passes and of shape inference.
[[nodiscard]] Result<OwnedGraph> prepare_for_tflite(const Graph& graph,
                                                    const PrepareOptions& options);

}  // namespace visionpress
