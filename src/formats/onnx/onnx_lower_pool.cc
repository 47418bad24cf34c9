// Pooling. One and two spatial axes are run as they are; others, and dilated windows, as a maximum
// or sum over the window's taps, each a slice of the input.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"
#include "formats/onnx/onnx_window.h"
#include "lower/window.h"

namespace visionpress::onnx {
namespace {

using Sizes = std::vector<std::int64_t>;

/// The most taps of a window that is run as slices.
constexpr std::int64_t kMostTaps = 256;

/// One pooling along its spatial axes.
struct Pooling {
  PoolKind kind = PoolKind::Max;
  OnnxWindow window = {};
  bool counts_padding = false;
};

/// The number of windows along an axis. A last window that would start behind the input and its
/// first border is dropped (onnx/onnx docs, MaxPool; PyTorch).
std::int64_t count_windows(const OnnxWindow& window, std::size_t axis, std::int64_t size,
                           const AxisPadding& pads) {
  const std::int64_t extent = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
  const std::int64_t span = size + pads.before + pads.after - extent;
  if (span < 0) return 0;
  const std::int64_t stride = window.stride[axis];
  std::int64_t out = span / stride + 1;
  if (window.rounds_up && span % stride != 0 && out * stride < size + pads.before) ++out;
  return out;
}

/// The paddings after the axes that the windows reach.
Result<std::vector<AxisPadding>> settle_window(NodeLowering& node, const Pooling& pool,
                                               const Shape& x) {
  std::vector<AxisPadding> paddings;
  for (std::size_t a = 0; a < pool.window.kernel.size(); ++a) {
    const std::int64_t size = x[a + 2];
    AxisPadding pads = settle_padding(pool.window, a, size);
    if (size >= 0) {
      const std::int64_t out = count_windows(pool.window, a, size, pads);
      if (out < 1) {
        return node.malformed(fmt::format("a window of {} over {} pixels",
                                          to_string(pool.window.kernel), to_string(x)));
      }
      const std::int64_t extent = (pool.window.kernel[a] - 1) * pool.window.dilation[a] + 1;
      pads.after = (out - 1) * pool.window.stride[a] + extent - size - pads.before;
    }
    paddings.push_back(pads);
  }
  return paddings;
}

/// The taps of a window as slices of the padded input, one after another.
Result<std::vector<Value>> take_taps(NodeLowering& node, const Pooling& pool, Value& padded,
                                     const Shape& out) {
  const OnnxWindow& window = pool.window;
  const std::size_t spatial = window.kernel.size();
  const std::int64_t taps = element_count(window.kernel).value_or(kMostTaps + 1);
  std::vector<Value> values;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    const std::size_t rank = spatial + 2;
    Slice slice = {Sizes(rank, 0), Sizes(rank, kLargestSize), Sizes(rank, 1), {}};
    std::int64_t left = tap;
    for (std::size_t a = spatial; a-- > 0; left /= window.kernel[a]) {
      const std::int64_t begin = left % window.kernel[a] * window.dilation[a];
      slice.begin[a + 2] = begin;
      slice.stride[a + 2] = window.stride[a];
      slice.end[a + 2] = begin + (out[a] - 1) * window.stride[a] + 1;
    }
    VP_ASSIGN_OR_RETURN(Value value, node.apply(std::move(slice), padded));
    values.push_back(std::move(value));
  }
  return values;
}

/// For each window the pixels that its mean counts, as a constant along the spatial axes.
Value count_pixels(const Pooling& pool, const std::vector<AxisPadding>& paddings, const Shape& x,
                   const Shape& out) {
  std::vector<double> counts = {1.0};
  for (std::size_t a = 0; a < out.size(); ++a) {
    const OnnxWindow& window = pool.window;
    // The border that ceil_mode adds does not count.
    const std::int64_t last = x[a + 2] + (pool.counts_padding ? window.after[a] : 0);
    const std::int64_t first = pool.counts_padding ? -paddings[a].before : 0;
    std::vector<double> grown;
    for (const double count : counts) {
      for (std::int64_t i = 0; i < out[a]; ++i) {
        std::int64_t inside = 0;
        for (std::int64_t k = 0; k < window.kernel[a]; ++k) {
          const std::int64_t at =
              i * window.stride[a] - paddings[a].before + k * window.dilation[a];
          if (at >= first && at < last) ++inside;
        }
        grown.push_back(count * static_cast<double>(std::max<std::int64_t>(inside, 1)));
      }
    }
    counts = std::move(grown);
  }
  return make_known(out, std::move(counts), DataType::Float);
}

/// The greatest of the taps, or their sum.
Result<Value> combine_taps(NodeLowering& node, const Value& x, std::vector<Value>& taps,
                           bool is_max) {
  if (taps.size() < 2) return taps.front();
  std::vector<Value*> operands;
  operands.reserve(taps.size());
  for (Value& tap : taps) operands.push_back(&tap);
  const BinaryKind kind = is_max ? BinaryKind::Maximum : BinaryKind::Add;
  return node.apply(Binary{kind, FusedActivation::None, true}, operands, x.dtype);
}

Result<void> finish_as_slices(NodeLowering& node, const Pooling& pool, Value& x) {
  const Shape shape = *x.shape;
  const std::size_t spatial = pool.window.kernel.size();
  const bool is_open = std::any_of(shape.begin() + 2, shape.end(), [](auto s) { return s < 0; });
  if (is_open) return node.refuse_computed(0, "the size of its input is open");
  if (element_count(pool.window.kernel).value_or(kMostTaps + 1) > kMostTaps)
    return node.refuse(fmt::format("its window has more than {} taps", kMostTaps));
  VP_ASSIGN_OR_RETURN(const auto paddings, settle_window(node, pool, shape));
  const bool is_max = pool.kind == PoolKind::Max;
  Pad pad = {PadMode::Constant, Sizes(spatial + 2, 0), Sizes(spatial + 2, 0),
             is_max ? -std::numeric_limits<float>::infinity() : 0.0F};
  Shape out;
  for (std::size_t a = 0; a < spatial; ++a) {
    pad.before[a + 2] = paddings[a].before;
    pad.after[a + 2] = std::max<std::int64_t>(paddings[a].after, 0);
    out.push_back(
        count_windows(pool.window, a, shape[a + 2], settle_padding(pool.window, a, shape[a + 2])));
  }
  VP_ASSIGN_OR_RETURN(Value padded, node.apply(pad, x));
  VP_ASSIGN_OR_RETURN(std::vector<Value> taps, take_taps(node, pool, padded, out));
  VP_ASSIGN_OR_RETURN(Value result, combine_taps(node, x, taps, is_max));
  if (is_max) return node.finish(std::move(result));
  VP_RETURN_IF_ERROR(node.count_made(element_count(out).value_or(0)));
  Value counts = count_pixels(pool, paddings, shape, out);
  return node.finish(node.binary(BinaryKind::Divide, result, counts));
}

/// The operator of a pooling along one or two spatial axes.
Pool2d make_pool_op(const Pooling& pool, const std::vector<AxisPadding>& paddings) {
  Pool2d op;
  op.kind = pool.kind;
  op.count_padding = pool.counts_padding;
  if (pool.window.rule != PadRule::Explicit) op.padding.rule = pool.window.rule;
  const std::size_t skipped = 2 - paddings.size();
  for (std::size_t a = skipped; a < 2; ++a) {
    const std::size_t i = a - skipped;
    op.kernel[a] = pool.window.kernel[i];
    op.stride[a] = pool.window.stride[i];
    op.padding.before[a] = paddings[i].before;
    op.padding.after[a] = std::max<std::int64_t>(paddings[i].after, 0);
  }
  return op;
}

Result<void> finish_as_pool2d(NodeLowering& node, const Pooling& pool, Value& x) {
  VP_ASSIGN_OR_RETURN(Value image, view_as_image(node, x));
  const bool is_open =
      std::any_of(x.shape->begin() + 2, x.shape->end(), [](auto s) { return s < 0; });
  if (is_open && pool.window.rounds_up)
    return node.refuse_computed(0, "ceil_mode of an input whose size is open");
  VP_ASSIGN_OR_RETURN(const auto paddings, settle_window(node, pool, *x.shape));
  VP_ASSIGN_OR_RETURN(Value result, node.apply(make_pool_op(pool, paddings), image));
  if (pool.window.kernel.size() == 1) {
    VP_ASSIGN_OR_RETURN(result, node.view(Squeeze{{2}}, result));
  }
  return node.finish(std::move(result));
}

Result<void> finish_pool(NodeLowering& node, Pooling pool) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  if (x.shape->size() < 3) return node.malformed("it pools " + to_string(*x.shape));
  const std::size_t spatial = x.shape->size() - 2;
  VP_ASSIGN_OR_RETURN(pool.window, read_window(node, spatial, {}));
  const bool is_dilated = std::ranges::any_of(pool.window.dilation, [](auto d) { return d != 1; });
  const bool cuts = std::ranges::any_of(pool.window.before, [](auto v) { return v < 0; }) ||
                    std::ranges::any_of(pool.window.after, [](auto v) { return v < 0; });
  if (cuts) return node.refuse("its paddings are negative");
  // A mean that counts its border, but not the one that ceil_mode adds.
  const bool is_mixed = pool.window.rounds_up && pool.counts_padding;
  if (spatial > 2 || is_dilated || is_mixed) return finish_as_slices(node, pool, x);
  return finish_as_pool2d(node, pool, x);
}

