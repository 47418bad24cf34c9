#include <algorithm>
#include <array>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"
#include "lower/window.h"

namespace visionpress::graphdef {
namespace {

constexpr std::size_t kHeight = 1;  // of N, H, W, C
constexpr std::size_t kChannels = 3;

/// Attributes that convolutions and pools share.
struct Window {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> dilation = {1, 1};
  std::array<std::int64_t, 2> kernel = {1, 1};
  SpatialPadding padding = {};
  std::string refused = {};  ///< the reason why the node cannot be run
};

/// Reads a list [1, H, W, 1]. errors: Malformed for other lengths and for sizes below 1.
Result<void> read_pair(NodeLowering& node, const char* name, std::array<std::int64_t, 2>& pair,
                       Window& window) {
  VP_ASSIGN_OR_RETURN(const auto list, read_ints_attr(node.node(), name));
  if (list.empty()) return {};
  const bool fits = list.size() == 4 && std::all_of(list.begin(), list.end(), [](std::int64_t v) {
                      return v >= 1 && v <= kMostPixels;
                    });
  if (!fits) {
    return malformed(node, fmt::format("attribute \"{}\" is {}, expected four sizes of 1..{}", name,
                                       to_string(list), kMostPixels));
  }
  if (list[0] != 1 || list[kChannels] != 1) {
    window.refused = fmt::format("its {} are {} along batch and channels, 1 is run", name,
                                 fmt::format("{} and {}", list[0], list[kChannels]));
  }
  pair = {list[kHeight], list[kHeight + 1]};
  return {};
}

Result<Window> read_window(NodeLowering& node) {
  Window window;
  VP_ASSIGN_OR_RETURN(const std::string layout, read_text_attr(node.node(), "data_format", "NHWC"));
  if (layout != "NHWC") {
    window.refused = "its layout is " + layout + ", NHWC is run";
    return window;
  }
  VP_RETURN_IF_ERROR(read_pair(node, "strides", window.stride, window));
  VP_RETURN_IF_ERROR(read_pair(node, "dilations", window.dilation, window));
  VP_RETURN_IF_ERROR(read_pair(node, "ksize", window.kernel, window));
  VP_ASSIGN_OR_RETURN(const std::string padding, read_text_attr(node.node(), "padding"));
  if (padding == "SAME") {
    window.padding.rule = PadRule::SameUpper;
  } else if (padding == "EXPLICIT") {
    VP_ASSIGN_OR_RETURN(const auto sizes, read_ints_attr(node.node(), "explicit_paddings"));
    const bool fits = sizes.size() == 8 && std::all_of(sizes.begin(), sizes.end(), [](auto v) {
                        return v >= 0 && v <= kMostPixels;
                      });
    if (!fits) {
      return malformed(node, "explicit_paddings is " + to_string(sizes) + ", expected eight sizes");
    }
    if (sizes[0] + sizes[1] + sizes[6] + sizes[7] != 0) {
      window.refused = "it pads batch or channels";
    }
    window.padding.before = {sizes[2], sizes[4]};
    window.padding.after = {sizes[3], sizes[5]};
  } else if (padding != "VALID") {
    return malformed(node, "padding is \"" + padding + "\", expected SAME, VALID or EXPLICIT");
  }
  return window;
}

/// Reads the kernel's four sizes. errors: Malformed for another rank or invalid sizes.
Result<Shape> kernel_shape(NodeLowering& node, std::size_t i) {
  const Value& kernel = node.input(i);
  if (kernel.shape && kernel.shape->size() == 4) {
    const auto count = element_count(*kernel.shape);
    if (count && *count > 0) return *kernel.shape;
  }
  return malformed(node, fmt::format("its kernel has the shape {}, expected four sizes",
                                     kernel.shape ? to_string(*kernel.shape) : "?"));
}

Result<void> lower_convolution(NodeLowering& node, bool is_depthwise) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 2));
  VP_ASSIGN_OR_RETURN(const Window window, read_window(node));
  if (!window.refused.empty()) return node.refuse(window.refused);
  if (!node.is_constant(1)) return node.refuse_computed(1, "its kernel is computed");
  VP_ASSIGN_OR_RETURN(const Shape kernel, kernel_shape(node, 1));
  Value& x = node.input(0);
  Conv2d conv;
  conv.stride = window.stride;
  conv.dilation = window.dilation;
  conv.padding = window.padding;
  conv.kernel_layout = is_depthwise ? KernelLayout::Hwim : KernelLayout::Hwio;
  conv.groups = is_depthwise ? 0 : 1;
  const std::int64_t channels = x.shape && x.shape->size() == 4 ? (*x.shape)[kChannels] : -1;
  // If the input has a multiple of the kernel's channels, the convolution is grouped.
  const bool divides = channels > 0 && channels % kernel[2] == 0;
  if (!is_depthwise && divides) conv.groups = channels / kernel[2];
  VP_ASSIGN_OR_RETURN(
      Value result,
      node.apply_with(conv, x, {{&node.input(1), {WeightRole::Kernel, is_depthwise ? 2 : 3}}}));
  node.set_output(0, std::move(result));
  return {};
}

