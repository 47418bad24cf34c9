#pragma once

// A kernel as the matrices that its layer multiplies activations by: per group, one row per result
// and one column per activation that the result reads.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// How the columns of a layer's matrix meet its input.
struct LayerColumns {
  /// Convolutions, in pixels of the input: where the window of output (0, 0) begins, and its steps.
  std::array<std::int64_t, 2> before = {0, 0};
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> dilation = {1, 1};
  std::array<std::int64_t, 2> kernel = {1, 1};
  std::array<std::int64_t, 2> positions = {1, 1};  ///< of the window, height and width
  std::size_t channels_per_group = 1;
  bool is_image = false;  ///< the input is [N,H,W,C] or [N,C,H,W]; else rows of `columns` values
};

/// Element (group, row, column) of the kernel is at group * group_step + row_offsets[row] +
/// column_offsets[column]; the columns of a convolution are [height, width, channel of the group].
struct KernelMatrix {
  std::size_t weight = 0;  ///< index into Graph::weights
  TensorId input = kNoTensor;
  std::optional<std::size_t> bias = std::nullopt;  ///< a weight of one value per result
  std::size_t groups = 1;
  std::size_t group_step = 0;
  std::vector<std::size_t> row_offsets = {};
  std::vector<std::size_t> column_offsets = {};
  LayerColumns reads = {};
  /// False for transposed convolutions: a row is one tap of one output channel, and a bias belongs
  /// to several rows.
  bool row_is_result = true;

  [[nodiscard]] std::size_t rows() const { return row_offsets.size(); }
  [[nodiscard]] std::size_t columns() const { return column_offsets.size(); }
  [[nodiscard]] std::size_t offset(std::size_t group, std::size_t row, std::size_t column) const {
    return group * group_step + row_offsets[row] + column_offsets[column];
  }
};

/// The matrix of a convolution or fully connected node with a constant kernel; nothing for other
/// nodes. input: the shape of the node's first input, in the graph's layout, all sizes known.
/// errors: Malformed for shapes that do not fit.
[[nodiscard]] Result<std::optional<KernelMatrix>> find_kernel_matrix(const Graph& graph,
                                                                     const Node& node,
                                                                     const Shape& input);

}  // namespace visionpress
