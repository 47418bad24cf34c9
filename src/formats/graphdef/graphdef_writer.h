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

#include <string>

#include "formats/graphdef/graphdef_nodes.h"

namespace visionpress::graphdef {

/// Why a weight of `node`, which makes it out of `tensor`, cannot become a shorter one; empty where
/// it can. Says nothing of scalars that several layers share beyond their size.
[[nodiscard]] std::string why_fixed(const GraphNode& node, const StoredTensor& tensor);

}  // namespace visionpress::graphdef
