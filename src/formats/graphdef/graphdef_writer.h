#pragma once

// Writes a GraphDef as its source bytes plus edits of single nodes. A float weight is the output of
// one node, and its consumers refer to it by that node's name. An edit therefore keeps the name and
// changes how the value is made:
//
//   float32   X = Const
//   float16   X = Cast(X/half)
//   8 bits    X = Dequantize(X/quantized, X/min, X/max), MIN_COMBINED: w = min + code * (max - min)
//             / 255; with attribute `axis` where each channel has a range of its own
//
// With one range per tensor, every TensorFlow since 1.0 reads the file; `axis` needs 2.2 or later.
// source: tensorflow/core/ops/array_ops.cc, tensorflow/core/kernels/{dequantize_op,cast_op}.cc.

#include <string>

#include "formats/graphdef/graphdef_nodes.h"

namespace visionpress::graphdef {

/// The reason why the weight that `node` makes from `tensor` cannot be stored in fewer bits; empty
/// if it can. Of scalars that several layers share, checks only the size.
[[nodiscard]] std::string why_fixed(const GraphNode& node, const StoredTensor& tensor);

}  // namespace visionpress::graphdef
