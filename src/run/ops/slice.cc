// Operators that copy boxes of a tensor: concat, split, slice, pad, space/depth.

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
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
  ConcatOperator(std::vector<Shape> inputs, std::size_t axis, FusedActivation activation)
      : activation_(activation) {
    Shape dims = inputs[0];
    dims[axis] = 0;
    outer_ = product(dims, 0, axis);
    for (const Shape& input : inputs) {
      chunks_.push_back(product(input, axis, input.size()));
      dims[axis] += input[axis];
    }
    output_dims = {dims};
  }
  void run(const RunContext& context) const override {
    float* y = context.outputs[0];
    for (std::size_t o = 0; o < outer_; ++o) {
      for (std::size_t i = 0; i < chunks_.size(); ++i) {
        std::memcpy(y, context.inputs[i] + o * chunks_[i], chunks_[i] * sizeof(float));
        y += chunks_[i];
      }
    }
    if (is_fused(activation_)) {
      apply_unary(unary_of(activation_), context.outputs[0], context.outputs[0],
                  count_of(output_dims[0]));
    }
  }

 private:
  FusedActivation activation_;
  std::size_t outer_ = 1;
  std::vector<std::size_t> chunks_ = {};
};

class SplitOperator final : public Operator {
 public:
  SplitOperator(const Shape& in, std::size_t axis, const std::vector<std::int64_t>& sizes) {
    outer_ = product(in, 0, axis);
    Shape dims = in;
    for (const std::int64_t size : sizes) {
      dims[axis] = size;
      chunks_.push_back(product(dims, axis, dims.size()));
      output_dims.push_back(dims);
    }
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
  PadOperator(const Pad& op, Shape in, Strides before, Shape out)
      : op_(op), in_(std::move(in)), before_(std::move(before)) {
    output_dims = {std::move(out)};
  }
  void run(const RunContext& context) const override {
    const Shape& out = output_dims[0];
    const Strides dense = dense_strides(in_);
    Shape index(out.size(), 0);
    const std::size_t total = count_of(out);
    for (std::size_t at = 0; at < total; ++at) {
      bool inside = true;
      std::int64_t from = 0;
      for (std::size_t a = 0; a < out.size(); ++a) {
        const std::int64_t source = source_index(index[a] - before_[a], in_[a]);
        if (source < 0) inside = false;
        from += source * dense[a];
      }
      context.outputs[0][at] = inside ? context.inputs[0][from] : op_.value;
      for (std::size_t a = out.size(); a-- > 0;) {
        if (++index[a] < out[a]) break;
        index[a] = 0;
      }
    }
  }

 private:
  // -1: outside, where a constant goes.
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
};

// N,H,W,C only; the order within the channels: block row, block column, channel.
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

// N,H,W,C only; PyTorch's order within the channels: channel, block row, block column.
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

Result<Strides> physical_amounts(const std::vector<std::int64_t>& logical, std::size_t rank,
                                 Layout layout, const char* what) {
  if (logical.size() != rank) {
    return fail(ErrorKind::Malformed, "{} of {} axes for a tensor with {}", what, logical.size(),
                rank);
  }
  Strides amounts(rank, 0);
  for (std::size_t a = 0; a < rank; ++a) {
    VP_ASSIGN_OR_RETURN(const int at, physical_axis(static_cast<int>(a), rank, layout));
    amounts[static_cast<std::size_t>(at)] = logical[a];
  }
  return amounts;
}

/// Of an axis of `whole` elements. errors: Malformed where they do not make it up.
Result<std::vector<std::int64_t>> part_sizes(const Split& op, std::int64_t whole,
                                             std::size_t parts) {
  const auto count = static_cast<std::int64_t>(parts);
  if (op.sizes.empty()) {
    if (count == 0 || whole % count != 0)
      return fail(ErrorKind::Malformed, "{} elements do not split into {}", whole, count);
    return std::vector<std::int64_t>(parts, whole / count);
  }
  std::vector<std::int64_t> sizes = op.sizes;
  const auto open = std::ranges::find(sizes, -1);
  std::int64_t left = whole;
  bool fits = sizes.size() == parts;
  for (const std::int64_t size : op.sizes) {
    if (size == -1) continue;
    fits = fits && size >= 0 && size <= left;
    if (fits) left -= size;
  }
  if (open != sizes.end()) {
    *open = left;
    left = 0;
  }
  if (!fits || left != 0 || std::ranges::find(sizes, -1) != sizes.end()) {
    return fail(ErrorKind::Malformed, "{} elements do not split into {}", whole,
                to_string(op.sizes));
  }
  return sizes;
}

}  // namespace

OperatorResult make_concat(const Concat& op, const BuildContext& context) {
  std::vector<Shape> inputs;
  const std::size_t rank = context.inputs[0].dims.size();
  VP_ASSIGN_OR_RETURN(const int axis, physical_axis(op.axis, rank, context.layout));
  for (const InputDesc& input : context.inputs) {
    Shape expected = context.inputs[0].dims;
    if (input.dims.size() == rank)
      expected[static_cast<std::size_t>(axis)] = input.dims[static_cast<std::size_t>(axis)];
    if (input.dims != expected) {
      return fail(ErrorKind::Malformed, "{} does not join {} along axis {}", to_string(input.dims),
                  to_string(context.inputs[0].dims), axis);
    }
    inputs.push_back(input.dims);
  }
  return std::make_unique<ConcatOperator>(std::move(inputs), static_cast<std::size_t>(axis),
                                          op.activation);
}

