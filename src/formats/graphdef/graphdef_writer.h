#pragma once

// Writes a GraphDef as its source bytes plus edits of single nodes. A float weight is the output of
// one node, whose name every consumer reads; an edit keeps that name and changes what makes it:
//
//   float32   X = Const
//   float16   X = Cast(X/half)
//   8 bits    X = Dequantize(X/quantized, X/min, X/max), MIN_COMBINED: w = min + code * (max - min)
//             / 255; with attribute `axis` where each channel has a range of its own
//
// Per tensor, every TensorFlow since 1.0 reads the file; `axis` needs 2.2 or later.
// source: tensorflow/core/ops/array_ops.cc, tensorflow/core/kernels/{dequantize_op,cast_op}.cc.

#include <span>
#include <string>
#include <vector>

#include "formats/graphdef/graphdef_nodes.h"
#include "model/graph.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress::graphdef {

/// What weights of a GraphDef can be.
[[nodiscard]] FormatLimits graphdef_limits();

/// Why the value of `node` (of a Const: `tensor`) cannot become a shorter one; empty where it can.
[[nodiscard]] std::string why_fixed(const GraphNode& node, const StoredTensor& tensor);

/// What a rewrite needs to know of the opened file.
struct RewriteSource {
  Bytes file = {};
  const Graph& graph;
  const NodeList& nodes;
  /// For each of graph.weights the node whose output it is: a Const, Cast or Dequantize.
  std::span<const std::size_t> weight_nodes = {};
};

/// The file with these weights replaced; every byte outside the nodes that make them is as it was,
/// and so are unknown fields, control inputs, device and other attributes (`_class`) inside them.
/// errors: InvalidArgument when an edit does not fit its weight or the limits.
[[nodiscard]] Result<FilePieces> rewrite_graphdef(const RewriteSource& source,
                                                  std::span<const WeightEdit> edits);

}  // namespace visionpress::graphdef
