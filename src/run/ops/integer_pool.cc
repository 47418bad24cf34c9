// Average pools of codes, as LiteRT's builtin kernels round them; XNNPACK takes none.

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "lower/window.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

class IntegerAveragePoolOperator final : public Operator {
 public:
  IntegerAveragePoolOperator(const Pool2d& op, const BuildContext& context)
      : op_(op),
        in_(context.inputs[0].dims),
        is_signed_(output_code(context).is_signed),
        bounds_(activation_codes(op.activation, output_code(context), false)) {
    output_dims = {context.results[0]};
    const std::size_t window = as_size(op.kernel[0] * op.kernel[1]);
    threads_ = threads_worth(count_of(output_dims[0]) * window, std::max(context.threads, 1));
    sums_bytes_ = align_up(as_size(in_[3]) * sizeof(std::int32_t));
    scratch_bytes = sums_bytes_ * as_size(threads_);
  }

  void set_padding(std::size_t axis, std::int64_t before) { before_[axis] = before; }

  void run(const RunContext& context) const override {
    const std::size_t rows = as_size(output_dims[0][0] * output_dims[0][1]);
    parallel_for_workers(rows, threads_, [&](std::size_t row, std::size_t worker) {
      auto* sums = view_as<std::int32_t>(context.scratch + worker * sums_bytes_);
      pool_row(static_cast<std::int64_t>(row), codes_in(context.inputs[0]), sums,
               codes_in(context.outputs[0]));
    });
  }

 private:
  void pool_row(std::int64_t row, const std::uint8_t* x, std::int32_t* sums,
                std::uint8_t* y) const {
    const std::size_t channels = as_size(in_[3]);
    const std::int64_t width = output_dims[0][2];
    const std::uint8_t* image = x + as_size(row / output_dims[0][1] * in_[1] * in_[2]) * channels;
    const std::int64_t top = row % output_dims[0][1] * op_.stride[0] - before_[0];
    const std::int64_t y0 = std::max<std::int64_t>(top, 0);
    const std::int64_t y1 = std::min(top + op_.kernel[0], in_[1]);
    for (std::int64_t out_x = 0; out_x < width; ++out_x) {
      const std::int64_t left = out_x * op_.stride[1] - before_[1];
      const std::int64_t x0 = std::max<std::int64_t>(left, 0);
      const std::int64_t x1 = std::min(left + op_.kernel[1], in_[2]);
      std::fill_n(sums, channels, 0);
      for (std::int64_t at_y = y0; at_y < y1; ++at_y) {
        for (std::int64_t at_x = x0; at_x < x1; ++at_x) {
          const std::uint8_t* pixel = image + as_size(at_y * in_[2] + at_x) * channels;
          for (std::size_t c = 0; c < channels; ++c) sums[c] += pixel[c];
        }
      }
      const auto count = static_cast<std::int32_t>((y1 - y0) * (x1 - x0));
      std::uint8_t* out = y + as_size(row * width + out_x) * channels;
      for (std::size_t c = 0; c < channels; ++c) out[c] = mean_of(sums[c], count);
    }
  }

  // Halves are rounded away from zero, which lies at code 128 if the file's codes have a sign.
  [[nodiscard]] std::uint8_t mean_of(std::int32_t sum, std::int32_t count) const {
    const std::int32_t shift = is_signed_ ? 128 : 0;
    const std::int32_t total = sum - shift * count;
    const std::int32_t mean = (total > 0 ? total + count / 2 : total - count / 2) / count + shift;
    return static_cast<std::uint8_t>(std::clamp(mean, bounds_.low, bounds_.high));
  }

  Pool2d op_;
  Shape in_;
  bool is_signed_;
  CodeBounds bounds_;
  std::array<std::int64_t, 2> before_ = {0, 0};
  std::size_t sums_bytes_ = 0;
  int threads_ = 1;
};

}  // namespace

OperatorResult make_integer_pool(const Pool2d& op, const BuildContext& context) {
  if (op.kind == PoolKind::Max) return make_integer_mover(op, context);
  if (op.kind != PoolKind::Average)
    return fail(ErrorKind::Unsupported, "an L2 pool of 8-bit integers has no kernel");
  auto result = std::make_unique<IntegerAveragePoolOperator>(op, context);
  for (std::size_t a = 0; a < 2; ++a) {
    VP_ASSIGN_OR_RETURN(
        const WindowGeometry window,
        window_geometry(context.inputs[0].dims[a + 1], op.kernel[a], op.stride[a], op.padding, a));
    result->set_padding(a, window.before);
  }
  return result;
}

}  // namespace visionpress
