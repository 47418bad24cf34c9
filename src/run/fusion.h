#pragma once

// Finds the nodes after a convolution that its last pass can compute.

#include <array>
#include <optional>
#include <vector>

#include "run/onednn_adapter.h"
#include "run/operator.h"

namespace visionpress {

/// The readers of each tensor; being a graph output counts as one more reader.
class Readers {
 public:
  explicit Readers(const Graph& graph);
  /// Indices of the nodes that read the tensor.
  [[nodiscard]] const std::vector<std::size_t>& of(TensorId id) const {
    return nodes_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] bool is_output(TensorId id) const { return outputs_[static_cast<std::size_t>(id)]; }

 private:
  std::vector<std::vector<std::size_t>> nodes_ = {};
  std::vector<bool> outputs_ = {};
};

/// The nodes that a convolution takes over, and the tensor that then holds its result.
struct Fusion {
  Epilogue epilogue = {};
  std::vector<std::size_t> absorbed = {};  ///< nodes that need no operator of their own
  std::optional<std::size_t> batch_norm = std::nullopt;  ///< the node of the batch norm
  TensorId result = kNoTensor;
};

/// Finds an activation directly after the node, or after the batch norm behind it
/// (takes_batch_norm): a Unary with bounds or a slope, several that are one clip together (ReLU6 as
/// Core ML's converters wrote it: ReLU, negation, maximum with -6, negation), or a leaky ReLU
/// written as MUL by a constant and MAXIMUM with the product.
[[nodiscard]] Fusion find_activation(const Graph& graph, const Readers& readers, std::size_t node,
                                     bool takes_batch_norm);

/// A node that one before it computes too.
struct FusedNode {
  FusedActivation activation = FusedActivation::None;
  std::size_t node = 0;
};

/// Finds the ReLU, ReLU6 or ReLU-1-to-1 that alone reads the result of a sum, product or other pair
/// of operands without an activation.
[[nodiscard]] std::optional<FusedNode> find_pair_activation(const Graph& graph,
                                                            const Readers& readers,
                                                            std::size_t node);

/// Adds the 2x2 stride-2 max pool after `fusion`, if there is one and the maximum may be taken
/// before the activation. height, width: of the convolution's output. returns: whether it was
/// added.
[[nodiscard]] bool add_max_pool(const Graph& graph, const Readers& readers, std::int64_t height,
                                std::int64_t width, Fusion& fusion);

/// Zeros around an image, in pixels.
struct ImageBorder {
  std::array<std::int64_t, 2> before = {0, 0};  ///< height, width
  std::array<std::int64_t, 2> after = {0, 0};
};

/// The border that the node adds if it pads the planes of an image with zeros and one float
/// convolution alone reads the result. That convolution can then pad itself.
[[nodiscard]] std::optional<ImageBorder> find_border(const Graph& graph, const Readers& readers,
                                                     std::size_t node);

/// The convolution of the image without its border. spec: of the convolution of the padded image.
[[nodiscard]] Conv2d widen_padding(const Conv2d& conv, const ConvSpec& spec,
                                   const ImageBorder& border);

}  // namespace visionpress