Result<void> lower_max_pool(NodeLowering& node) {
  if (node.has_output(1)) return node.refuse("the places of its maxima are read");
  return finish_pool(node, {PoolKind::Max, {}, false});
}

Result<void> lower_average_pool(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(const std::int64_t counts, node.read_int("count_include_pad", 0));
  return finish_pool(node, {PoolKind::Average, {}, counts != 0});
}

/// The p-norm of each window. Those of p 2 are pooled; the norm of p 1 is the sum of magnitudes.
Result<void> lower_lp_pool(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(const std::int64_t p, node.read_int("p", 2));
  Value& x = node.input(0);
  const bool is_image = x.shape && (x.shape->size() == 3 || x.shape->size() == 4);
  VP_ASSIGN_OR_RETURN(const auto dilations, node.read_ints("dilations"));
  const bool is_dilated =
      dilations && std::ranges::any_of(*dilations, [](auto d) { return d != 1; });
  if (p != 2 || !is_image || is_dilated)
    return node.refuse("norms of windows are run for p 2, one or two axes and no dilation");
  return finish_pool(node, {PoolKind::L2Sum, {}, false});
}

/// Over all spatial axes; keeps them with one element each.
Result<void> finish_global(NodeLowering& node, ReduceKind kind) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  if (x.shape->size() < 2) return node.malformed("it pools " + to_string(*x.shape));
  if (x.shape->size() == 4 && kind != ReduceKind::L2) {
    Pool2d op;
    op.kind = kind == ReduceKind::Maximum ? PoolKind::Max : PoolKind::Average;
    op.global = true;
    return node.finish(op, x);
  }
  Reduce op;
  op.kind = kind;
  op.keeps_nan = true;
  op.axes.resize(x.shape->size() - 2);
  std::iota(op.axes.begin(), op.axes.end(), 2);
  if (op.axes.empty()) return node.finish(Identity{}, x);
  return node.finish(std::move(op), x);
}

Result<void> lower_global_average(NodeLowering& node) {
  return finish_global(node, ReduceKind::Mean);
}
Result<void> lower_global_max(NodeLowering& node) {
  return finish_global(node, ReduceKind::Maximum);
}
Result<void> lower_global_lp(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(const std::int64_t p, node.read_int("p", 2));
  if (p != 1 && p != 2) return node.refuse(fmt::format("its norm has p {}", p));
  return finish_global(node, p == 1 ? ReduceKind::L1 : ReduceKind::L2);
}

constexpr std::array kPoolRows = std::to_array<OperatorRow>({
    {"AveragePool", lower_average_pool},
    {"GlobalAveragePool", lower_global_average},
    {"GlobalLpPool", lower_global_lp},
    {"GlobalMaxPool", lower_global_max},
    {"LpPool", lower_lp_pool},
    {"MaxPool", lower_max_pool},
});

}  // namespace

std::span<const OperatorRow> pool_rows() { return kPoolRows; }

}  // namespace visionpress::onnx
