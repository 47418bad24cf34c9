#include "calibrate/kernel_matrix.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "lower/axis_order.h"
#include "lower/window.h"
#include "model/kernel_axes.h"

namespace visionpress {
namespace {

std::size_t size_of(std::int64_t size) { return static_cast<std::size_t>(size); }

/// The weight behind an input; nothing for an absent or computed one.
std::optional<std::size_t> weight_of(const Graph& graph, const Node& node, std::size_t input) {
  if (node.inputs.size() <= input || node.inputs[input] == kNoTensor) return std::nullopt;
  return graph.tensor(node.inputs[input]).weight;
}

/// A kernel's sizes and the steps between its elements.
struct KernelSteps {
  KernelSizes sizes = {};
  std::array<std::int64_t, 5> strides = {};  ///< group, out, in, height, width

  [[nodiscard]] std::vector<std::size_t> list_taps() const {
    std::vector<std::size_t> taps;
    for (std::int64_t y = 0; y < sizes.height; ++y) {
      for (std::int64_t x = 0; x < sizes.width; ++x)
        taps.push_back(size_of(y * strides[3] + x * strides[4]));
    }
    return taps;
  }
  [[nodiscard]] std::int64_t outs_per_group() const { return sizes.out / sizes.groups; }
};

/// Rows are results, columns the window's pixels.
void fill_window(const KernelSteps& kernel, KernelMatrix& matrix) {
  for (std::int64_t o = 0; o < kernel.outs_per_group(); ++o)
    matrix.row_offsets.push_back(size_of(o * kernel.strides[1]));
  for (const std::size_t tap : kernel.list_taps()) {
    for (std::int64_t i = 0; i < kernel.sizes.in_per_group; ++i)
      matrix.column_offsets.push_back(tap + size_of(i * kernel.strides[2]));
  }
}

/// Each pixel is spread over a window of results, by one row for each tap.
void fill_transposed(const KernelSteps& kernel, KernelMatrix& matrix) {
  matrix.row_is_result = false;
  for (std::int64_t o = 0; o < kernel.outs_per_group(); ++o) {
    for (const std::size_t tap : kernel.list_taps())
      matrix.row_offsets.push_back(size_of(o * kernel.strides[1]) + tap);
  }
  for (std::int64_t i = 0; i < kernel.sizes.in_per_group; ++i)
    matrix.column_offsets.push_back(size_of(i * kernel.strides[2]));
}

Result<KernelMatrix> convolution_matrix(const Graph& graph, const Node& node, const Conv2d& op,
                                        const Shape& input) {
  const Shape image = physical_shape(input, graph.layout);
  const Shape& shape = graph.tensor(node.inputs[1]).shape;
  VP_ASSIGN_OR_RETURN(const ConvGeometry geometry, conv_geometry(op, image, shape));
  KernelSteps kernel;
  kernel.sizes = kernel_sizes(shape, op.kernel_layout, geometry.groups);
  kernel.strides = kernel_strides(kernel.sizes, op.kernel_layout);
  KernelMatrix matrix;
  matrix.groups = size_of(kernel.sizes.groups);
  matrix.group_step = size_of(kernel.strides[0]);
  LayerColumns& reads = matrix.reads;
  reads.is_image = true;
  reads.channels_per_group = size_of(kernel.sizes.in_per_group);
  if (op.transposed) {
    fill_transposed(kernel, matrix);
    reads.positions = {image[1], image[2]};
    return matrix;
  }
  fill_window(kernel, matrix);
  reads.before = geometry.before;
  reads.stride = op.stride;
  reads.dilation = op.dilation;
  reads.kernel = geometry.kernel;
  reads.positions = geometry.out;
  return matrix;
}

Result<KernelMatrix> connected_matrix(const Graph& graph, const Node& node,
                                      const FullyConnected& op, const Shape& input) {
  const Shape& shape = graph.tensor(node.inputs[1]).shape;
  const auto count = element_count(input);
  if (shape.size() != 2 || !count) {
    return fail(ErrorKind::Malformed, "a matrix of shape {} for an input of {}", to_string(shape),
                to_string(input));
  }
  const std::size_t outs = size_of(shape[op.kernel_is_in_out ? 1 : 0]);
  const std::size_t ins = size_of(shape[op.kernel_is_in_out ? 0 : 1]);
  if (ins == 0 || size_of(*count) % ins != 0) {
    return fail(ErrorKind::Malformed, "a matrix of shape {} for an input of {}", to_string(shape),
                to_string(input));
  }
  KernelMatrix matrix;
  for (std::size_t o = 0; o < outs; ++o)
    matrix.row_offsets.push_back(op.kernel_is_in_out ? o : o * ins);
  for (std::size_t i = 0; i < ins; ++i)
    matrix.column_offsets.push_back(op.kernel_is_in_out ? i * outs : i);
  matrix.reads.positions = {*count / static_cast<std::int64_t>(ins), 1};
  return matrix;
}

}  // namespace

Result<std::optional<KernelMatrix>> find_kernel_matrix(const Graph& graph, const Node& node,
                                                       const Shape& input) {
  const std::optional<std::size_t> weight = find_kernel(graph, node);
  if (!weight) return std::nullopt;
  KernelMatrix matrix;
  if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
    VP_ASSIGN_OR_RETURN(matrix, convolution_matrix(graph, node, *conv, input));
  } else {
    VP_ASSIGN_OR_RETURN(matrix,
                        connected_matrix(graph, node, std::get<FullyConnected>(node.op), input));
  }
  matrix.weight = *weight;
  matrix.input = node.inputs[0];
  if (matrix.row_is_result) matrix.bias = weight_of(graph, node, 2);
  return matrix;
}

}  // namespace visionpress
