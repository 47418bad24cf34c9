// Hybrid matrix products: fully connected layers and XNNPACK's 1x1 convolutions.

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/column_parts.h"
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
        threads_(1) {
    output_dims = {rows.output_dims};
    is_hybrid = true;
    const std::size_t work =
        rows_ * (inner_ * columns_ / kBytesPerFloat + kPerValue * (inner_ + columns_));
    threads_ = static_cast<std::size_t>(threads_worth(work, std::max(threads, 1)));
    choose_blocks();
  }

  void pack(const std::vector<std::uint8_t>& kernel, HybridResult result) {
    result_ = std::move(result);
    packed_.resize(byte_product_packed_size(shape()));
    pack_byte_product(shape(), kernel, packed_);
    codes_bytes_ = align_up(block_ * inner_ + kQuantizeSlack);
    starts_bytes_ = align_up(block_ * sizeof(const std::uint8_t*));
    worker_bytes_ = codes_bytes_ + starts_bytes_ + align_up(block_ * sizeof(RowCode));
    scratch_bytes = worker_bytes_ * (splits_columns() ? 1 : threads_);
  }

  void run(const RunContext& context) const override {
    const std::size_t blocks = (rows_ + block_ - 1) / block_;
    std::vector<ActivationRange> ranges(splits_columns() ? parts_.count : blocks);
    if (splits_columns()) {
      const ByteRows rows = quantize(context.inputs[0], rows_, context.scratch);
      parallel_for(parts_.count, static_cast<int>(threads_), [&](std::size_t part) {
        const ColumnRange columns = {parts_.begin(part), parts_.end(part)};
        ranges[part] = multiply(rows, columns, context.outputs[0]);
      });
    } else {
      parallel_for_workers(blocks, static_cast<int>(threads_), [&](std::size_t b, std::size_t w) {
        const std::size_t begin = b * block_;
        const std::size_t count = std::min(block_, rows_ - begin);
        const ByteRows rows = quantize(context.inputs[0] + begin * inner_, count,
                                       context.scratch + w * worker_bytes_);
        ranges[b] = multiply(rows, {0, columns_}, context.outputs[0] + begin * columns_);
      });
    }
    if (result_.after) {
      apply_unary(*result_.after, context.outputs[0], context.outputs[0], rows_ * columns_);
    } else if (context.output_range != nullptr) {
      ActivationRange seen;
      for (const ActivationRange range : ranges) seen = join(seen, range);
      *context.output_range = seen;
    }
  }

 private:
  /// Rows whose codes stay in the first-level cache while the columns pass by, evenly split. If
  /// there are fewer rows than the threads can share, they share the columns.
  void choose_blocks() {
    constexpr std::size_t kBlockBytes = std::size_t{16} << 10;
    constexpr std::size_t kRowStep = 4;  // rows that the kernel sums at once
    if (threads_ > 1 && rows_ < 2 * kRowStep * threads_) {
      const std::size_t step = byte_product_column_step();
      parts_ = split_columns(columns_, step, threads_);
      block_ = rows_;
      return;
    }
    const std::size_t most =
        std::max(kBlockBytes / std::max<std::size_t>(inner_, 1) / kRowStep, std::size_t{2}) *
        kRowStep;
    const std::size_t even = even_share(rows_, most, threads_);
    block_ = (even + kRowStep - 1) / kRowStep * kRowStep;
  }
  [[nodiscard]] bool splits_columns() const { return parts_.size > 0; }

  [[nodiscard]] ByteProductShape shape() const { return {1, inner_, columns_}; }

  // Quantizes `count` rows, each with its own code.
  ByteRows quantize(const float* x, std::size_t count, std::byte* scratch) const {
    auto* codes = view_as<std::uint8_t>(scratch);
    auto* starts = view_as<const std::uint8_t*>(scratch + codes_bytes_);
    auto* row_codes = view_as<RowCode>(scratch + codes_bytes_ + starts_bytes_);
    if (result_.rule == HybridRule::Xnnpack) {
      quantize_rows({x, count, inner_}, codes, row_codes);
    } else {
      for (std::size_t r = 0; r < count; ++r)
        row_codes[r] = quantize_row(x + r * inner_, codes + r * inner_);
    }
    for (std::size_t r = 0; r < count; ++r) starts[r] = codes + r * inner_;
    static constexpr std::size_t kOnlySegment = 0;
    return {starts, count, &kOnlySegment, row_codes, false};
  }

  RowCode quantize_row(const float* x, std::uint8_t* codes) const {
    ActivationRange range;
    range_with_zero(x, inner_, &range.low, &range.high);
    const ActivationCode code = choose_code(result_.rule, range);
    quantize_values({result_.rule, code, inner_}, x, 0, inner_, codes);
    const bool has_sum = result_.needs_input_sums();
    return {code.zero_point + 128, code.scale, has_sum ? sum_codes({codes, inner_}) : 0};
  }

  ActivationRange multiply(const ByteRows& rows, ColumnRange columns, float* y) const {
    FloatRows out = {y, columns_, 0.0F, 0.0F};
    const ByteProduct product = {shape(), packed_.data(), result_.dequantization({}, 0)};
    multiply_bytes(product, rows, columns, out);
    return {out.low, out.high};
  }

  // What quantizing a value or finishing a sum takes, in products of floats.
  static constexpr std::size_t kPerValue = 4;

  std::size_t rows_;
  std::size_t inner_;
  std::size_t columns_;
  std::size_t threads_;
  std::size_t block_ = 0;   ///< rows per task
  ColumnParts parts_ = {};  ///< of no size unless the threads share the columns
  std::size_t codes_bytes_ = 0;
  std::size_t starts_bytes_ = 0;
  std::size_t worker_bytes_ = 0;
  std::vector<std::uint8_t> packed_ = {};
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
  result->pack(kernel.codes, make_hybrid_result(rule, kernel, std::move(bias), rows.activation));
  return result;
}

}  // namespace visionpress