OperatorResult make_split(const Split& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const int axis, physical_axis(op.axis, in.size(), context.layout));
  VP_ASSIGN_OR_RETURN(const auto sizes,
                      part_sizes(op, in[static_cast<std::size_t>(axis)], context.output_count));
  return std::make_unique<SplitOperator>(in, static_cast<std::size_t>(axis), sizes);
}

OperatorResult make_slice(const Slice& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  const std::size_t rank = in.size();
  VP_ASSIGN_OR_RETURN(Strides begin, physical_amounts(op.begin, rank, context.layout, "begin"));
  VP_ASSIGN_OR_RETURN(const Strides end, physical_amounts(op.end, rank, context.layout, "end"));
  VP_ASSIGN_OR_RETURN(const Strides stride,
                      physical_amounts(op.stride, rank, context.layout, "stride"));
  Shape box(rank, 0);
  for (std::size_t a = 0; a < rank; ++a) {
    if (begin[a] < 0) begin[a] = std::max<std::int64_t>(begin[a] + in[a], 0);
    const std::int64_t stop = end[a] < 0 ? end[a] + in[a] : std::min(end[a], in[a]);
    if (context.may_be_empty) begin[a] = std::clamp<std::int64_t>(begin[a], 0, in[a]);
    if (context.may_be_empty && stride[a] > 0 && begin[a] >= stop) continue;
    if (begin[a] < 0 || stride[a] <= 0 || begin[a] >= stop) {
      return fail(ErrorKind::Malformed, "slice [{}:{}:{}] of {} elements", begin[a], end[a],
                  stride[a], in[a]);
    }
    box[a] = (stop - begin[a] + stride[a] - 1) / stride[a];
  }
  Shape logical = logical_shape(box, context.layout);
  Shape out;
  for (std::size_t a = 0; a < rank; ++a) {
    const bool drops = std::find(op.squeeze_axes.begin(), op.squeeze_axes.end(),
                                 static_cast<int>(a)) != op.squeeze_axes.end();
    if (!drops) out.push_back(logical[a]);
  }
  if (out.size() == rank) out = box;
  const bool mixes = context.layout == Layout::ChannelsFirst && rank == 4 && out.size() < rank &&
                     box[3] > 1 && box[1] * box[2] > 1;
  if (mixes)
    return fail(ErrorKind::Unsupported, "a slice of {} that drops axes", to_string(logical));
  return std::make_unique<SliceOperator>(in, begin, stride, std::move(box), std::move(out));
}

OperatorResult make_pad(const Pad& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(Strides before,
                      physical_amounts(op.before, in.size(), context.layout, "padding"));
  VP_ASSIGN_OR_RETURN(const Strides after,
                      physical_amounts(op.after, in.size(), context.layout, "padding"));
  Shape out = in;
  for (std::size_t a = 0; a < in.size(); ++a) {
    constexpr std::int64_t kLargest = 1 << 24;
    const std::int64_t reach = op.mode == PadMode::Reflect ? in[a] - 1 : in[a];
    const bool mirrors = op.mode == PadMode::Reflect || op.mode == PadMode::Symmetric;
    const bool fits = before[a] >= 0 && after[a] >= 0 && before[a] <= kLargest &&
                      after[a] <= kLargest &&
                      (!mirrors || (before[a] <= reach && after[a] <= reach)) && in[a] > 0;
    if (!fits) {
      return fail(ErrorKind::Malformed, "padding {} and {} of {} elements", before[a], after[a],
                  in[a]);
    }
    out[a] += before[a] + after[a];
  }
  if (!element_count(out)) return fail(ErrorKind::Malformed, "padded shape {}", to_string(out));
  return std::make_unique<PadOperator>(op, in, std::move(before), std::move(out));
}

OperatorResult make_space_depth(const SpaceDepth& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  const std::int64_t block = op.block;
  const bool to_depth = op.kind == SpaceDepthKind::SpaceToDepth;
  const bool fits =
      in.size() == 4 && block > 0 && block < (1 << 15) &&
      (to_depth ? in[1] % block == 0 && in[2] % block == 0 : in[3] % (block * block) == 0);
  if (!fits) return fail(ErrorKind::Malformed, "blocks of {} in {}", block, to_string(in));
  const Shape out = to_depth ? Shape{in[0], in[1] / block, in[2] / block, in[3] * block * block}
                             : Shape{in[0], in[1] * block, in[2] * block, in[3] / (block * block)};
  if (op.kind == SpaceDepthKind::PixelShuffle)
    return std::make_unique<PixelShuffleOperator>(out, block);
  return std::make_unique<SpaceDepthOperator>(to_depth ? in : out, out, to_depth, block);
}

}  // namespace visionpress