Result<void> lower_conv2d(NodeLowering& node) { return lower_convolution(node, false); }
Result<void> lower_depthwise(NodeLowering& node) { return lower_convolution(node, true); }

/// inputs: sizes of the result, kernel [H, W, out, in], x.
Result<void> lower_transposed(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_RETURN_IF_ERROR(node.expect_types(1, 3));
  VP_ASSIGN_OR_RETURN(const Window window, read_window(node));
  if (!window.refused.empty()) return node.refuse(window.refused);
  if (!node.is_constant(1)) return node.refuse_computed(1, "its kernel is computed");
  VP_ASSIGN_OR_RETURN(const Shape kernel, kernel_shape(node, 1));
  VP_ASSIGN_OR_RETURN(const auto sizes, node.find_integers(0));
  if (!sizes) return node.refuse_computed(0, "the size of its result is computed");
  const bool has_batch = sizes->size() == 4;
  if (!has_batch && sizes->size() != 2) {
    return malformed(node, "its result has the sizes " + to_string(*sizes) + ", expected four");
  }
  Conv2d conv;
  conv.stride = window.stride;
  conv.dilation = window.dilation;
  conv.padding = window.padding;
  conv.kernel_layout = KernelLayout::Hwoi;
  conv.transposed = true;
  conv.output_size = {(*sizes)[has_batch ? 1 : 0], (*sizes)[has_batch ? 2 : 1]};
  if (conv.output_size[0] < 1 || conv.output_size[1] < 1) {
    return malformed(node, "its result has the sizes " + to_string(*sizes));
  }
  Value& x = node.input(2);
  VP_ASSIGN_OR_RETURN(Value result,
                      node.apply_with(conv, x, {{&node.input(1), {WeightRole::Kernel, 2}}}));
  node.set_output(0, std::move(result));
  return {};
}

Result<void> lower_pool(NodeLowering& node, PoolKind kind) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  VP_ASSIGN_OR_RETURN(const Window window, read_window(node));
  if (!window.refused.empty()) return node.refuse(window.refused);
  Pool2d pool;
  pool.kind = kind;
  pool.kernel = window.kernel;
  pool.stride = window.stride;
  pool.padding = window.padding;
  Value& x = node.input(0);
  return node.finish(pool, {&x}, x.dtype);
}

Result<void> lower_max_pool(NodeLowering& node) { return lower_pool(node, PoolKind::Max); }
Result<void> lower_average_pool(NodeLowering& node) { return lower_pool(node, PoolKind::Average); }

/// Lowers a matrix product in which either operand may be computed.
Result<void> lower_product(NodeLowering& node, const BatchMatMul& op) {
  Value& a = node.input(0);
  Value& b = node.input(1);
  if (a.dtype != DataType::Float) return node.refuse("it multiplies other than float32");
  if (node.is_constant(0) || !node.is_constant(1)) return node.finish(op, {&a, &b}, a.dtype);
  const auto rank = static_cast<int>(b.shape ? b.shape->size() : 2);
  const Use kernel = {WeightRole::Kernel, rank - (op.transpose_b ? 2 : 1)};
  VP_ASSIGN_OR_RETURN(Value result, node.apply_with(op, a, {{&b, kernel}}));
  node.set_output(0, std::move(result));
  return {};
}

Result<void> lower_batch_matmul(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 2));
  BatchMatMul op;
  VP_ASSIGN_OR_RETURN(op.transpose_a, read_bool_attr(node.node(), "adj_x"));
  VP_ASSIGN_OR_RETURN(op.transpose_b, read_bool_attr(node.node(), "adj_y"));
  return lower_product(node, op);
}

