// Operators that copy boxes of a tensor: concat, split, slice, pad, space/depth.

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "lower/axis_order.h"
#include "run/operator.h"
#include "run/ops/elementwise.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

std::size_t product(const Shape& dims, std::size_t begin, std::size_t end) {
  std::size_t count = 1;
  for (std::size_t a = begin; a < end; ++a) count *= static_cast<std::size_t>(dims[a]);
  return count;
}

class ConcatOperator final : public Operator {
 public:
  ConcatOperator(const BuildContext& context, std::size_t axis, FusedActivation activation)
      : activation_(activation),
        outer_(product(context.results[0], 0, axis)),
        line_(product(context.results[0], axis, context.results[0].size())),
        threads_(threads_worth(outer_ * line_, context.threads)) {
    for (const InputDesc& input : context.inputs)
      chunks_.push_back(product(input.dims, axis, input.dims.size()));
    output_dims = {context.results[0]};
  }
  void run(const RunContext& context) const override {
    constexpr std::size_t kBlock = 1 << 13;  // values per task
    const std::size_t step = std::max<std::size_t>(kBlock / std::max<std::size_t>(line_, 1), 1);
    parallel_for_ranges(outer_, step, threads_, [&](std::size_t begin, std::size_t end) {
      float* y = context.outputs[0] + begin * line_;
      for (std::size_t o = begin; o < end; ++o) {
        for (std::size_t i = 0; i < chunks_.size(); ++i) {
          std::memcpy(y, context.inputs[i] + o * chunks_[i], chunks_[i] * sizeof(float));
          y += chunks_[i];
        }
      }
      if (!is_fused(activation_)) return;
      float* first = context.outputs[0] + begin * line_;
      apply_unary(unary_of(activation_), first, first, (end - begin) * line_);
    });
  }

 private:
  FusedActivation activation_;
  std::size_t outer_ = 1;
  std::size_t line_ = 0;  ///< values of the result per step of the axes before the joined one
  int threads_;
  std::vector<std::size_t> chunks_ = {};
};

class SplitOperator final : public Operator {
 public:
  SplitOperator(std::span<const Shape> parts, std::size_t axis)
      : outer_(product(parts[0], 0, axis)) {
    for (const Shape& part : parts) chunks_.push_back(product(part, axis, part.size()));
    output_dims.assign(parts.begin(), parts.end());
  }
  void run(const RunContext& context) const override {
    const float* x = context.inputs[0];
    for (std::size_t o = 0; o < outer_; ++o) {
      for (std::size_t k = 0; k < chunks_.size(); ++k) {
        std::memcpy(context.outputs[k] + o * chunks_[k], x, chunks_[k] * sizeof(float));
        x += chunks_[k];
      }
    }
  }

 private:
  std::size_t outer_ = 1;
  std::vector<std::size_t> chunks_ = {};
};

class SliceOperator final : public Operator {
 public:
  SliceOperator(const Shape& in, const Strides& begin, const Strides& stride, Shape box, Shape out)
      : box_(std::move(box)) {
    const Strides dense = dense_strides(in);
    for (std::size_t a = 0; a < in.size(); ++a) {
      offset_ += begin[a] * dense[a];
      strides_.push_back(stride[a] * dense[a]);
    }
    output_dims = {std::move(out)};
  }
  void run(const RunContext& context) const override {
    walk_lines(box_, strides_, dense_strides(box_),
               [&](std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t step,
                   std::int64_t) {
                 const float* x = context.inputs[0] + offset_ + from;
                 for (std::int64_t i = 0; i < count; ++i) context.outputs[0][to + i] = x[i * step];
               });
  }

 private:
  Shape box_;
  Strides strides_ = {};
  std::int64_t offset_ = 0;
};

