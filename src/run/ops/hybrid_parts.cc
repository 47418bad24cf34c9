#include "run/ops/hybrid_parts.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/decode.h"

namespace visionpress {

Result<std::vector<float>> load_hybrid_scales(const BuildContext& context, std::int64_t channels) {
  const WeightRef& stored = context.inputs[1].weight->stored;
  const WeightCode& code = stored.code;
  const bool is_symmetric = std::all_of(code.zero_points.begin(), code.zero_points.end(),
                                        [](auto z) { return z == 0; }) &&
                            code.offsets.empty();
  if (code.encoding != Encoding::Linear || code.bits > 8 || !code.is_signed || !is_symmetric) {
    return fail(ErrorKind::Unsupported, "{}: a hybrid kernel must be symmetric int8",
                context.inputs[1].weight->path);
  }
  std::vector<float> scales = code.scales;
  const auto count = static_cast<std::size_t>(channels);
  if (scales.size() == 1) scales.assign(count, scales[0]);
  if (scales.size() != count) {
    return fail(ErrorKind::Malformed, "{}: {} scales for {} output channels",
                context.inputs[1].weight->path, scales.size(), channels);
  }
  return scales;
}

Result<HybridKernel> load_hybrid_kernel(const BuildContext& context, std::int64_t channels) {
  HybridKernel kernel;
  VP_ASSIGN_OR_RETURN(kernel.scales, load_hybrid_scales(context, channels));
  VP_ASSIGN_OR_RETURN(kernel.codes, load_codes(context.inputs[1].weight->stored));
  return kernel;
}

bool is_taken_by_xnnpack(const BuildContext& context) {
  return context.arithmetic == Arithmetic::Runtime &&
         context.inputs[1].tensor->dtype == DType::Int8 && has_bias(context);
}

bool is_matrix_taken_by_xnnpack(const BuildContext& context, std::int64_t inner) {
  if (context.arithmetic != Arithmetic::Runtime) return false;
  if (context.inputs[1].tensor->dtype == DType::UInt8) return false;
  const WeightCode& code = context.inputs[1].weight->stored.code;
  if (code.bits == 2) return inner % 4 == 0 && code.scales.size() > 1;
  return code.bits != 4 || inner % 2 == 0;
}

HybridRule builtin_matrix_rule(const FullyConnected& op, const BuildContext& context,
                               std::int64_t inner) {
  const WeightCode& code = context.inputs[1].weight->stored.code;
  // source: PrepareImpl in tensorflow/lite/kernels/fully_connected.cc, as of LiteRT 2.3.
  constexpr std::int64_t kLeastInner = 32;
  constexpr std::int64_t kLeastColumns = 4;
  const std::int64_t columns = context.inputs[1].weight->stored.shape[0];
  if (code.bits == 4 && inner % 2 == 0 && inner >= kLeastInner && columns >= kLeastColumns) {
    return HybridRule::BuiltinFourBits;
  }
  return op.asymmetric_inputs ? HybridRule::BuiltinAsymmetric : HybridRule::BuiltinSymmetric;
}

HybridRule hybrid_rule(const BuildContext& context, const std::vector<float>& scales,
                       bool is_grouped) {
  if (is_taken_by_xnnpack(context)) return HybridRule::Xnnpack;
  const bool all_equal =
      std::all_of(scales.begin(), scales.end(), [&](float s) { return s == scales[0]; });
  return all_equal && !is_grouped ? HybridRule::BuiltinSymmetric : HybridRule::BuiltinAsymmetric;
}

Dequantization HybridResult::dequantization(const ActivationCode& code,
                                            std::size_t first_channel) const {
  Dequantization how;
  how.kernel_sums = kernel_sums.data() + first_channel;
  how.kernel_scales = kernel_scales.data() + first_channel;
  how.bias = bias.data() + first_channel;
  how.code_zero = code.zero_point + 128;
  how.input_scale = code.scale;
  const ScaleOrder builtin = is_grouped ? ScaleOrder::KernelThenInput : ScaleOrder::Product;
  how.order = rule == HybridRule::Xnnpack ? ScaleOrder::InputFused : builtin;
  if (rule == HybridRule::BuiltinFourBits) how.order = ScaleOrder::ShiftedKernel;
  how.slope = bounds.slope;
  how.low = bounds.low;
  how.high = bounds.high;
  return how;
}

HybridResult make_hybrid_result(HybridRule rule, const HybridKernel& kernel,
                                std::vector<float> bias, const std::optional<Unary>& activation) {
  HybridResult result;
  result.rule = rule;
  result.kernel_sums.assign(kernel.scales.size(), 0);
  const std::size_t taps = kernel.codes.size() / kernel.scales.size();
  for (std::size_t o = 0; o < kernel.scales.size(); ++o) {
    for (std::size_t t = 0; t < taps; ++t) {
      result.kernel_sums[o] += static_cast<std::int8_t>(kernel.codes[o * taps + t]);
    }
  }
  result.kernel_scales = kernel.scales;
  result.bias = std::move(bias);
  const auto bounds = activation_bounds(activation);
  result.bounds = bounds ? *bounds : *activation_bounds(std::nullopt);
  if (rule != HybridRule::Xnnpack) {
    // Without an activation, the builtin kernels clamp to the largest finite floats.
    result.bounds.low = std::max(result.bounds.low, std::numeric_limits<float>::lowest());
    result.bounds.high = std::min(result.bounds.high, std::numeric_limits<float>::max());
  }
  if (!bounds) result.after = activation;
  return result;
}

ActivationRange join(ActivationRange a, ActivationRange b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

ActivationRange find_item_range(const RunContext& context, std::size_t batch,
                                std::span<const float> item, int threads) {
  if (batch == 1 && context.input_ranges[0]) return *context.input_ranges[0];
  constexpr std::size_t kBlock = 1 << 16;
  std::vector<ActivationRange> ranges((item.size() + kBlock - 1) / kBlock);
  parallel_for(ranges.size(), threads, [&](std::size_t b) {
    const std::span<const float> block =
        item.subspan(b * kBlock, std::min(kBlock, item.size() - b * kBlock));
    range_with_zero(block.data(), block.size(), &ranges[b].low, &ranges[b].high);
  });
  ActivationRange all;
  for (const ActivationRange range : ranges) all = join(all, range);
  return all;
}

}  // namespace visionpress
