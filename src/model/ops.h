#pragma once

// The operators of a Graph. A format's reader lowers its layers to these; the layer `run` executes
// them.
// Axes count from the outermost; the spatial axes are H and W of the graph's layout.

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "model/tensor.h"

namespace visionpress {

/// Applied to the result of an operator, in the same rounding step.
enum class FusedActivation : std::uint8_t { None, Relu, Relu6, ReluN1To1 };

enum class PadRule : std::uint8_t {
  Explicit,          ///< `before` and `after` say how many pixels; floor for the output size
  SameUpper,         ///< out = ceil(in / stride); the odd pixel goes after (right, bottom)
  SameLower,         ///< the odd pixel goes before (left, top)
  IncludeLastPixel,  ///< Core ML pooling: out = ceil, then dropped when it would start past the end
};

/// Two spatial axes, in the order height, width.
struct SpatialPadding {
  PadRule rule = PadRule::Explicit;
  std::array<std::int64_t, 2> before = {0, 0};
  std::array<std::int64_t, 2> after = {0, 0};
};

enum class KernelLayout : std::uint8_t {
  Oihw,  ///< Core ML: [out, in/groups, H, W]
  Iohw,  ///< Core ML deconvolution: [in, out/groups, H, W]
  Ohwi,  ///< TFLite CONV_2D, TRANSPOSE_CONV: [out, H, W, in/groups]
  Hwo,   ///< TFLite DEPTHWISE_CONV_2D: [1, H, W, out]; groups = in channels
  Hwio,  ///< TensorFlow Conv2D: [H, W, in/groups, out]
  Hwoi,  ///< TensorFlow Conv2DBackpropInput: [H, W, out, in/groups]
  Hwim,  ///< TensorFlow DepthwiseConv2dNative: [H, W, in, multiplier]; groups = in channels
};

/// inputs: x, kernel, optional bias [out].
struct Conv2d {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> dilation = {1, 1};
  SpatialPadding padding = {};
  std::int64_t groups = 1;  ///< 0: one per input channel (depthwise)
  KernelLayout kernel_layout = KernelLayout::Oihw;
  bool transposed = false;
  std::array<std::int64_t, 2> output_size = {0, 0};  ///< transposed: requested H, W; 0: by the rule
  FusedActivation activation = FusedActivation::None;
  /// The kernel is 8-bit and the format's runtime quantizes the activations on the fly ("hybrid").
  bool dynamic_range = false;
};

/// inputs: x, kernel [out, in] or, where `kernel_is_in_out`, [in, out] (TensorFlow MatMul),
/// optional bias [out]. x is flattened to [.., in].
struct FullyConnected {
  bool kernel_is_in_out = false;
  FusedActivation activation = FusedActivation::None;
  bool dynamic_range = false;
  bool asymmetric_inputs = false;  ///< dynamic_range: quantize inputs with a zero point
  bool keep_dims = false;          ///< keep the leading axes instead of flattening to [batch, out]
  bool keep_spatial = false;       ///< Core ML: result is [N, out, 1, 1]
};

enum class PoolKind : std::uint8_t {
  Max,
  Average,
  L2,     ///< root of the mean of the squares (TFLite)
  L2Sum,  ///< root of their sum (Core ML)
};

/// inputs: a [.., rows, inner] and b [.., inner, columns]; either may be computed. The axes before
/// the last two broadcast as in NumPy.
struct BatchMatMul {
  bool transpose_a = false;  ///< a is [.., inner, rows]
  bool transpose_b = false;  ///< b is [.., columns, inner]
};

/// inputs: x. A maximum passes NaN on, so that it is seen; the runtimes lose it, each in its own
/// way (TensorFlow and LiteRT's builtin kernels skip it, XNNPACK's result depends on its place).
struct Pool2d {
  PoolKind kind = PoolKind::Max;
  std::array<std::int64_t, 2> kernel = {1, 1};
  std::array<std::int64_t, 2> stride = {1, 1};
  SpatialPadding padding = {};
  /// Average: padded zeros count as elements; the pixels that IncludeLastPixel adds do not.
  bool count_padding = false;
  bool global = false;  ///< kernel is the whole plane
  FusedActivation activation = FusedActivation::None;
};

enum class UnaryKind : std::uint8_t {
  Relu,
  Relu6,
  ReluN1To1,
  LeakyRelu,        ///< x < 0 ? alpha * x : x
  ThresholdedRelu,  ///< x < alpha ? 0 : x
  Sigmoid,
  Tanh,
  ScaledTanh,   ///< alpha * tanh(beta * x)
  HardSigmoid,  ///< clamp(alpha * x + beta, 0, 1)
  HardSwish,    ///< x * clamp(x + 3, 0, 6) / 6
  Elu,          ///< x < 0 ? alpha * (exp(x) - 1) : x
  Softsign,
  Softplus,
  Linear,     ///< alpha * x + beta
  Threshold,  ///< max(x, alpha)
  Clip,       ///< clamp(x, alpha, beta)
  Sqrt,       ///< of x
  Rsqrt,      ///< 1 / sqrt(x + epsilon), epsilon in beta
  Inverse,    ///< 1 / (x + epsilon), epsilon in beta
  Power,      ///< x ^ alpha
  Exp,
  Log,
  Abs,
  Square,
  Negate,
  Floor,
  Ceil,
  Round,  ///< ties to even
  Erf,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Asinh,
  Acosh,
  Atanh,
  Log1p,     ///< log(1 + x)
  Expm1,     ///< exp(x) - 1
  Truncate,  ///< towards zero: a cast to an integer
  Sign,
  LogicalNot,  ///< x == 0
};

/// Whether the function is piecewise constant: a rounding error before it may move its result by a
/// whole step.
[[nodiscard]] constexpr bool is_stepwise(UnaryKind kind) {
  switch (kind) {
    case UnaryKind::Floor:
    case UnaryKind::Ceil:
    case UnaryKind::Round:
    case UnaryKind::Truncate:
    case UnaryKind::Sign:
    case UnaryKind::LogicalNot:
      return true;
    default:
      return false;
  }
}

/// inputs: x. Elementwise.
struct Unary {
  UnaryKind kind = UnaryKind::Relu;
  float alpha = 0.0F;
  float beta = 0.0F;
};

/// A fused activation as an operator of its own; None is the identity.
[[nodiscard]] constexpr Unary unary_of(FusedActivation activation) {
  switch (activation) {
    case FusedActivation::Relu:
      return {UnaryKind::Relu, 0.0F, 0.0F};
    case FusedActivation::Relu6:
      return {UnaryKind::Relu6, 0.0F, 0.0F};
    case FusedActivation::ReluN1To1:
      return {UnaryKind::ReluN1To1, 0.0F, 0.0F};
    case FusedActivation::None:
      break;
  }
  return {UnaryKind::Linear, 1.0F, 0.0F};
}

enum class BinaryKind : std::uint8_t {
  Add,
  Subtract,
  Multiply,
  Divide,
  Maximum,
  Minimum,
  Average,
  /// floor(a / b) with the quotient in double, so exact for floats (LiteRT, NumPy). A zero in b is
  /// an error of the run, as in LiteRT.
  FloorDivide,
  FloorModulo,  ///< the rest of a / b with the sign of b
  Power,
  SquaredDifference,
  Atan2,  ///< the angle of the point (b, a)
  // These give 1 or 0.
  Greater,
  GreaterEqual,
  Less,
  LessEqual,
  Equal,
  NotEqual,
  LogicalAnd,
  LogicalOr,
};

/// BinaryKind::FloorModulo. Exact, and below b for every a. The formula a - b * floor(a / b) is
/// neither when a / b is large.
template <typename T>
[[nodiscard]] T floor_modulo(T a, T b) {
  const T rest = std::fmod(a, b);
  return rest != T{0} && (rest < T{0}) != (b < T{0}) ? rest + b : rest;
}

/// inputs: two or more tensors, folded from the left with NumPy broadcasting. Average divides their
/// sum by their number. Integers and truth values are held as floats.
struct Binary {
  BinaryKind kind = BinaryKind::Add;
  FusedActivation activation = FusedActivation::None;
  /// true: Maximum and Minimum give NaN where either operand is NaN (NumPy, TensorFlow). false:
  /// such an element is the second operand's (LiteRT). LiteRT's default kernels clamp by a constant
  /// of one value; there it is the computed operand's.
  bool keeps_nan = false;
};

/// inputs: x, slopes (one per channel, or one). x < 0 ? slope * x : x
struct Prelu {};

/// inputs: x, gamma, beta, mean, variance (each [C]).
/// gamma * (x - mean) / sqrt(variance + epsilon) + beta
struct BatchNorm {
  float epsilon = 1e-5F;
};

/// inputs: x, gamma, beta (each [C]). BatchNorm with the mean and variance of each plane of each
/// image.
struct InstanceNorm {
  float epsilon = 1e-5F;
};

/// inputs: x. x / (bias + alpha * sum) ^ beta; the sum is that of the squares of x at its own place
/// along `axis` and the `radius` places on either side.
struct LocalResponseNorm {
  int axis = -1;  ///< negative: from the innermost
  std::int64_t radius = 5;
  float bias = 1.0F;
  float alpha = 1.0F;
  float beta = 0.5F;
};

/// inputs: x.
struct Softmax {
  int axis = -1;  ///< negative: from the innermost
  float beta = 1.0F;
};

/// inputs: two or more tensors.
struct Concat {
  int axis = 0;
  FusedActivation activation = FusedActivation::None;
};

/// inputs: x. Reinterprets the row-major elements. One size may be -1; 0 is a size of zero.
struct Reshape {
  Shape target = {};
  bool zero_keeps = false;  ///< a 0 keeps the size that x has on the same axis
};

/// inputs: x. Drops axes of size 1 (all of them when `axes` is empty).
struct Squeeze {
  std::vector<int> axes = {};
};

/// inputs: x.
struct ExpandDims {
  std::vector<int> axes = {};
};

/// inputs: x. Axis i of the result is axis permutation[i] of x.
struct Transpose {
  std::vector<int> permutation = {};
};

enum class PadMode : std::uint8_t { Constant, Reflect, Symmetric, Replicate };

/// inputs: x. One entry per axis of x.
struct Pad {
  PadMode mode = PadMode::Constant;
  std::vector<std::int64_t> before = {};
  std::vector<std::int64_t> after = {};
  float value = 0.0F;
};

/// inputs: x. Takes the elements begin + i * stride below `end`; one entry per axis. A negative
/// begin or end counts from the end of its axis (-1: the last element).
struct Slice {
  std::vector<std::int64_t> begin = {};   ///< before the first element is cut to it
  std::vector<std::int64_t> end = {};     ///< exclusive; beyond the end is cut to it
  std::vector<std::int64_t> stride = {};  ///< positive
  std::vector<int> squeeze_axes = {};     ///< axes of the result that are dropped
};

/// inputs: x, sizes (whole numbers, one per axis of x). Takes the first sizes[0] rows of x, or all
/// if that is -1; the other sizes are those of x or -1. The count is known only at run time.
/// source: TFLite's SLICE from 0 of a computed size.
struct TakeRows {};

/// inputs: x. Cuts x into parts along `axis`, one per output.
struct Split {
  int axis = 0;
  std::vector<std::int64_t> sizes =
      {};  ///< one per part; one may be -1: the rest; empty: equal parts
};

enum class ResizeKind : std::uint8_t { Nearest, Bilinear };

enum class ResizeGrid : std::uint8_t {
  Corner,        ///< source = i * in / out
  HalfPixel,     ///< source = (i + 0.5) * in / out - 0.5
  AlignCorners,  ///< source = i * (in - 1) / (out - 1); 0 where out is 1
  /// As AlignCorners, but an output of one element is the middle of the input, (in - 1) / 2
  /// (Core ML ALIGN_ENDPOINTS_MODE); AlignCorners takes element 0 there.
  AlignCornersCentered,
  RoiAlign,  ///< source = (i + 0.5) * max(1, in - 1) / out (Core ML ROI_ALIGN_MODE)
};

/// inputs: x. `size` or, where it is zero, `scale` times the input's size.
struct Resize {
  ResizeKind kind = ResizeKind::Nearest;
  ResizeGrid grid = ResizeGrid::Corner;
  std::array<std::int64_t, 2> size = {0, 0};
  std::array<float, 2> scale = {1.0F, 1.0F};
};

enum class ReduceKind : std::uint8_t {
  Sum,
  Mean,
  Product,
  Maximum,
  Minimum,
  ArgMax,
  ArgMin,
  SumOfSquares,
  L1,
  L2,
  LogSum
};

/// inputs: x. ArgMax and ArgMin give the index as a float value.
struct Reduce {
  ReduceKind kind = ReduceKind::Mean;
  std::vector<int> axes = {};  ///< negative: from the innermost
  bool keep_dims = true;
  float epsilon = 0.0F;  ///< LogSum
  /// true: Maximum and Minimum are NaN if any element is (TensorFlow).
  /// false: LiteRT's rule, `total > x ? total : x` in order, so the next element replaces a NaN.
  /// ArgMax and ArgMin of NaN are an error of the run, since the index depends on the processor's
  /// vector instructions; only LiteRT's over an outer axis does not, and skips NaN.
  bool keeps_nan = false;
};

enum class SpaceDepthKind : std::uint8_t {
  SpaceToDepth,
  DepthToSpace,
  PixelShuffle,  ///< as DepthToSpace, with the block innermost within the channels (PyTorch)
};

/// inputs: x. Unless the kind says otherwise, TensorFlow's order: the channels of one pixel of a
/// block lie together.
struct SpaceDepth {
  SpaceDepthKind kind = SpaceDepthKind::DepthToSpace;
  std::int64_t block = 2;
};

enum class SpaceBatchKind : std::uint8_t { SpaceToBatch, BatchToSpace };

/// inputs: x [batch, spatial.., rest..]. SpaceToBatch: zeros are added around each spatial axis,
/// then image (k * batch + n) of the result has the pixels at offset k (row-major) of each block of
/// image n. BatchToSpace: the inverse, then elements are cut off. One entry per spatial axis.
struct SpaceBatch {
  SpaceBatchKind kind = SpaceBatchKind::SpaceToBatch;
  std::vector<std::int64_t> block = {};
  std::vector<std::int64_t> before = {};  ///< zeros added or elements cut off
  std::vector<std::int64_t> after = {};
};

/// inputs: x, indices (whole numbers). Takes x along `axis` at each index; the axes of `indices`
/// replace that axis. The first `batch_axes` axes of both are the same: each index picks within its
/// own batch.
struct Gather {
  int axis = 0;
  int batch_axes = 0;        ///< 0..axis
  bool counts_back = false;  ///< negative indices count from the end; if not, they are an error
};

/// inputs: x, indices [.., depth]. TensorFlow's GatherNd: each row indexes the first `depth` axes.
struct GatherNd {
  bool counts_back = false;  ///< as in Gather
};

/// inputs: x, indices, with as many axes as x. Element (.., i, ..) of the result is that of x with
/// indices[.., i, ..] in the place of i along `axis`; its shape is that of `indices`.
struct GatherElements {
  int axis = 0;
  bool counts_back = false;  ///< as in Gather
};

/// What becomes of an element and the update for its place.
enum class ScatterKind : std::uint8_t {
  Update,  ///< the update; of several for one place, the last
  Add,
  Subtract,
  Multiply,
  Divide,
  Maximum,
  Minimum,
};

/// inputs: x, indices [.., depth], updates. Gives x with each update combined into the place that
/// its row of indices names on the first `depth` axes.
struct ScatterNd {
  ScatterKind kind = ScatterKind::Update;
  bool counts_back = false;  ///< as in Gather
};

/// inputs: x, indices, updates, of one shape. The inverse of GatherElements.
struct ScatterElements {
  int axis = 0;
  ScatterKind kind = ScatterKind::Update;
  bool counts_back = false;  ///< as in Gather
};

/// inputs: x. The elements in reverse order along each of the axes.
struct Reverse {
  std::vector<int> axes = {};  ///< negative: from the innermost
};

/// inputs: x. The sum of the elements up to each one along `axis`.
struct CumulativeSum {
  int axis = -1;           ///< negative: from the innermost
  bool exclusive = false;  ///< without the element itself
  bool reverse = false;    ///< from the end
};

/// inputs: condition, a, b, with NumPy broadcasting. condition != 0 ? a : b
struct Select {};

/// inputs: x. Gives the row-major indices of the elements that are not zero: [count, axes of x].
/// The count is known only at run time.
struct Where {};

/// inputs: x. Repeats it multiples[i] times along axis i.
struct Tile {
  std::vector<std::int64_t> multiples = {};
};

/// inputs: x. Gives the sizes of x, one per axis.
struct ShapeOf {};

/// inputs: boxes [n, 4] (two opposite corners y1, x1, y2, x2), scores [n]. Greedy, by descending
/// score; of equal scores the lower index first. outputs: indices [count], or [max_outputs] padded
/// with 0 if `pad`; then, if the node has them, count (a scalar) and the chosen scores. source:
/// tensorflow/core/kernels/image/non_max_suppression_op.cc.
struct NonMaxSuppression {
  std::int64_t max_outputs = 0;
  float iou_threshold = 0.5F;    ///< a box that overlaps a chosen one by more is dropped
  float score_threshold = 0.0F;  ///< only scores above this are chosen
  bool has_score_threshold = false;
  bool pad = false;
};

/// inputs: x. outputs: the k largest (smallest) along the last axis, in descending (ascending)
/// order, and their indices. Of equal ones the lower index comes first.
struct TopK {
  std::int64_t k = 1;  ///< -1: all
  bool is_smallest = false;
};

/// inputs: x. Copies x.
struct Identity {};

/// inputs: coded boxes [1, n, 4 or more] (y, x, height, width), scores [1, n, classes, perhaps with
/// a background before them], anchors [n, 4] (y, x, height, width).
/// outputs: boxes [1, k, 4] (top, left, bottom, right), classes [1, k], scores [1, k], count [1];
/// unused places are 0. source: TFLite_Detection_PostProcess of LiteRT.
struct DetectionPostprocess {
  std::int64_t max_boxes = 0;
  std::int64_t classes = 0;
  std::int64_t classes_per_box = 1;    ///< without per_class: results per kept box
  std::int64_t boxes_per_class = 100;  ///< with per_class
  bool per_class = false;              ///< overlaps are dropped within each class
  float score_threshold = 0.0F;        ///< scores from here on are kept
  float iou_threshold = 0.5F;          ///< a box that overlaps a kept one by more is dropped
  std::array<float, 4> scales = {1.0F, 1.0F, 1.0F, 1.0F};  ///< of y, x, height, width
};

/// How codes become floats: by the rule of the kernel set that the run follows, or always by one.
enum class DequantizeRule : std::uint8_t {
  ByRuntime,
  OneProduct,   ///< (q - z) * s
  TwoProducts,  ///< q * s - z * s, but for the last elements (LiteRT's builtin kernel)
};

/// inputs: x. The same values in the 8-bit codes of the result (QUANTIZE), or as floats
/// (DEQUANTIZE).
struct Requantize {
  DequantizeRule rule = DequantizeRule::ByRuntime;
};

enum class CodedFunctionKind : std::uint8_t { LogSoftmax, L2Normalization };

/// inputs: x, of 8-bit codes. A function along the last axis for which LiteRT has a kernel of
/// codes; of floats, several operators compute it.
struct CodedFunction {
  CodedFunctionKind kind = CodedFunctionKind::LogSoftmax;
};

/// A layer that every rewrite keeps but that cannot be run. `why` completes the message "X cannot
/// be run: ".
struct Unsupported {
  std::string why = {};
};

/// The table of operators: X(Name) for each. The type below, the shape rules (lower) and the
/// runner's builders (run) are declared from it, so that an operator without one of them does not
/// link.
// clang-format off
#define VP_EACH_OPERATOR(X) \
  X(Identity) X(Conv2d) X(FullyConnected) X(BatchMatMul) X(Pool2d) X(Unary) X(Binary) \
  X(Prelu) X(BatchNorm) X(InstanceNorm) X(LocalResponseNorm) X(Softmax) X(Concat) X(Reshape) X(Squeeze) \
  X(ExpandDims) X(Transpose) X(Pad) X(Slice) X(Split) X(Resize) X(Reduce) X(SpaceDepth) \
  X(SpaceBatch) X(Gather) X(GatherNd) X(GatherElements) X(ScatterNd) X(ScatterElements) \
  X(Reverse) X(CumulativeSum) X(Select) X(Where) X(Tile) X(ShapeOf) \
  X(NonMaxSuppression) X(TopK) X(TakeRows) X(Requantize) X(CodedFunction) X(DetectionPostprocess)
// clang-format on

#define VP_AFTER_COMMA(Name) , Name
using Op = std::variant<Unsupported VP_EACH_OPERATOR(VP_AFTER_COMMA)>;
#undef VP_AFTER_COMMA

/// Whether every element of the result is an element of an input, or a size. Such operators compute
/// nothing, so a float may stand for any type whose values it holds.
[[nodiscard]] inline bool moves_values(const Op& op) {
  if (const auto* concat = std::get_if<Concat>(&op))
    return concat->activation == FusedActivation::None;
  if (const auto* resize = std::get_if<Resize>(&op)) return resize->kind == ResizeKind::Nearest;
  if (const auto* pool = std::get_if<Pool2d>(&op))
    return pool->kind == PoolKind::Max && pool->activation == FusedActivation::None;
  return std::visit(
      []<typename T>(const T& /*op*/) {
        const auto is_one_of = []<typename... Movers>(std::variant<Movers...>* /*list*/) {
          return (std::is_same_v<T, Movers> || ...);
        };
        using Movers =
            std::variant<Unsupported, Identity, Reshape, Squeeze, ExpandDims, Transpose, Pad, Slice,
                         Split, SpaceDepth, SpaceBatch, Gather, GatherNd, GatherElements, Reverse,
                         Select, Where, Tile, ShapeOf, TopK, TakeRows>;
        return is_one_of(static_cast<Movers*>(nullptr));
      },
      op);
}

/// Whether the runtime quantizes this layer's input during the run ("hybrid"); its kernel is input
/// 1.
[[nodiscard]] inline bool is_dynamic_range(const Op& op) {
  const auto* conv = std::get_if<Conv2d>(&op);
  const auto* connected = std::get_if<FullyConnected>(&op);
  return (conv != nullptr && conv->dynamic_range) ||
         (connected != nullptr && connected->dynamic_range);
}

}  // namespace visionpress
