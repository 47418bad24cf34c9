#pragma once

// Makes a TFLite file out of a graph that did not come from one.

#include "model/graph.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// A new TFLite file: schema version 3, one subgraph, one signature "serving_default". Weights go
/// behind the flatbuffer's structure, each as a piece that borrows from the graph.
/// graph: channels last; every tensor's shape is known, but for a batch of -1 in front of the
/// graph's inputs and outputs, which is written as 1 with a signature of -1. Kernels are Ohwi or
/// Hwo, matrices [out, in], weights float32 (transform/prepare_tflite.h).
/// errors: Unsupported, naming every node that TFLite has no operator for in one message.
[[nodiscard]] Result<FilePieces> build_tflite(const Graph& graph);

}  // namespace visionpress
