// Depthwise convolutions with int8 kernels. XNNPACK does not take them, so they always follow the
// builtin kernel: asymmetric codes per batch item, one scale per output channel.

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/depthwise_rows.h"
#include "run/ops/elementwise.h"
#include "run/ops/hybrid_parts.h"

namespace visionpress {
namespace {

std::vector<KernelTap> list_taps(const ConvSpec& spec) {
  std::vector<KernelTap> taps;
  for (std::int64_t y = 0; y < spec.kernel[0]; ++y) {
    for (std::int64_t x = 0; x < spec.kernel[1]; ++x) taps.push_back({y, x});
  }
  return taps;
}

class HybridDepthwiseOperator final : public Operator {
 public:
  HybridDepthwiseOperator(const ConvSpec& spec, const HybridKernel& kernel,
                          const std::vector<float>& bias, int threads)
      : spec_(spec), scales_(kernel.scales), rows_(spec, list_taps(spec), threads) {
    output_dims = {{spec.batch, spec.out[0], spec.out[1], spec.out_channels}};
    const auto channels = static_cast<std::size_t>(spec.out_channels);
    const auto width = static_cast<std::size_t>(spec.kernel[1]);
    rows_.pack(list_taps(spec), bias, [&](const KernelTap& tap, std::size_t channel) {
      const std::size_t at =
          static_cast<std::size_t>(tap.y) * width + static_cast<std::size_t>(tap.x);
      return static_cast<float>(static_cast<std::int8_t>(kernel.codes[at * channels + channel]));
    });
    scratch_bytes = rows_.scratch_bytes();
    is_hybrid = true;
  }

  void set_activation(const std::optional<Unary>& activation) {
    if (activation) choose_bounds(activation);
    // NaN becomes the lower bound only in the groups of four channels.
    std::vector<float> for_nan(scales_.size(), low_);
    for (std::size_t c = scales_.size() / 4 * 4; c < scales_.size(); ++c)
      for_nan[c] = std::numeric_limits<float>::quiet_NaN();
    for_nan_ = rows_.spread(for_nan);
  }

  void run(const RunContext& context) const override {
    const auto line = static_cast<std::size_t>(spec_.in[1] * spec_.in_channels);
    const auto in_size = static_cast<std::size_t>(spec_.in[0]) * line;
    const auto out_size =
        static_cast<std::size_t>(spec_.out[0] * spec_.out[1] * spec_.out_channels);
    for (std::size_t item = 0; item < static_cast<std::size_t>(spec_.batch); ++item) {
      const float* x = context.inputs[0] + item * in_size;
      const ActivationRange range = find_item_range(context, static_cast<std::size_t>(spec_.batch),
                                                    {x, in_size}, rows_.threads());
      const QuantizeJob job = {HybridRule::BuiltinAsymmetric,
                               choose_code(HybridRule::BuiltinAsymmetric, range), in_size};
      const Scales scales = scales_for(job.code.scale);
      rows_.run(
          context.scratch, context.outputs[0] + item * out_size,
          [&](std::size_t y, float* to) { round_values(job, x + y * line, y * line, line, to); },
          [&](const DepthwiseRow& row) {
            depthwise_code_row(
                row, {scales.first.data(), scales.second.data(), for_nan_.data(), low_, high_});
            if (after_) apply_unary(*after_, row.y, row.y, row.y_floats);
          });
    }
  }

 private:
  struct Scales {
    std::vector<float> first = {};
    std::vector<float> second = {};
  };

  // The builtin kernel handles channels in groups of four and multiplies by the kernel's scale
  // first; for the last channels % 4 it multiplies by the input's scale first.
  [[nodiscard]] Scales scales_for(float input_scale) const {
    std::vector<float> first = scales_;
    std::vector<float> second(scales_.size(), input_scale);
    for (std::size_t c = scales_.size() / 4 * 4; c < scales_.size(); ++c)
      std::swap(first[c], second[c]);
    return {rows_.spread(first), rows_.spread(second)};
  }

  void choose_bounds(const std::optional<Unary>& activation) {
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

  ConvSpec spec_;
  std::vector<float> scales_;
  DepthwiseRows rows_;
  std::vector<float> for_nan_ = {};
  float low_ = std::numeric_limits<float>::lowest();  // the builtin kernel's bounds if there is no
                                                      // activation
  float high_ = std::numeric_limits<float>::max();
  std::optional<Unary> after_ = std::nullopt;
};

}  // namespace

OperatorResult make_hybrid_depthwise(const Conv2d& op, const Epilogue& epilogue,
                                     const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const ConvSpec spec, conv_spec(op, context));
  VP_ASSIGN_OR_RETURN(const HybridKernel kernel, load_hybrid_kernel(context, spec.out_channels));
  VP_ASSIGN_OR_RETURN(const std::vector<float> bias, load_bias(context, spec.out_channels));
  auto result = std::make_unique<HybridDepthwiseOperator>(spec, kernel, bias, context.threads);
  result->set_activation(conv_activation(op, epilogue));
  return result;
}

}  // namespace visionpress
