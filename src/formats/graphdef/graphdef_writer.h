#pragma once

// Writes a GraphDef as its source bytes plus edits of single nodes. A float weight is the output of
// one node, and its consumers refer to it by that node's name. An edit therefore keeps the name and
// changes how the value is made:
//
//   float32     X = Const
//   float16     X = Cast(X/half)
//   one range   X = Dequantize(X/quantized, X/min, X/max), MIN_COMBINED: w = min + code * (max -
//               min) / 255
//   channels    X = Add(X/scaled, X/offset), X/scaled = Mul(X/levels, X/scale), X/levels =
//               Dequantize(X/quantized, 0, 255), whose values are the codes themselves. Without
//               offsets X is the Mul.
//
// Every TensorFlow since 1.0 reads these nodes. A Dequantize with `axis` would be one node for
// channels, but it needs TensorFlow 2.2, rounds the scale once more, and runs two to three times as
// long: TensorFlow decodes kernels in each run, since the values take more room than the codes.
// source: tensorflow/core/ops/{array,math}_ops.cc, tensorflow/core/kernels/{dequantize_op,
// cast_op}.cc; constant folding stops at results that are larger than their operands
// (tensorflow/core/grappler/optimizers/constant_folding.cc).

#include <string>

#include "formats/graphdef/graphdef_nodes.h"

namespace visionpress::graphdef {

/// The reason why the weight that `node` makes from `tensor` cannot be stored in fewer bits; empty
/// if it can. Of scalars that several layers share, checks only the size.
[[nodiscard]] std::string why_fixed(const GraphNode& node, const StoredTensor& tensor);

}  // namespace visionpress::graphdef
