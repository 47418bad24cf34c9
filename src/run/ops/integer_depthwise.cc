// Depthwise convolutions of codes. With XNNPACK's rounding, vectors take four taps at a time over
// the framed image; the builtin kernels' rounding follows pixel by pixel.

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/depthwise_codes.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

class IntegerDepthwiseOperator final : public Operator {
 public:
  static OperatorResult build(const Conv2d& op, const BuildContext& context);

  void run(const RunContext& context) const override {
    const std::size_t rows = as_size(spec_.batch * spec_.out[0]);
    const std::size_t line = as_size(spec_.in[1] * spec_.in_channels);
    const std::size_t out_line = as_size(spec_.out[1] * spec_.out_channels);
    const std::uint8_t* x = codes_in(context.inputs[0]);
    if (multiplier_ > 1) x = repeat_channels(x, view_as<std::uint8_t>(context.scratch));
    const std::size_t height = as_size(spec_.out[0]);
    parallel_for_workers(rows, threads_, [&](std::size_t row, std::size_t worker) {
      std::byte* own = context.scratch + repeated_bytes_ + worker * own_bytes_;
      const std::uint8_t* image =
          x + row / height * as_size(spec_.in[0]) * line * as_size(multiplier_);
      run_row(image, static_cast<std::int64_t>(row % height), own,
              codes_in(context.outputs[0]) + row * out_line);
    });
  }

 private:
  // Each input channel `multiplier_` times, so that every result has a channel of its own.
  const std::uint8_t* repeat_channels(const std::uint8_t* x, std::uint8_t* out) const {
    const std::size_t count = as_size(spec_.batch * spec_.in[0] * spec_.in[1] * spec_.in_channels);
    for (std::size_t i = 0; i < count; ++i)
      std::memset(out + i * as_size(multiplier_), x[i], as_size(multiplier_));
    return out;
  }

  void run_row(const std::uint8_t* image, std::int64_t out_y, std::byte* own,
               std::uint8_t* y) const {
    const std::size_t channels = as_size(spec_.out_channels);
    auto* pixels = view_as<const std::uint8_t*>(own);
    auto* sums = view_as<std::int32_t>(own + pixels_bytes_);
    const SumsToCodes how = result_.view();
    for (std::int64_t out_x = 0; out_x < spec_.out[1]; ++out_x, y += channels) {
      std::size_t tap = 0;
      for (std::int64_t ky = 0; ky < spec_.kernel[0]; ++ky) {
        const std::int64_t in_y =
            out_y * spec_.stride[0] - spec_.before[0] + ky * spec_.dilation[0];
        for (std::int64_t kx = 0; kx < spec_.kernel[1]; ++kx, ++tap) {
          const std::int64_t in_x =
              out_x * spec_.stride[1] - spec_.before[1] + kx * spec_.dilation[1];
          const bool is_inside = in_y >= 0 && in_y < spec_.in[0] && in_x >= 0 && in_x < spec_.in[1];
          pixels[tap] =
              is_inside ? image + as_size(in_y * spec_.in[1] + in_x) * channels : border_.data();
        }
      }
      sum_depthwise_codes(pixels, weights_.data(), tap, channels, sums);
      sums_to_codes(sums, 0, channels, how, y);
    }
  }

  ConvSpec spec_ = {};
  std::int64_t multiplier_ = 1;  ///< output channels per input channel
  int threads_ = 1;
  std::vector<std::int16_t> weights_ = {};  ///< less their zero point, [taps][channels]
  std::vector<std::uint8_t> border_ = {};   ///< a pixel of padding
  std::size_t repeated_bytes_ = 0;
  std::size_t pixels_bytes_ = 0;
  std::size_t own_bytes_ = 0;
  IntegerResult result_ = {};
};

