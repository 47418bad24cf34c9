#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "run/operator.h"

namespace visionpress {
namespace {

/// The source of one output line: two input lines and the share of the second.
struct ResizeTap {
  std::int64_t low = 0;
  std::int64_t high = 0;
  float share = 0.0F;
};

float source_position(const Resize& op, std::int64_t i, std::int64_t in, std::int64_t out,
                      FloatMath math) {
  const auto at = static_cast<float>(i);
  const auto size = static_cast<float>(in);
  const auto target = static_cast<float>(out);
  switch (op.grid) {
    case ResizeGrid::Corner:
      return at * (size / target);
    case ResizeGrid::HalfPixel:
      if (math == FloatMath::Xnnpack && op.kind == ResizeKind::Bilinear)
        return at * (size / target) + (0.5F * (size / target) - 0.5F);
      return (at + 0.5F) * (size / target) - 0.5F;
    case ResizeGrid::AlignCorners:
      return out > 1 ? at * ((size - 1.0F) / (target - 1.0F)) : 0.0F;
    case ResizeGrid::AlignCornersCentered:
      return out > 1 ? at * ((size - 1.0F) / (target - 1.0F)) : (size - 1.0F) / 2.0F;
    case ResizeGrid::RoiAlign:
      return std::min((at + 0.5F) * (std::max(size - 1.0F, 1.0F) / target), size - 1.0F);
  }
  return at;
}

std::vector<ResizeTap> make_taps(const Resize& op, std::int64_t in, std::int64_t out,
                                 FloatMath math) {
  std::vector<ResizeTap> taps;
  for (std::int64_t i = 0; i < out; ++i) {
    float at = source_position(op, i, in, out, math);
    ResizeTap tap;
    if (op.kind == ResizeKind::Nearest && op.grid == ResizeGrid::Corner && op.size[0] == 0) {
      // For a whole factor, repeat each pixel that often, in integers: in float, 41 * (1 / 41) may
      // be below 1.
      tap.low = i * in / out;
      tap.high = tap.low;
    } else if (op.kind == ResizeKind::Nearest) {
      // In TFLite, half-pixel centres and aligned corners round, and the plain grid truncates.
      if (op.grid == ResizeGrid::HalfPixel) at += 0.5F;
      const float nearest =
          op.grid == ResizeGrid::AlignCorners || op.grid == ResizeGrid::AlignCornersCentered
              ? std::round(at)
              : std::floor(at);
      tap.low = std::clamp<std::int64_t>(static_cast<std::int64_t>(nearest), 0, in - 1);
      tap.high = tap.low;
    } else if (math == FloatMath::Builtin) {
      // The share may be below 0; both lines are then the first one.
      tap.low = std::max<std::int64_t>(static_cast<std::int64_t>(std::floor(at)), 0);
      tap.high = std::min(static_cast<std::int64_t>(std::ceil(at)), in - 1);
      tap.share = at - static_cast<float>(tap.low);
    } else {
      at = std::max(at, 0.0F);
      tap.low = std::min(static_cast<std::int64_t>(at), in - 1);
      tap.high = std::min(tap.low + 1, in - 1);
      tap.share = at - static_cast<float>(tap.low);
    }
    taps.push_back(tap);
  }
  return taps;
}

class ResizeOperator final : public Operator {
 public:
  ResizeOperator(const Resize& op, const Shape& in, Shape out, const BuildContext& context)
      : in_(in),
        threads_(context.threads),
        rows_(make_taps(op, in[1], out[1], context.float_math)),
        columns_(make_taps(op, in[2], out[2], context.float_math)),
        blends_(op.kind == ResizeKind::Bilinear),
        adds_corners_(blends_ && context.float_math == FloatMath::Builtin),
        doubles_(op.grid == ResizeGrid::Corner && out[1] == 2 * in[1] && out[2] == 2 * in[2]) {
    output_dims = {std::move(out)};
  }
  void run(const RunContext& context) const override {
    const std::size_t lines = static_cast<std::size_t>(output_dims[0][0]) * rows_.size();
    parallel_for(lines, threads_, [&](std::size_t line) { resize_line(line, context); });
  }

 private:
  void resize_line(std::size_t line, const RunContext& context) const {
    const ResizeTap& row = rows_[line % rows_.size()];
    const auto item = static_cast<std::int64_t>(line / rows_.size());
    const std::int64_t channels = in_[3];
    const float* upper = context.inputs[0] + (item * in_[1] + row.low) * in_[2] * channels;
    const float* lower = context.inputs[0] + (item * in_[1] + row.high) * in_[2] * channels;
    float* y = context.outputs[0] + line * columns_.size() * static_cast<std::size_t>(channels);
    if (adds_corners_) return blend_corners(upper, lower, row, y);
    for (const ResizeTap& column : columns_) {
      const std::int64_t left = column.low * channels;
      const std::int64_t right = column.high * channels;
      if (blends_) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const float top = upper[left + c] + (upper[right + c] - upper[left + c]) * column.share;
          const float bottom =
              lower[left + c] + (lower[right + c] - lower[left + c]) * column.share;
          y[c] = top + (bottom - top) * row.share;
        }
      } else {
        std::copy(upper + left, upper + left + channels, y);
      }
      y += channels;
    }
  }

  // The builtin kernel adds the four corners with one weight each; if both sizes double, it halves
  // sums instead.
  void blend_corners(const float* upper, const float* lower, const ResizeTap& row, float* y) const {
    const std::int64_t channels = in_[3];
    for (const ResizeTap& column : columns_) {
      const float* top_left = upper + column.low * channels;
      const float* top_right = upper + column.high * channels;
      const float* low_left = lower + column.low * channels;
      const float* low_right = lower + column.high * channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        y[c] = doubles_
                   ? halve({top_left[c], top_right[c], low_left[c], low_right[c]}, row, column)
                   : weigh({top_left[c], top_right[c], low_left[c], low_right[c]}, row, column);
      }
      y += channels;
    }
  }

  struct Corners {
    float top_left, top_right, low_left, low_right;
  };
  static float weigh(const Corners& v, const ResizeTap& row, const ResizeTap& column) {
    const float top = 1.0F - row.share;
    const float left = 1.0F - column.share;
    float sum = v.top_left * (top * left);
    sum += v.top_right * (top * column.share);
    sum += v.low_left * (row.share * left);
    sum += v.low_right * (row.share * column.share);
    return sum;
  }
  static float halve(const Corners& v, const ResizeTap& row, const ResizeTap& column) {
    if (row.share == 0.0F && column.share == 0.0F) return v.top_left;
    if (row.share == 0.0F) return (v.top_left + v.top_right) * 0.5F;
    const float left = (v.top_left + v.low_left) * 0.5F;
    if (column.share == 0.0F) return left;
    return (left + (v.top_right + v.low_right) * 0.5F) * 0.5F;
  }

  Shape in_;
  int threads_;
  std::vector<ResizeTap> rows_;
  std::vector<ResizeTap> columns_;
  bool blends_;
  bool adds_corners_;
  bool doubles_;
};

}  // namespace

OperatorResult build_operator(const Resize& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  if (count_of(in) == 0) return fail(ErrorKind::Malformed, "resize of {}", to_string(in));
  return std::make_unique<ResizeOperator>(op, in, context.results[0], context);
}

}  // namespace visionpress
