// Hybrid matrix products: fully connected layers and XNNPACK's 1x1 convolutions.

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/elementwise.h"
#include "run/ops/hybrid_parts.h"

namespace visionpress {
namespace {

/// codes: q + 128.
std::int32_t sum_codes(std::span<const std::uint8_t> codes) {
  const auto sum = std::accumulate(codes.begin(), codes.end(), std::int32_t{0});
  return sum - 128 * static_cast<std::int32_t>(codes.size());
}

class HybridRowsOperator final : public Operator {
 public:
  HybridRowsOperator(const HybridRows& rows, int threads)
      : rows_(static_cast<std::size_t>(rows.rows)),
        inner_(static_cast<std::size_t>(rows.inner)),
        columns_(static_cast<std::size_t>(rows.columns)),
        threads_(threads) {
    output_dims = {rows.output_dims};
    is_hybrid = true;
  }

  Result<void> pack(const std::vector<std::uint8_t>& kernel, HybridResult result) {
    result_ = std::move(result);
    const ConvSpec spec =
        matrix_product_spec(ConvArithmetic::UnsignedBySigned, static_cast<std::int64_t>(rows_),
                            static_cast<std::int64_t>(inner_), static_cast<std::int64_t>(columns_));
    VP_ASSIGN_OR_RETURN(Convolution product,
                        Convolution::create(spec, kernel.data(), nullptr, threads_));
    product_.emplace(std::move(product));
    halves_ = !has_exact_unsigned_by_signed();
    codes_bytes_ = align_up(rows_ * inner_);
    sums_bytes_ = align_up(rows_ * columns_ * sizeof(std::int32_t));
    scratch_bytes = 2 * codes_bytes_ + 2 * sums_bytes_ + product_->scratch_bytes();
    return {};
  }

  void run(const RunContext& context) const override {
    auto* codes = view_as<std::uint8_t>(context.scratch);
    auto* sums = view_as<std::int32_t>(context.scratch + 2 * codes_bytes_);
    std::vector<ActivationCode> row_codes(rows_);
    std::vector<std::int32_t> input_sums(rows_, 0);
    parallel_for(rows_, threads_, [&](std::size_t r) {
      const float* x = context.inputs[0] + r * inner_;
      ActivationRange range;
      range_with_zero(x, inner_, &range.low, &range.high);
      row_codes[r] = choose_code(result_.rule, range);
      std::uint8_t* row = codes + r * inner_;
      quantize_values({result_.rule, row_codes[r], inner_}, x, 0, inner_, row);
      if (result_.needs_input_sums()) input_sums[r] = sum_codes({row, inner_});
    });
    multiply(codes, sums, context.scratch + 2 * codes_bytes_ + 2 * sums_bytes_);
    std::vector<ActivationRange> ranges(rows_);
    parallel_for(rows_, threads_, [&](std::size_t r) {
      FloatRows rows = {context.outputs[0] + r * columns_, columns_, 0.0F, 0.0F};
      Dequantization how = result_.dequantization(row_codes[r], 0);
      how.input_sum = input_sums[r];
      dequantize({sums + r * columns_, nullptr, columns_}, 1, how, rows);
      ranges[r] = {rows.low, rows.high};
    });
    if (result_.after) {
      apply_unary(*result_.after, context.outputs[0], context.outputs[0], rows_ * columns_);
    } else if (context.output_range != nullptr) {
      ActivationRange seen;
      for (const ActivationRange range : ranges) seen = join(seen, range);
      *context.output_range = seen;
    }
  }

 private:
  void multiply(std::uint8_t* codes, std::int32_t* sums, std::byte* scratch) const {
    if (!halves_) return product_->run(codes, sums, scratch);
    std::uint8_t* low = codes + codes_bytes_;
    std::int32_t* low_sums = sums + sums_bytes_ / 4;
    halve_codes(codes, low, rows_ * inner_);
    product_->run(codes, sums, scratch);
    product_->run(low, low_sums, scratch);
    join_halves(sums, low_sums, rows_ * columns_);
  }

  std::size_t rows_;
  std::size_t inner_;
  std::size_t columns_;
  int threads_;
  bool halves_ = false;
  std::optional<Convolution> product_ = std::nullopt;
  std::size_t codes_bytes_ = 0;
  std::size_t sums_bytes_ = 0;
  HybridResult result_ = {};
};

}  // namespace

OperatorResult make_hybrid_rows(const HybridRows& rows, HybridRule rule,
                                const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const HybridKernel kernel, load_hybrid_kernel(context, rows.columns));
  if (kernel.codes.size() != static_cast<std::size_t>(rows.inner * rows.columns)) {
    return fail(ErrorKind::Malformed, "kernel of {} values for {} inputs and {} outputs",
                kernel.codes.size(), rows.inner, rows.columns);
  }
  VP_ASSIGN_OR_RETURN(std::vector<float> bias, load_bias(context, rows.columns));
  auto result = std::make_unique<HybridRowsOperator>(rows, context.threads);
  VP_RETURN_IF_ERROR(result->pack(
      kernel.codes, make_hybrid_result(rule, kernel, std::move(bias), rows.activation)));
  return result;
}

}  // namespace visionpress