// The image lies in a frame of pixels that hold the zero point, each channel as often as there are
// results of it.
class FramedDepthwiseOperator final : public Operator {
 public:
  FramedDepthwiseOperator(const ConvSpec& spec, const IntegerKernel& kernel,
                          const IntegerResult& result, std::int32_t zero, int threads)
      : spec_(spec), how_(result.view()), zero_(zero) {
    output_dims = {conv_output_dims(spec, {})};
    is_hybrid = true;
    const std::size_t channels = as_size(spec.out_channels);
    const std::size_t width = as_size(spec.out[1]);
    const std::size_t taps = as_size(spec.kernel[0] * spec.kernel[1]);
    threads_ = threads_worth(count_of(output_dims[0]) * taps / 4, threads);
    frame_height_ =
        as_size((spec.out[0] - 1) * spec.stride[0] + (spec.kernel[0] - 1) * spec.dilation[0] + 1);
    frame_line_ =
        as_size((spec.out[1] - 1) * spec.stride[1] + (spec.kernel[1] - 1) * spec.dilation[1] + 1) *
        channels;
    // Pixels side by side share a vector where their windows lie side by side, too.
    constexpr std::size_t kStepCodes = 256;  // whole vectors, most of the time
    if (spec.stride[1] == 1) pixels_ = std::clamp<std::size_t>(kStepCodes / channels, 1, width);
    packed_ = pack_depthwise_codes(kernel.codes, taps, kernel.zero_point, how_, channels, pixels_);
    for (std::int64_t y = 0; y < spec.kernel[0]; ++y) {
      for (std::int64_t x = 0; x < spec.kernel[1]; ++x) {
        taps_.push_back(as_size(y * spec.dilation[0]) * frame_line_ +
                        as_size(x * spec.dilation[1]) * channels);
      }
    }
    scratch_bytes = align_up(frame_height_ * frame_line_ + kDepthwiseCodeSlack);
    how_.offsets = nullptr;
    how_.scales = nullptr;
  }

  void run(const RunContext& context) const override {
    const std::size_t in_size = as_size(spec_.in[0] * spec_.in[1] * spec_.in_channels);
    const std::size_t line = as_size(spec_.out[1] * spec_.out_channels);
    auto* frame = view_as<std::uint8_t>(context.scratch);
    for (std::size_t item = 0; item < as_size(spec_.batch); ++item) {
      const std::uint8_t* x = codes_in(context.inputs[0]) + item * in_size;
      std::uint8_t* y = codes_in(context.outputs[0]) + item * as_size(spec_.out[0]) * line;
      parallel_for(frame_height_, threads_, [&](std::size_t row) {
        fill_line(x, static_cast<std::int64_t>(row) - spec_.before[0], frame + row * frame_line_);
      });
      parallel_for(as_size(spec_.out[0]), threads_, [&](std::size_t row) {
        run_row(frame + row * as_size(spec_.stride[0]) * frame_line_, y + row * line);
      });
    }
  }

 private:
  void fill_line(const std::uint8_t* x, std::int64_t in_y, std::uint8_t* out) const {
    if (in_y < 0 || in_y >= spec_.in[0]) {
      std::memset(out, zero_, frame_line_);
      return;
    }
    const auto repeats = as_size(spec_.out_channels / spec_.in_channels);
    const std::size_t line = as_size(spec_.in[1] * spec_.in_channels);
    const std::size_t before = as_size(spec_.before[1] * spec_.out_channels);
    const std::size_t copied = std::min(line * repeats, frame_line_ - before);
    const std::uint8_t* from = x + as_size(in_y) * line;
    std::memset(out, zero_, before);
    if (repeats == 1) {
      std::memcpy(out + before, from, copied);
    } else {
      for (std::size_t i = 0; i < copied / repeats; ++i)
        std::memset(out + before + i * repeats, from[i], repeats);
    }
    std::memset(out + before + copied, zero_, frame_line_ - before - copied);
  }

