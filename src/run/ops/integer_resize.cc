// RESIZE_BILINEAR of codes.
// source: xnn_indirection_init_resize_bilinear2d_hwc_q11 in XNNPACK's src/indirection.c and
// src/s8-ibilinear; ResizeBilinearGenericSmallChannel (uint8) and ResizeBilinearInteger (int8) in
// tflite/kernels/internal/, LiteRT 2.3.

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

enum class BlendRule : std::uint8_t {
  Xnnpack,  ///< weights of 11 bits, from floats
  Integer,  ///< weights of 10 bits, from integers
  Float,    ///< sums in float
};

/// The two source positions of one result along an axis and the weight of the second.
struct ResizeTap {
  std::int64_t first = 0;
  std::int64_t second = 0;
  std::int32_t weight = 0;  ///< Xnnpack, Integer
  float share = 0.0F;       ///< Float
};

ResizeTap xnnpack_tap(std::int64_t at, std::int64_t in, std::int64_t out, ResizeGrid grid) {
  const std::int64_t less = grid == ResizeGrid::AlignCorners && out != 1 ? 1 : 0;
  const float scale = static_cast<float>(in - less) / static_cast<float>(out - less);
  const auto last = static_cast<float>(in - 1);
  float x = static_cast<float>(at) * scale;
  if (grid == ResizeGrid::HalfPixel) x = std::max(x + (0.5F * scale - 0.5F), 0.0F);
  x = std::min(x, last);
  ResizeTap tap;
  tap.first = static_cast<std::int64_t>(x);
  tap.second = std::min(tap.first + 1, in - 1);
  constexpr float kOne = 2048.0F;
  tap.weight =
      static_cast<std::int32_t>(std::nearbyint((x - static_cast<float>(tap.first)) * kOne));
  return tap;
}

ResizeTap integer_tap(std::int64_t at, std::int64_t in, std::int64_t out, ResizeGrid grid) {
  constexpr std::int64_t kOne = 1 << 10;
  const std::int64_t less = grid == ResizeGrid::AlignCorners && out > 1 ? 1 : 0;
  const std::int64_t scale = (kOne * (in - less) + (out - less) / 2) / (out - less);
  std::int64_t x = at * scale;
  if (grid == ResizeGrid::HalfPixel) x += scale / 2 - kOne / 2;
  ResizeTap tap;
  tap.first = std::max<std::int64_t>(x / kOne, 0);
  tap.second = std::min((x + kOne - 1) / kOne, in - 1);
  tap.weight = static_cast<std::int32_t>(x - kOne * tap.first);
  return tap;
}

ResizeTap float_tap(std::int64_t at, std::int64_t in, std::int64_t out, ResizeGrid grid) {
  const bool aligns = grid == ResizeGrid::AlignCorners && out > 1;
  const float scale = aligns ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                             : static_cast<float>(in) / static_cast<float>(out);
  float x = static_cast<float>(at) * scale;
  if (grid == ResizeGrid::HalfPixel) x = (static_cast<float>(at) + 0.5F) * scale - 0.5F;
  ResizeTap tap;
  tap.first = std::max<std::int64_t>(static_cast<std::int64_t>(std::floor(x)), 0);
  tap.second = std::min(static_cast<std::int64_t>(std::ceil(x)), in - 1);
  tap.share = x - static_cast<float>(tap.first);
  return tap;
}

std::vector<ResizeTap> list_taps(BlendRule rule, std::int64_t in, std::int64_t out,
                                 ResizeGrid grid) {
  std::vector<ResizeTap> taps;
  for (std::int64_t at = 0; at < out; ++at) {
    if (rule == BlendRule::Xnnpack) taps.push_back(xnnpack_tap(at, in, out, grid));
    if (rule == BlendRule::Integer) taps.push_back(integer_tap(at, in, out, grid));
    if (rule == BlendRule::Float) taps.push_back(float_tap(at, in, out, grid));
  }
  return taps;
}

/// Four codes around a result: of the first row and column, of the first row and second column ...
struct Corners {
  std::int32_t a = 0, b = 0, c = 0, d = 0;
};