Result<void> lower_matmul(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 2));
  VP_ASSIGN_OR_RETURN(const bool turn_x, read_bool_attr(node.node(), "transpose_a"));
  VP_ASSIGN_OR_RETURN(const bool turn_kernel, read_bool_attr(node.node(), "transpose_b"));
  if (turn_x || !node.is_constant(1)) return lower_product(node, {turn_x, turn_kernel});
  const Shape kernel = node.input(1).shape.value_or(Shape());
  const std::size_t in = turn_kernel ? 1 : 0;
  Value& x = node.input(0);
  const bool fits =
      kernel.size() == 2 &&
      (!x.shape || (x.shape->size() == 2 && ((*x.shape)[1] == kernel[in] || (*x.shape)[1] < 0)));
  if (!fits) {
    return malformed(node, fmt::format("MatMul of {} and {}", x.shape ? to_string(*x.shape) : "?",
                                       to_string(kernel)));
  }
  FullyConnected op;
  op.kernel_is_in_out = !turn_kernel;
  if (x.shape)
    x.shape->back() = kernel[in];  // the kernel gives the size that the file may leave open
  VP_ASSIGN_OR_RETURN(
      Value result,
      node.apply_with(op, x, {{&node.input(1), {WeightRole::Kernel, static_cast<int>(1 - in)}}}));
  node.set_output(0, std::move(result));
  return {};
}

/// inputs: x, scale, offset, mean, variance.
Result<void> lower_batch_norm(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(5, 5));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  VP_ASSIGN_OR_RETURN(const std::string layout, read_text_attr(node.node(), "data_format", "NHWC"));
  if (layout != "NHWC") return node.refuse("its layout is " + layout + ", NHWC is run");
  VP_ASSIGN_OR_RETURN(const bool is_training, read_bool_attr(node.node(), "is_training", true));
  if (is_training) return node.refuse("it is in training mode: it needs the statistics of a batch");
  if (node.lowering().reader_counts[node.index()].size() > 1) {
    return node.refuse("its statistics are read");
  }
  Value& x = node.input(0);
  std::vector<std::pair<Value*, Use>> parameters;
  for (std::size_t i = 1; i < 5; ++i) {
    if (!node.is_constant(i)) return node.refuse_computed(i, "its parameters are computed");
    const Shape& shape = *node.input(i).shape;
    const std::int64_t channels = x.shape && !x.shape->empty() ? x.shape->back() : -1;
    if (shape.size() != 1 || (channels >= 0 && shape[0] != channels)) {
      return malformed(node, fmt::format("a parameter has the shape {}, expected [{}]",
                                         to_string(shape), channels));
    }
    parameters.push_back({&node.input(i), {WeightRole::Vector, 0}});
  }
  BatchNorm norm;
  VP_ASSIGN_OR_RETURN(norm.epsilon, read_float_attr(node.node(), "epsilon", 1e-4F));
  VP_ASSIGN_OR_RETURN(Value result, node.apply_with(norm, x, parameters));
  node.set_output(0, std::move(result));
  return {};
}