class PadOperator final : public Operator {
 public:
  PadOperator(const Pad& op, Shape in, Strides before, Shape out, int threads)
      : op_(op), in_(std::move(in)), before_(std::move(before)) {
    output_dims = {std::move(out)};
    threads_ = threads_worth(count_of(output_dims[0]), threads);
    const Shape& dims = output_dims[0];
    pads_last_alone_ = !dims.empty() && std::equal(in_.begin(), in_.end() - 1, dims.begin());
  }
  void run(const RunContext& context) const override {
    const Shape& out = output_dims[0];
    const auto line = out.empty() ? 1 : static_cast<std::size_t>(out.back());
    const std::size_t lines = count_of(out) / std::max<std::size_t>(line, 1);
    const std::size_t block = std::max<std::size_t>(kBlock / std::max<std::size_t>(line, 1), 1);
    parallel_for((lines + block - 1) / block, threads_, [&](std::size_t b) {
      for (std::size_t at = b * block; at < std::min((b + 1) * block, lines); ++at)
        pad_line(at, context.inputs[0], context.outputs[0] + at * line);
    });
  }

 private:
  static constexpr std::size_t kBlock = 1 << 14;  // values per task

  // A line along the innermost axis. index: its position among the lines of the result.
  void pad_line(std::size_t index, const float* x, float* y) const {
    const Shape& out = output_dims[0];
    if (out.empty()) {
      *y = *x;
      return;
    }
    const std::size_t last = out.size() - 1;
    std::int64_t from = 0;
    std::int64_t dense = in_[last];
    auto rest = static_cast<std::int64_t>(index);
    if (pads_last_alone_) from = rest * dense;
    for (std::size_t a = pads_last_alone_ ? 0 : last; a-- > 0; rest /= out[a], dense *= in_[a]) {
      const std::int64_t source = source_index(rest % out[a] - before_[a], in_[a]);
      if (source < 0) {
        std::fill_n(y, out[last], op_.value);
        return;
      }
      from += source * dense;
    }
    const std::int64_t begin = std::clamp<std::int64_t>(before_[last], 0, out[last]);
    const std::int64_t end = std::clamp<std::int64_t>(before_[last] + in_[last], begin, out[last]);
    pad_ends({0, begin}, x + from, y);
    std::copy_n(x + from + (begin - before_[last]), end - begin, y + begin);
    pad_ends({end, out[last]}, x + from, y);
  }

  void pad_ends(std::pair<std::int64_t, std::int64_t> range, const float* line, float* y) const {
    for (std::int64_t i = range.first; i < range.second; ++i) {
      const std::int64_t source = source_index(i - before_.back(), in_.back());
      y[i] = source < 0 ? op_.value : line[source];
    }
  }

  // returns: -1 for a position outside the input, which gets the constant.
  [[nodiscard]] std::int64_t source_index(std::int64_t i, std::int64_t size) const {
    if (i >= 0 && i < size) return i;
    switch (op_.mode) {
      case PadMode::Constant:
        return -1;
      case PadMode::Replicate:
        return i < 0 ? 0 : size - 1;
      case PadMode::Reflect:
        return i < 0 ? -i : 2 * size - 2 - i;
      case PadMode::Symmetric:
        return i < 0 ? -i - 1 : 2 * size - 1 - i;
    }
    return -1;
  }

  Pad op_;
  Shape in_;
  Strides before_;
  bool pads_last_alone_ = false;
  int threads_ = 1;
};

// N,H,W,C only. Order within the channels: block row, block column, channel.
class SpaceDepthOperator final : public Operator {
 public:
  SpaceDepthOperator(const Shape& small_image, const Shape& out, bool to_depth, std::int64_t block)
      : image_(small_image), to_depth_(to_depth), block_(block) {
    output_dims = {out};
  }
  void run(const RunContext& context) const override {
    // image_ is the shape with the full resolution: [N, H, W, C].
    const std::int64_t height = image_[1] / block_;
    const std::int64_t width = image_[2] / block_;
    const std::int64_t channels = image_[3];
    std::int64_t space = 0;
    for (std::int64_t n = 0; n < image_[0]; ++n) {
      for (std::int64_t y = 0; y < image_[1]; ++y) {
        for (std::int64_t x = 0; x < image_[2]; ++x, space += channels) {
          const std::int64_t pixel = (n * height + y / block_) * width + x / block_;
          const std::int64_t depth =
              (pixel * block_ * block_ + (y % block_) * block_ + x % block_) * channels;
          const float* from = context.inputs[0] + (to_depth_ ? space : depth);
          std::copy(from, from + channels, context.outputs[0] + (to_depth_ ? depth : space));
        }
      }
    }
  }