  void run_row(const std::uint8_t* x, std::uint8_t* y) const {
    const std::size_t channels = as_size(spec_.out_channels);
    const std::size_t width = as_size(spec_.out[1]);
    const std::size_t stride = as_size(spec_.stride[1]) * channels;
    const std::size_t steps = width / pixels_;
    convolve_depthwise_codes(packed_, {x, taps_.data(), steps, pixels_ * stride, y}, how_);
    const std::size_t done = steps * pixels_;
    if (done == width) return;
    // The last step ends with the row, so it repeats pixels of the one before it.
    const std::size_t first = width - pixels_;
    convolve_depthwise_codes(
        packed_, {x + first * stride, taps_.data(), 1, stride, y + first * channels}, how_);
  }

  ConvSpec spec_;
  SumsToCodes how_;  ///< without scales and offsets, which are packed
  std::int32_t zero_;
  int threads_ = 1;
  std::size_t pixels_ = 1;  ///< per step
  std::size_t frame_height_ = 0;
  std::size_t frame_line_ = 0;  ///< bytes
  std::vector<std::size_t> taps_ = {};
  DepthwiseCodeKernel packed_ = {};
};

OperatorResult IntegerDepthwiseOperator::build(const Conv2d& op, const BuildContext& context) {
  auto result = std::make_unique<IntegerDepthwiseOperator>();
  IntegerDepthwiseOperator& self = *result;
  VP_ASSIGN_OR_RETURN(self.spec_, conv_spec(op, context));
  const ConvSpec& spec = self.spec_;
  VP_ASSIGN_OR_RETURN(const IntegerKernel kernel, load_integer_kernel(context, spec.out_channels));
  VP_ASSIGN_OR_RETURN(self.result_, make_integer_result(context, kernel,
                                                        {op.activation, false, has_bias(context)}));
  const std::size_t channels = as_size(spec.out_channels);
  const std::size_t taps = as_size(spec.kernel[0] * spec.kernel[1]);
  // The int8 kernel takes eight channels at a time, whose vector shift moves halves upwards; it
  // handles the channels behind them like the uint8 kernel.
  constexpr std::size_t kVector = 8;
  self.result_.upward_columns = input_code(context, 0).is_signed ? channels / kVector * kVector : 0;
  const std::int32_t zero = input_code(context, 0).zero_point;
  self.multiplier_ = spec.out_channels / spec.in_channels;
  self.threads_ = threads_worth(count_of(context.results[0]) * taps, std::max(context.threads, 1));
  self.border_.assign(channels, static_cast<std::uint8_t>(zero));
  for (std::size_t t = 0; t < taps; ++t) {
    for (std::size_t c = 0; c < channels; ++c) {
      const int weight = static_cast<std::int8_t>(kernel.codes[t * channels + c]) -
                         static_cast<int>(kernel.zero_point);
      self.weights_.push_back(static_cast<std::int16_t>(weight));
      self.result_.offsets[c] -= zero * weight;
    }
  }
  if (!self.result_.scales.empty()) {
    return std::make_unique<FramedDepthwiseOperator>(spec, kernel, self.result_,
                                                     input_code(context, 0).zero_point,
                                                     std::max(context.threads, 1));
  }
  if (self.multiplier_ > 1)
    self.repeated_bytes_ = align_up(count_of(context.inputs[0].dims) * as_size(self.multiplier_));
  self.pixels_bytes_ = align_up(taps * sizeof(const std::uint8_t*));
  self.own_bytes_ = self.pixels_bytes_ + align_up(channels * sizeof(std::int32_t));
  self.scratch_bytes = self.repeated_bytes_ + self.own_bytes_ * as_size(self.threads_);
  self.output_dims = {conv_output_dims(spec, {})};
  self.is_hybrid = true;
  return result;
}

}  // namespace

OperatorResult make_integer_depthwise(const Conv2d& op, const BuildContext& context) {
  return IntegerDepthwiseOperator::build(op, context);
}

}  // namespace visionpress