std::int32_t blend(BlendRule rule, const Corners& from, const ResizeTap& y, const ResizeTap& x) {
  if (rule == BlendRule::Xnnpack) {
    const std::int32_t top = from.a * 2048 + (from.b - from.a) * x.weight;
    const std::int32_t bottom = from.c * 2048 + (from.d - from.c) * x.weight;
    return (top * 2048 + (bottom - top) * y.weight + (1 << 21)) >> 22;
  }
  if (rule == BlendRule::Integer) {
    constexpr std::int64_t kOne = 1 << 10;
    const std::int64_t sum = from.a * (kOne - y.weight) * (kOne - x.weight) +
                             from.c * std::int64_t{y.weight} * (kOne - x.weight) +
                             from.b * (kOne - y.weight) * x.weight +
                             from.d * std::int64_t{y.weight} * x.weight;
    constexpr std::int64_t kHalf = 1 << 19;
    return static_cast<std::int32_t>((sum + (sum > 0 ? kHalf : -kHalf)) / (2 * kHalf));
  }
  const auto real = [](std::int32_t code) { return static_cast<float>(code); };
  const float sum = real(from.a) * ((1.0F - y.share) * (1.0F - x.share)) +
                    real(from.b) * ((1.0F - y.share) * x.share) +
                    real(from.c) * (y.share * (1.0F - x.share)) +
                    real(from.d) * (y.share * x.share) + 0.5F;
  return static_cast<std::int32_t>(sum);
}

class IntegerResizeOperator final : public Operator {
 public:
  IntegerResizeOperator(const Resize& op, BlendRule rule, const BuildContext& context)
      : in_(context.inputs[0].dims),
        rule_(rule),
        shift_(output_code(context).is_signed ? 128 : 0),
        rows_(list_taps(rule, in_[1], op.size[0], op.grid)),
        columns_(list_taps(rule, in_[2], op.size[1], op.grid)) {
    output_dims = {context.results[0]};
    threads_ = threads_worth(4 * count_of(output_dims[0]), std::max(context.threads, 1));
  }

  void run(const RunContext& context) const override {
    const std::size_t channels = as_size(in_[3]);
    const std::size_t line = as_size(in_[2]) * channels;
    const std::size_t height = rows_.size();
    parallel_for(as_size(in_[0]) * height, threads_, [&](std::size_t row) {
      const std::uint8_t* image =
          codes_in(context.inputs[0]) + row / height * as_size(in_[1]) * line;
      std::uint8_t* y = codes_in(context.outputs[0]) + row * columns_.size() * channels;
      const ResizeTap& tap = rows_[row % height];
      const std::uint8_t* top = image + as_size(tap.first) * line;
      const std::uint8_t* bottom = image + as_size(tap.second) * line;
      for (const ResizeTap& x : columns_) {
        const std::size_t left = as_size(x.first) * channels;
        const std::size_t right = as_size(x.second) * channels;
        for (std::size_t c = 0; c < channels; ++c) {
          const Corners corners = {top[left + c] - shift_, top[right + c] - shift_,
                                   bottom[left + c] - shift_, bottom[right + c] - shift_};
          y[c] = static_cast<std::uint8_t>(blend(rule_, corners, tap, x) + shift_);
        }
        y += channels;
      }
    });
  }

 private:
  Shape in_;
  BlendRule rule_;
  std::int32_t shift_;
  std::vector<ResizeTap> rows_;
  std::vector<ResizeTap> columns_;
  int threads_ = 1;
};

// source: ResizeBilinear for uint8 in tflite/kernels/internal/optimized/resize_bilinear.h.
bool takes_eightfold_kernel(const Resize& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  return !output_code(context).is_signed && op.grid == ResizeGrid::HalfPixel && in[3] % 8 == 0 &&
         op.size[0] == 8 * in[1] && op.size[1] == 8 * in[2];
}

}  // namespace

OperatorResult make_integer_resize(const Resize& op, const BuildContext& context) {
  if (op.kind != ResizeKind::Bilinear) return make_integer_mover(op, context);
  const bool is_known = op.grid == ResizeGrid::Corner || op.grid == ResizeGrid::HalfPixel ||
                        op.grid == ResizeGrid::AlignCorners;
  if (!is_known || op.size[0] < 1 || context.inputs[0].dims.size() != 4)
    return fail(ErrorKind::Unsupported, "it has no kernel for 8-bit integers");
  if (!has_one_code(context)) return other_scales();
  BlendRule rule = BlendRule::Xnnpack;
  if (!is_xnnpack(context)) {
    if (takes_eightfold_kernel(op, context)) {
      return fail(ErrorKind::Unsupported,
                  "the builtin kernel for eight times the size rounds on its own; the default "
                  "kernels can be run");
    }
    rule = output_code(context).is_signed ? BlendRule::Integer : BlendRule::Float;
  }
  return std::make_unique<IntegerResizeOperator>(op, rule, context);
}

}  // namespace visionpress
