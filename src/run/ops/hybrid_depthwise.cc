// Depthwise convolutions with int8 kernels. XNNPACK does not take them, so they always follow the
// builtin kernel: asymmetric codes of each batch item, one scale an output channel.

#include <algorithm>
#include <utility>

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
    scratch_bytes = static_cast<std::size_t>(spec.in[0] * spec.in[1] * spec.in_channels);
    is_hybrid = true;
  }

  void set_activation(const std::optional<Unary>& activation) { activation_ = activation; }

  void run(const RunContext& context) const override {
    const auto in_size = static_cast<std::size_t>(spec_.in[0] * spec_.in[1] * spec_.in_channels);
    const auto out_size =
        static_cast<std::size_t>(spec_.out[0] * spec_.out[1] * spec_.out_channels);
    auto* codes = static_cast<std::uint8_t*>(static_cast<void*>(context.scratch));
    for (std::size_t item = 0; item < static_cast<std::size_t>(spec_.batch); ++item) {
      const float* x = context.inputs[0] + item * in_size;
      float* y = context.outputs[0] + item * out_size;
      ActivationRange range;
      range_with_zero(x, in_size, &range.low, &range.high);
      const ActivationCode code = choose_code(HybridRule::BuiltinAsymmetric, range);
      quantize_values({HybridRule::BuiltinAsymmetric, code, in_size}, x, 0, in_size, codes);
      parallel_for(static_cast<std::size_t>(spec_.out[0]), threads_, [&](std::size_t row) {
        convolve_row(static_cast<std::int64_t>(row), code, codes, y);
      });
    }
  }

 private:
  void convolve_row(std::int64_t row, const ActivationCode& code, const std::uint8_t* codes,
                    float* y) const {
    const std::int64_t multiplier = spec_.out_channels / spec_.in_channels;
    for (std::int64_t column = 0; column < spec_.out[1]; ++column) {
      float* out = y + (row * spec_.out[1] + column) * spec_.out_channels;
      for (std::int64_t o = 0; o < spec_.out_channels; ++o) {
        const std::int32_t sum =
            sum_taps(row, column, o, o / multiplier, code.zero_point + 128, codes);
        const float scale = kernel_.scales[static_cast<std::size_t>(o)] * code.scale;
        out[o] = static_cast<float>(sum) * scale + bias_[static_cast<std::size_t>(o)];
      }
      if (activation_)
        apply_unary(*activation_, out, out, static_cast<std::size_t>(spec_.out_channels));
    }
  }

  [[nodiscard]] std::int32_t sum_taps(std::int64_t row, std::int64_t column,
                                      std::int64_t out_channel, std::int64_t in_channel,
                                      std::int32_t zero, const std::uint8_t* codes) const {
    std::int32_t sum = 0;
    for (std::int64_t ky = 0; ky < spec_.kernel[0]; ++ky) {
      const std::int64_t y = row * spec_.stride[0] + ky * spec_.dilation[0] - spec_.before[0];
      if (y < 0 || y >= spec_.in[0]) continue;
      for (std::int64_t kx = 0; kx < spec_.kernel[1]; ++kx) {
        const std::int64_t x = column * spec_.stride[1] + kx * spec_.dilation[1] - spec_.before[1];
        if (x < 0 || x >= spec_.in[1]) continue;
        const std::int32_t activation =
            codes[(y * spec_.in[1] + x) * spec_.in_channels + in_channel] - zero;
        const auto at = static_cast<std::size_t>((ky * spec_.kernel[1] + kx) * spec_.out_channels +
                                                 out_channel);
        sum += activation * static_cast<std::int8_t>(kernel_.codes[at]);
      }
    }
    return sum;
  }

  ConvSpec spec_;
  HybridKernel kernel_;
  std::vector<float> bias_;
  int threads_;
  std::optional<Unary> activation_ = std::nullopt;
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
