// Hybrid matrix products (fully connected layers, XNNPACK's 1x1 convolutions) and what all hybrid
// operators share.

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/decode.h"
#include "kernels/hybrid_kernels.h"
#include "run/ops/conv_shape.h"
#include "run/ops/elementwise.h"
#include "run/ops/hybrid_parts.h"

namespace visionpress {
namespace {

class HybridRowsOperator final : public Operator {
 public:
  HybridRowsOperator(const HybridRows& rows, HybridRule rule, int threads)
      : rows_(static_cast<std::size_t>(rows.rows)),
        inner_(static_cast<std::size_t>(rows.inner)),
        columns_(static_cast<std::size_t>(rows.columns)),
        rule_(rule),
        threads_(threads) {
    output_dims = {rows.output_dims};
    is_hybrid = true;
  }

  Result<void> pack(HybridKernel kernel, std::vector<float> bias,
                    const std::optional<Unary>& activation) {
    kernel_sums_.assign(columns_, 0);
    for (std::size_t c = 0; c < columns_; ++c) {
      for (std::size_t i = 0; i < inner_; ++i) {
        kernel_sums_[c] += static_cast<std::int8_t>(kernel.codes[c * inner_ + i]);
      }
    }
    scales_ = std::move(kernel.scales);
    bias_ = std::move(bias);
    const auto bounds = activation_bounds(activation);
    bounds_ = bounds ? *bounds : *activation_bounds(std::nullopt);
    if (!bounds) after_ = activation;
    const ConvSpec spec =
        matrix_product_spec(ConvArithmetic::UnsignedBySigned, static_cast<std::int64_t>(rows_),
                            static_cast<std::int64_t>(inner_), static_cast<std::int64_t>(columns_));
    VP_ASSIGN_OR_RETURN(Convolution product,
                        Convolution::create(spec, kernel.codes.data(), nullptr, threads_));
    product_.emplace(std::move(product));
    halves_ = !has_exact_unsigned_by_signed();
    codes_bytes_ = (rows_ * inner_ + 63) / 64 * 64;
    sums_bytes_ = (rows_ * columns_ * 4 + 63) / 64 * 64;
    scratch_bytes = 2 * codes_bytes_ + 2 * sums_bytes_ + product_->scratch_bytes();
    return {};
  }

  void run(const RunContext& context) const override {
    auto* codes = static_cast<std::uint8_t*>(static_cast<void*>(context.scratch));
    auto* sums = static_cast<std::int32_t*>(static_cast<void*>(context.scratch + 2 * codes_bytes_));
    std::vector<ActivationCode> row_codes(rows_);
    parallel_for(rows_, threads_, [&](std::size_t r) {
      const float* x = context.inputs[0] + r * inner_;
      ActivationRange range;
      range_with_zero(x, inner_, &range.low, &range.high);
      row_codes[r] = choose_code(rule_, range);
      quantize_values({rule_, row_codes[r], inner_}, x, 0, inner_, codes + r * inner_);
    });
    multiply(codes, sums, context.scratch + 2 * codes_bytes_ + 2 * sums_bytes_);
    std::vector<ActivationRange> ranges(rows_);
    parallel_for(rows_, threads_, [&](std::size_t r) {
      FloatRows rows = {context.outputs[0] + r * columns_, columns_, 0.0F, 0.0F};
      dequantize({sums + r * columns_, nullptr, columns_}, 1, dequantization(row_codes[r]), rows);
      ranges[r] = {rows.low, rows.high};
    });
    if (after_) apply_unary(*after_, context.outputs[0], context.outputs[0], rows_ * columns_);
    if (context.output_range != nullptr && !after_) {
      ActivationRange seen;
      for (const ActivationRange range : ranges) {
        seen = {std::min(seen.low, range.low), std::max(seen.high, range.high)};
      }
      *context.output_range = seen;
    }
  }

 private:
  // Where 8-bit products saturate, codes are halved: see hybrid_conv2d.cc.
  void multiply(std::uint8_t* codes, std::int32_t* sums, std::byte* scratch) const {
    if (!halves_) return product_->run(codes, sums, scratch);
    std::uint8_t* low = codes + codes_bytes_;
    std::int32_t* low_sums = sums + sums_bytes_ / 4;
    for (std::size_t i = 0; i < rows_ * inner_; ++i) {
      low[i] = codes[i] & 1U;
      codes[i] = static_cast<std::uint8_t>(codes[i] >> 1U);
    }
    product_->run(codes, sums, scratch);
    product_->run(low, low_sums, scratch);
    for (std::size_t i = 0; i < rows_ * columns_; ++i) sums[i] = 2 * sums[i] + low_sums[i];
  }

  [[nodiscard]] Dequantization dequantization(const ActivationCode& code) const {
    Dequantization how;
    how.kernel_sums = kernel_sums_.data();
    how.kernel_scales = scales_.data();
    how.bias = bias_.data();
    how.code_zero = code.zero_point + 128;
    how.input_scale = code.scale;
    how.is_fused = rule_ == HybridRule::Xnnpack;
    how.slope = bounds_.slope;
    how.low = bounds_.low;
    how.high = bounds_.high;
    return how;
  }

  std::size_t rows_;
  std::size_t inner_;
  std::size_t columns_;
  HybridRule rule_;
  int threads_;
  bool halves_ = false;
  std::optional<Convolution> product_ = std::nullopt;
  std::optional<Unary> after_ = std::nullopt;
  ActivationBounds bounds_ = {};
  std::size_t codes_bytes_ = 0;
  std::size_t sums_bytes_ = 0;
  std::vector<std::int32_t> kernel_sums_ = {};
  std::vector<float> scales_ = {};
  std::vector<float> bias_ = {};
};

}  // namespace

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
  return context.arithmetic == Arithmetic::Runtime && has_bias(context);
}

HybridRule hybrid_rule(const BuildContext& context, const std::vector<float>& scales,
                       bool is_grouped) {
  if (is_taken_by_xnnpack(context)) return HybridRule::Xnnpack;
  const bool all_equal =
      std::all_of(scales.begin(), scales.end(), [&](float s) { return s == scales[0]; });
  return all_equal && !is_grouped ? HybridRule::BuiltinSymmetric : HybridRule::BuiltinAsymmetric;
}

OperatorResult make_hybrid_rows(const HybridRows& rows, HybridRule rule,
                                const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(HybridKernel kernel, load_hybrid_kernel(context, rows.columns));
  if (kernel.codes.size() != static_cast<std::size_t>(rows.inner * rows.columns)) {
    return fail(ErrorKind::Malformed, "kernel of {} values for {} inputs and {} outputs",
                kernel.codes.size(), rows.inner, rows.columns);
  }
  VP_ASSIGN_OR_RETURN(std::vector<float> bias, load_bias(context, rows.columns));
  auto result = std::make_unique<HybridRowsOperator>(rows, rule, context.threads);
  VP_RETURN_IF_ERROR(result->pack(std::move(kernel), std::move(bias), rows.activation));
  return result;
}

}  // namespace visionpress
