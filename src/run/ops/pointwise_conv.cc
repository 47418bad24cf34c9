// Float 1x1 convolutions: matrix products with one row per pixel.

#include <utility>

#include "base/parallel.h"
#include "kernels/float_product.h"
#include "run/ops/column_parts.h"
#include "run/ops/conv_shape.h"
#include "run/ops/ordered_conv.h"

namespace visionpress {
namespace {

class PointwiseOperator final : public Operator {
 public:
  PointwiseOperator(const ConvSpec& spec, const FloatKernel& kernel, const ActivationBounds& bounds,
                    int threads)
      : rows_(static_cast<std::size_t>(spec.batch * spec.out[0] * spec.out[1])),
        shape_{static_cast<std::size_t>(spec.in_channels),
               static_cast<std::size_t>(spec.out_channels)},
        activation_{bounds.slope, bounds.low, bounds.high},
        bias_(kernel.bias),
        threads_(threads_worth(count_products(spec), threads)) {
    const auto strides = kernel_strides(spec);  // group, out, in, height, width
    packed_.resize(float_product_packed_size(shape_));
    pack_float_product(
        shape_,
        [&](std::size_t column, std::size_t i) {
          return kernel.weights[column * static_cast<std::size_t>(strides[1]) +
                                i * static_cast<std::size_t>(strides[2])];
        },
        packed_);
    choose_tasks();
  }

  void finish(Shape dims) { output_dims = {std::move(dims)}; }

  void run(const RunContext& context) const override {
    const FloatProduct product = {shape_, packed_.data(), bias_.data(), activation_};
    const std::size_t blocks = (rows_ + block_ - 1) / block_;
    parallel_for(blocks * parts_.count, threads_, [&](std::size_t task) {
      const std::size_t first = task / parts_.count * block_;
      const std::size_t part = task % parts_.count;
      const FloatInput rows = {context.inputs[0] + first * shape_.inner, shape_.inner,
                               std::min(block_, rows_ - first)};
      multiply_floats(product, rows, parts_.begin(part), parts_.end(part),
                      context.outputs[0] + first * shape_.columns);
    });
  }

 private:
  /// Rows that stay in the cache while the columns pass by, evenly split. If the kernel is larger
  /// than the rows, the threads share its columns.
  void choose_tasks() {
    const auto threads = static_cast<std::size_t>(threads_);
    constexpr std::size_t kBlockBytes = std::size_t{64} << 10;
    constexpr std::size_t kRowStep = kFloatProductRows;
    const std::size_t most =
        std::max(kBlockBytes / sizeof(float) / shape_.inner / kRowStep, std::size_t{4}) * kRowStep;
    parts_ = keep_columns(shape_.columns);
    const std::size_t step = 2 * float_product_lanes();
    if (threads > 1 && rows_ < shape_.columns && shape_.columns >= threads * step) {
      parts_ = split_columns(shape_.columns, step, threads);
      block_ = most;
      return;
    }
    const std::size_t even = even_share(rows_, most, threads);
    block_ = (even + kRowStep - 1) / kRowStep * kRowStep;
  }

  std::size_t rows_;
  FloatProductShape shape_;
  SmallConvActivation activation_;
  std::vector<float> bias_;
  int threads_;
  std::size_t block_ = 1;  ///< rows per task
  ColumnParts parts_ = {};
  std::vector<float> packed_ = {};
};

}  // namespace

bool is_pointwise(const ConvSpec& spec) {
  constexpr std::array<std::int64_t, 2> kOne = {1, 1};
  constexpr std::array<std::int64_t, 2> kNone = {0, 0};
  return spec.groups == 1 && !spec.transposed && spec.kernel == kOne && spec.stride == kOne &&
         spec.before == kNone && spec.after == kNone;
}

std::unique_ptr<Operator> make_pointwise(const ConvSpec& spec, const FloatKernel& kernel,
                                         const ActivationBounds& bounds, Shape output_dims,
                                         const BuildContext& context) {
  auto result = std::make_unique<PointwiseOperator>(spec, kernel, bounds, context.threads);
  result->finish(std::move(output_dims));
  return result;
}

}  // namespace visionpress