 private:
  Shape image_;
  bool to_depth_;
  std::int64_t block_;
};

// N,H,W,C only. Order within the channels, as in PyTorch: channel, block row, block column.
class PixelShuffleOperator final : public Operator {
 public:
  PixelShuffleOperator(const Shape& out, std::int64_t block) : block_(block) {
    output_dims = {out};
  }
  void run(const RunContext& context) const override {
    const Shape& out = output_dims[0];
    const std::int64_t area = block_ * block_;
    const std::int64_t width = out[2] / block_;
    float* y = context.outputs[0];
    for (std::int64_t row = 0; row < out[0] * out[1]; ++row) {
      const float* from = context.inputs[0] + row / block_ * width * out[3] * area;
      for (std::int64_t x = 0; x < out[2]; ++x) {
        const std::int64_t within = (row % block_) * block_ + x % block_;
        const float* pixel = from + x / block_ * out[3] * area + within;
        for (std::int64_t c = 0; c < out[3]; ++c) *y++ = pixel[c * area];
      }
    }
  }

 private:
  std::int64_t block_;
};

// One amount per axis, in the order of memory.
Strides physical_amounts(const std::vector<std::int64_t>& logical, Layout layout) {
  return physical_shape(logical, layout);
}

}  // namespace

OperatorResult build_operator(const Concat& op, const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const int axis,
                      physical_axis(op.axis, context.results[0].size(), context.layout));
  return std::make_unique<ConcatOperator>(context, static_cast<std::size_t>(axis), op.activation);
}

OperatorResult build_operator(const Split& op, const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const int axis,
                      physical_axis(op.axis, context.inputs[0].dims.size(), context.layout));
  return std::make_unique<SplitOperator>(context.results, static_cast<std::size_t>(axis));
}

OperatorResult build_operator(const Slice& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  const std::size_t rank = in.size();
  const Strides end = physical_amounts(op.end, context.layout);
  const Strides stride = physical_amounts(op.stride, context.layout);
  Strides begin = physical_amounts(op.begin, context.layout);
  Shape box(rank, 0);  // sizes of the result before axes are dropped
  for (std::size_t a = 0; a < rank; ++a) {
    const SliceSpan span = slice_span(begin[a], end[a], stride[a], in[a]);
    begin[a] = span.begin;
    box[a] = span.count;
  }
  const Shape& out = context.results[0];
  const bool mixes = context.layout == Layout::ChannelsFirst && rank == 4 && out.size() < rank &&
                     box[3] > 1 && box[1] * box[2] > 1;
  if (mixes) {
    return fail(ErrorKind::Unsupported, "a slice of {} that drops axes",
                to_string(logical_shape(box, context.layout)));
  }
  return std::make_unique<SliceOperator>(in, begin, stride, std::move(box), out);
}

OperatorResult build_operator(const Pad& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  if (count_of(in) == 0) return fail(ErrorKind::Malformed, "padding of {}", to_string(in));
  return std::make_unique<PadOperator>(op, in, physical_amounts(op.before, context.layout),
                                       context.results[0], context.threads);
}

OperatorResult build_operator(const SpaceDepth& op, const BuildContext& context) {
  const Shape& out = context.results[0];
  if (op.kind == SpaceDepthKind::PixelShuffle)
    return std::make_unique<PixelShuffleOperator>(out, op.block);
  const bool to_depth = op.kind == SpaceDepthKind::SpaceToDepth;
  return std::make_unique<SpaceDepthOperator>(to_depth ? context.inputs[0].dims : out, out,
                                              to_depth, op.block);
}

}  // namespace visionpress