Result<void> lower_pad(NodeLowering& node) {
  const std::string& op = node.node().op;
  VP_RETURN_IF_ERROR(node.expect_inputs(op == "PadV2" ? 3 : 2, op == "PadV2" ? 3 : 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  VP_ASSIGN_OR_RETURN(const auto sizes, node.find_integers(1));
  if (!sizes) return node.refuse_computed(1, "its paddings are computed");
  Value& x = node.input(0);
  if (sizes->size() % 2 != 0)
    return malformed(node, fmt::format("{} has the paddings {}", op, to_string(*sizes)));
  Pad pad;
  for (std::size_t i = 0; i < sizes->size(); i += 2) {
    pad.before.push_back((*sizes)[i]);
    pad.after.push_back((*sizes)[i + 1]);
  }
  if (op == "MirrorPad") {
    VP_ASSIGN_OR_RETURN(const std::string mode, read_text_attr(node.node(), "mode"));
    pad.mode = mode == "SYMMETRIC" ? PadMode::Symmetric : PadMode::Reflect;
  }
  if (op == "PadV2") {
    VP_ASSIGN_OR_RETURN(const auto value, node.find_number(2));
    if (!value) return node.refuse("its padding value is computed");
    pad.value = static_cast<float>(*value);
  }
  return node.finish(std::move(pad), {&x}, x.dtype);
}

Result<void> lower_resize(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto size, node.find_integers(1));
  if (!size) {
    VP_RETURN_IF_ERROR(node.refuse_computed(1, "its size is computed"));
    // The result is still an image, so nodes that read it are not refused as well.
    Value& result = node.lowering().values[node.index()].front();
    result.dtype = DataType::Float;
    result.shape = node.input(0).shape;
    if (result.shape && result.shape->size() == 4) {
      (*result.shape)[kHeight] = (*result.shape)[kHeight + 1] = -1;
    }
    return {};
  }
  if (size->size() != 2 || std::min((*size)[0], (*size)[1]) < 1 ||
      std::max((*size)[0], (*size)[1]) > kMostPixels) {
    return malformed(node, "it resizes to " + to_string(*size) + ", expected height and width");
  }
  VP_ASSIGN_OR_RETURN(const bool align_corners, read_bool_attr(node.node(), "align_corners"));
  VP_ASSIGN_OR_RETURN(const bool half_pixel, read_bool_attr(node.node(), "half_pixel_centers"));
  Resize resize;
  resize.kind = node.node().op == "ResizeBilinear" ? ResizeKind::Bilinear : ResizeKind::Nearest;
  resize.size = {(*size)[0], (*size)[1]};
  if (half_pixel) resize.grid = ResizeGrid::HalfPixel;
  if (align_corners) resize.grid = ResizeGrid::AlignCorners;
  // Bilinear values are floats whatever the pixels are.
  Value& x = node.input(0);
  const bool keeps_type = resize.kind == ResizeKind::Nearest && x.dtype != DataType::Invalid;
  return node.finish(resize, {&x}, keeps_type ? x.dtype : DataType::Float);
}

Result<void> lower_lrn(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  LocalResponseNorm norm;
  VP_ASSIGN_OR_RETURN(norm.radius, read_int_attr(node.node(), "depth_radius", 5));
  VP_ASSIGN_OR_RETURN(norm.bias, read_float_attr(node.node(), "bias", 1.0F));
  VP_ASSIGN_OR_RETURN(norm.alpha, read_float_attr(node.node(), "alpha", 1.0F));
  VP_ASSIGN_OR_RETURN(norm.beta, read_float_attr(node.node(), "beta", 0.5F));
  Value& x = node.input(0);
  const bool is_image = !x.shape || x.shape->size() == 4;
  if (!is_image || norm.radius < 0 || norm.radius > kLargestSize) {
    return malformed(node, fmt::format("LRN of {} with radius {}",
                                       x.shape ? to_string(*x.shape) : "?", norm.radius));
  }
  return node.finish(norm, {&x}, x.dtype);
}

Result<void> lower_space_depth(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::string layout, read_text_attr(node.node(), "data_format", "NHWC"));
  if (layout != "NHWC") return node.refuse("its layout is " + layout + ", NHWC is run");
  SpaceDepth space;
  VP_ASSIGN_OR_RETURN(space.block, read_int_attr(node.node(), "block_size"));
  if (space.block < 2 || space.block > (1 << 12)) {
    return malformed(node, fmt::format("a block of {}", space.block));
  }
  const bool to_depth = node.node().op == "SpaceToDepth";
  space.kind = to_depth ? SpaceDepthKind::SpaceToDepth : SpaceDepthKind::DepthToSpace;
  Value& x = node.input(0);
  return node.finish(space, {&x}, x.dtype);
}

constexpr std::array kSpatialRows = std::to_array<OperatorRow>({
    {"Conv2D", lower_conv2d},
    {"DepthwiseConv2dNative", lower_depthwise},
    {"Conv2DBackpropInput", lower_transposed},
    {"LRN", lower_lrn},
    {"MaxPool", lower_max_pool},
    {"AvgPool", lower_average_pool},
    {"MatMul", lower_matmul},
    {"BatchMatMul", lower_batch_matmul},
    {"BatchMatMulV2", lower_batch_matmul},
    {"BatchMatMulV3", lower_batch_matmul},
    {"FusedBatchNorm", lower_batch_norm},
    {"FusedBatchNormV2", lower_batch_norm},
    {"FusedBatchNormV3", lower_batch_norm},
    {"Pad", lower_pad},
    {"PadV2", lower_pad},
    {"MirrorPad", lower_pad},
    {"ResizeNearestNeighbor", lower_resize},
    {"ResizeBilinear", lower_resize},
    {"SpaceToDepth", lower_space_depth},
    {"DepthToSpace", lower_space_depth},
});

}  // namespace

std::span<const OperatorRow> spatial_rows() { return kSpatialRows; }

}  // namespace visionpress::graphdef
