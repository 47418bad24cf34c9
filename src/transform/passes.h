#pragma once

// The passes of a conversion, one per file. Each pass keeps the names of the graph's inputs and
// outputs, and the values of every output up to the rounding that its comment names.

#include "model/owned_graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// Brings constants into the form that later passes and the builder expect: every kernel is a
/// weight, and every weight has the shape in which nodes read it (a file may store another shape
/// behind a Reshape).
/// errors: those of the decoder.
[[nodiscard]] Result<void> settle_constants(OwnedGraph& owned);

/// Removes Identity nodes and rewires their readers. Graph outputs keep their names, so an Identity
/// stays where it gives an input or a constant a second name as an output.
void remove_identities(OwnedGraph& owned);

/// Removes nodes that no output depends on.
void remove_dead_nodes(OwnedGraph& owned);

/// Replaces nodes that read only constants by their values, computed as readers compute them
/// (lower/fold.h), and ShapeOf by the shape where it is known. A node that lower/fold.h cannot
/// compute stays, and the runtime computes it.
/// errors: those of the decoder.
[[nodiscard]] Result<void> fold_constants(OwnedGraph& owned);

/// Folds a batch normalization, or a product with one constant per channel, into the kernel and
/// bias of the convolution or matrix product before it: w * gamma / sqrt(var + epsilon), rounded
/// once per weight. A batch normalization that cannot be folded becomes a product and a sum.
[[nodiscard]] Result<void> fold_batch_norm(OwnedGraph& owned);

/// Turns one constant per channel that is added after a convolution or matrix product into its
/// bias.
[[nodiscard]] Result<void> fuse_bias(OwnedGraph& owned);

/// Replaces max(x, a * x), where the constant a is 0 to 1, by a leaky ReLU. Results are
/// bit-identical.
void fuse_leaky_relu(OwnedGraph& owned);

/// Merges Relu, Relu6 and ReluN1To1 into the operator before them where TFLite has a field for it.
void fuse_activation(OwnedGraph& owned);

/// Removes a zero Pad before a convolution and sets the convolution to SAME padding, where SAME
/// adds the same zeros. Shapes must be known.
void fuse_padding(OwnedGraph& owned);

/// Brings weights into the form that build_tflite takes: convolution kernels as O,H,W,I (depthwise:
/// 1,H,W,O), matrices as [out, in], all as float32. Weights that have this form already are
/// borrowed, not copied.
[[nodiscard]] Result<void> prepare_kernels(OwnedGraph& owned, int threads);

}  // namespace visionpress
