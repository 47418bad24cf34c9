#pragma once

// Graph -> Graph, one pass a file. Each keeps the values of every graph output, up to the rounding
// that its comment names, and the names of the graph's inputs and outputs.

#include "model/owned_graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// Constants as later passes and the builder take them: each weight in the shape in which it is
/// read (a file may store it in another one, behind a Reshape), each kernel a weight.
/// errors: of the decoder.
[[nodiscard]] Result<void> settle_constants(OwnedGraph& owned);

/// Copies go: their readers read what was copied. An output keeps its own name; one that is an
/// input or a constant under another name stays a copy.
void remove_identities(OwnedGraph& owned);

/// Nodes that no output depends on go.
void remove_dead_nodes(OwnedGraph& owned);

/// Nodes that read only constants become constants, computed as readers compute them
/// (lower/fold.h); so does ShapeOf where the shape is known. What is not computed there stays a
/// node, which the runtime computes. errors: of the decoder.
[[nodiscard]] Result<void> fold_constants(OwnedGraph& owned);

/// A batch normalization, or a product with a constant a channel, behind a convolution or a matrix
/// goes into its kernel and bias: w * gamma / sqrt(var + epsilon), one rounding a weight. Elsewhere
/// a batch normalization becomes a product and a sum.
[[nodiscard]] Result<void> fold_batch_norm(OwnedGraph& owned);

/// A constant a channel that is added behind a convolution or a matrix becomes its bias.
[[nodiscard]] Result<void> fuse_bias(OwnedGraph& owned);

/// max(x, a * x) with a constant a of 0 to 1 becomes a leaky ReLU; the values are the same bits.
void fuse_leaky_relu(OwnedGraph& owned);

/// Relu, Relu6 and ReluN1To1 go into the operator before them where TFLite has a place for them.
void fuse_activation(OwnedGraph& owned);

/// Zeros that are padded before a convolution go into it where that is what SAME does.
/// Shapes must be known.
void fuse_padding(OwnedGraph& owned);

/// Kernels of convolutions as O,H,W,I (depthwise: 1,H,W,O), matrices as [out, in], weights as
/// float32: what build_tflite takes. What is so already is borrowed as it lies.
[[nodiscard]] Result<void> prepare_kernels(OwnedGraph& owned, int threads);

}  // namespace visionpress
