#pragma once

// Makes a TFLite file from a graph that was read from another format.

#include "model/graph.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Makes a new TFLite file with schema version 3, one subgraph and one signature,
/// "serving_default". Weights follow the flatbuffer's structure, each as a piece that borrows from
/// the graph.
/// graph: channels last, with every shape known, except that the first size of inputs and outputs
/// may be -1 (an open batch), which is written as 1 with a signature of -1. Kernels are Ohwi or
/// Hwo, matrices [out, in], weights float32 (transform/prepare_tflite.h).
/// errors: Unsupported, naming in one message every node for which TFLite has no operator.
[[nodiscard]] Result<FilePieces> build_tflite(const Graph& graph);

}  // namespace visionpress
