// Depthwise convolutions with int8 kernels. XNNPACK does not take them, so they always follow the
// builtin kernel: asymmetric codes per batch item, one scale per output channel.

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/elementwise.h"
#include "run/ops/hybrid_parts.h"

namespace visionpress {
namespace {

class HybridDepthwiseOperator final : public Operator {
 public:
  HybridDepthwiseOperator(const ConvSpec& spec, HybridKernel kernel, std::vector<float> bias,
                          int threads)
      : spec_(spec), kernel_(std::move(kernel)), bias_(std::move(bias)), threads_(threads) {
    output_dims = {{spec.batch, spec.out[0], spec.out[1], spec.out_channels}};
    codes_bytes_ = align_up(static_cast<std::size_t>(spec.in[0] * spec.in[1] * spec.in_channels));
    sums_bytes_ = align_up(static_cast<std::size_t>(spec.out_channels) * sizeof(std::int32_t));
    scratch_bytes = codes_bytes_ + static_cast<std::size_t>(std::max(threads, 1)) * sums_bytes_;
    for (const std::uint8_t code : kernel_.codes)
      signed_kernel_.push_back(static_cast<std::int8_t>(code));
    is_hybrid = true;
  }

  void set_activation(const std::optional<Unary>& activation) {
    if (!activation) return;
    const bool is_clamp = activation->kind == UnaryKind::Relu ||
                          activation->kind == UnaryKind::Relu6 ||
                          activation->kind == UnaryKind::ReluN1To1;
    if (!is_clamp) {
      after_ = activation;
      return;
    }
    const ActivationBounds bounds = *activation_bounds(activation);
    low_ = bounds.low;
    high_ = std::min(high_, bounds.high);
  }

  void run(const RunContext& context) const override {
    const auto in_size = static_cast<std::size_t>(spec_.in[0] * spec_.in[1] * spec_.in_channels);
    const auto out_size =
        static_cast<std::size_t>(spec_.out[0] * spec_.out[1] * spec_.out_channels);
    auto* codes = view_as<std::uint8_t>(context.scratch);
    for (std::size_t item = 0; item < static_cast<std::size_t>(spec_.batch); ++item) {
      const float* x = context.inputs[0] + item * in_size;
      float* y = context.outputs[0] + item * out_size;
      ActivationRange range;
      range_with_zero(x, in_size, &range.low, &range.high);
      const ActivationCode code = choose_code(HybridRule::BuiltinAsymmetric, range);
      quantize_values({HybridRule::BuiltinAsymmetric, code, in_size}, x, 0, in_size, codes);
      parallel_for_workers(
          static_cast<std::size_t>(spec_.out[0]), threads_, [&](std::size_t row, std::size_t w) {
            auto* sums = view_as<std::int32_t>(context.scratch + codes_bytes_ + w * sums_bytes_);
            convolve_row(static_cast<std::int64_t>(row), code, {codes, sums, y});
          });
    }
  }

 private:
  struct Buffers {
    const std::uint8_t* codes = nullptr;
    std::int32_t* sums = nullptr;  // of one pixel; each thread has its own
    float* y = nullptr;
  };

  void convolve_row(std::int64_t row, const ActivationCode& code, const Buffers& buffers) const {
    const auto channels = static_cast<std::size_t>(spec_.out_channels);
    for (std::int64_t column = 0; column < spec_.out[1]; ++column) {
      float* out = buffers.y + (row * spec_.out[1] + column) * spec_.out_channels;
      sum_taps(row, column, code.zero_point + 128, buffers);
      dequantize_pixel(buffers.sums, code.scale, out);
      if (after_) apply_unary(*after_, out, out, channels);
    }
  }

  void sum_taps(std::int64_t row, std::int64_t column, std::int32_t zero,
                const Buffers& buffers) const {
    const std::int64_t multiplier = spec_.out_channels / spec_.in_channels;
    std::int32_t* sums = buffers.sums;
    std::fill(sums, sums + spec_.out_channels, 0);
    for (std::int64_t ky = 0; ky < spec_.kernel[0]; ++ky) {
      const std::int64_t y = row * spec_.stride[0] + ky * spec_.dilation[0] - spec_.before[0];
      if (y < 0 || y >= spec_.in[0]) continue;
      for (std::int64_t kx = 0; kx < spec_.kernel[1]; ++kx) {
        const std::int64_t x = column * spec_.stride[1] + kx * spec_.dilation[1] - spec_.before[1];
        if (x < 0 || x >= spec_.in[1]) continue;
        const std::uint8_t* codes = buffers.codes + (y * spec_.in[1] + x) * spec_.in_channels;
        const std::int8_t* kernel =
            signed_kernel_.data() + (ky * spec_.kernel[1] + kx) * spec_.out_channels;
        if (multiplier == 1) {
          for (std::int64_t o = 0; o < spec_.out_channels; ++o)
            sums[o] += (codes[o] - zero) * kernel[o];
        } else {
          for (std::int64_t o = 0; o < spec_.out_channels; ++o)
            sums[o] += (codes[o / multiplier] - zero) * kernel[o];
        }
      }
    }
  }

  // The builtin kernel handles channels in groups of four and multiplies by the kernel's scale
  // first; for the last channels % 4 it multiplies by the input's scale first. NaN becomes the
  // lower bound only in the groups.
  void dequantize_pixel(const std::int32_t* sums, float input_scale, float* y) const {
    const std::size_t channels = kernel_.scales.size();
    const std::size_t grouped = channels / 4 * 4;
    for (std::size_t o = 0; o < grouped; ++o) {
      const float scaled = static_cast<float>(sums[o]) * kernel_.scales[o];
      const float value = scaled * input_scale + bias_[o];
      const float above = value > low_ ? value : low_;
      y[o] = above < high_ ? above : high_;
    }
    for (std::size_t o = grouped; o < channels; ++o) {
      const float scaled = static_cast<float>(sums[o]) * input_scale;
      y[o] = std::min(std::max(scaled * kernel_.scales[o] + bias_[o], low_), high_);
    }
  }

  ConvSpec spec_;
  HybridKernel kernel_;
  std::vector<float> bias_;
  int threads_;
  std::vector<std::int8_t> signed_kernel_ = {};
  std::size_t codes_bytes_ = 0;
  std::size_t sums_bytes_ = 0;
  float low_ = std::numeric_limits<float>::lowest();  // the builtin kernel's bounds if there is no
                                                      // activation
  float high_ = std::numeric_limits<float>::max();
  std::optional<Unary> after_ = std::nullopt;
};

}  // namespace

OperatorResult make_hybrid_depthwise(const Conv2d& op, const Epilogue& epilogue,
                                     const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const ConvSpec spec, conv_spec(op, context));
  VP_ASSIGN_OR_RETURN(HybridKernel kernel, load_hybrid_kernel(context, spec.out_channels));
  VP_ASSIGN_OR_RETURN(std::vector<float> bias, load_bias(context, spec.out_channels));
  auto result = std::make_unique<HybridDepthwiseOperator>(spec, std::move(kernel), std::move(bias),
                                                          context.threads);
  result->set_activation(conv_activation(op, epilogue));
  return result;
}

}  // namespace visionpress
