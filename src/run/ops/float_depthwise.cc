// Float depthwise convolutions, in the order of sums that the caller names.

#include <utility>

#include "base/bytes.h"
#include "run/ops/conv_shape.h"
#include "run/ops/depthwise_rows.h"
#include "run/ops/ordered_conv.h"

namespace visionpress {
namespace {

class DepthwiseOperator final : public Operator {
 public:
  DepthwiseOperator(const ConvSpec& spec, const std::vector<KernelTap>& taps,
                    const ActivationBounds& bounds, int threads)
      : spec_(spec), bounds_(bounds), rows_(spec, taps, threads) {}

  void pack(const std::vector<KernelTap>& taps, const std::vector<float>& kernel,
            const std::vector<float>& bias) {
    const auto strides = kernel_strides(spec_);  // group, out, in, height, width
    const std::int64_t per_group = spec_.out_channels / spec_.groups;
    rows_.pack(taps, bias, [&](const KernelTap& tap, std::size_t channel) {
      const auto c = static_cast<std::int64_t>(channel);
      const std::int64_t at = c / per_group * strides[0] + c % per_group * strides[1] +
                              tap.y * strides[3] + tap.x * strides[4];
      return kernel[static_cast<std::size_t>(at)];
    });
  }

  void finish(Shape dims) {
    output_dims = {std::move(dims)};
    scratch_bytes = rows_.scratch_bytes();
  }

  void run(const RunContext& context) const override {
    const auto line = static_cast<std::size_t>(spec_.in[1] * spec_.in_channels);
    const auto in_size = static_cast<std::size_t>(spec_.in[0]) * line;
    const auto batch = static_cast<std::size_t>(spec_.batch);
    const std::size_t out_size = count_of(output_dims[0]) / batch;
    const SmallConvActivation activation = {bounds_.slope, bounds_.low, bounds_.high};
    for (std::size_t item = 0; item < batch; ++item) {
      const float* x = context.inputs[0] + item * in_size;
      rows_.run(
          context.scratch, context.outputs[0] + item * out_size,
          [&](std::size_t y, float* to) { std::copy_n(x + y * line, line, to); },
          [&](const DepthwiseRow& row) { depthwise_row(row, activation); });
    }
  }

 private:
  ConvSpec spec_;
  ActivationBounds bounds_;
  DepthwiseRows rows_;
};

}  // namespace

bool is_depthwise(const ConvSpec& spec) {
  return spec.groups > 1 && spec.groups == spec.in_channels && !spec.transposed;
}

std::unique_ptr<Operator> make_depthwise(const ConvSpec& spec, const FloatKernel& kernel,
                                         const std::vector<KernelTap>& taps,
                                         const ActivationBounds& bounds, Shape output_dims,
                                         const BuildContext& context) {
  auto result = std::make_unique<DepthwiseOperator>(spec, taps, bounds, context.threads);
  result->pack(taps, kernel.weights, kernel.bias);
  result->finish(std::move(output_dims));
  return result;
}

}  // namespace visionpress
