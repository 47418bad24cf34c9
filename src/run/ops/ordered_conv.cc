// The orders were measured on LiteRT 2.3.0, x86-64. XNNPACK starts from the bias and adds one
// product after another with one rounding each: taps along rows, but down the columns in depthwise
// kernels of up to 25 taps. The builtin kernels round twice per product; convolutions add the bias
// last, depthwise convolutions start from it. Their matrix product is Eigen's, whose order differs
// for the last channels % 8 and for products of fewer than 20 rows, columns and terms in all; those
// use the plain order here and may differ by an ulp.

#include "run/ops/ordered_conv.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/ordered_sums.h"
#include "run/ops/depthwise_rows.h"
#include "run/ops/elementwise.h"

namespace visionpress {
namespace {

/// The largest kernel that is summed in the runtime's order, in elements; for larger ones oneDNN is
/// much faster.
constexpr std::int64_t kLargestKernel = 4096;
/// Taps of XNNPACK's largest depthwise kernel; it runs larger ones as convolutions.
constexpr std::int64_t kDepthwiseTaps = 25;

bool reads_own_channel(const ConvSpec& spec) {
  return is_depthwise(spec) && spec.groups == spec.out_channels;
}

SumOrder sum_order(const ConvSpec& spec, FloatMath math) {
  if (math == FloatMath::Xnnpack) return SumOrder::FusedBiasFirst;
  const bool from_bias = spec.kernel_layout == KernelLayout::Hwo;
  return from_bias ? SumOrder::PlainBiasFirst : SumOrder::PlainBiasLast;
}

class OrderedConvOperator final : public Operator {
 public:
  OrderedConvOperator(const ConvSpec& spec, FloatMath math, int threads)
      : spec_(spec),
        order_(sum_order(spec, math)),
        taps_(order_taps(spec, math)),
        threads_(threads) {
    const bool depthwise = reads_own_channel(spec);
    groups_ = depthwise ? 1 : static_cast<std::size_t>(spec.groups);
    in_per_group_ = depthwise ? 0 : static_cast<std::size_t>(spec.in_channels / spec.groups);
    out_per_group_ = static_cast<std::size_t>(spec.out_channels) / groups_;
    stride_ = ordered_sums_stride(out_per_group_);
    pixels_bytes_ = align_up(taps_.size() * sizeof(const float*));
    scratch_bytes = static_cast<std::size_t>(std::max(threads, 1)) * pixels_bytes_;
  }

  void pack(const std::vector<float>& kernel, const std::vector<float>& bias) {
    const std::size_t inner = std::max<std::size_t>(in_per_group_, 1);
    group_weights_ = taps_.size() * inner * stride_;
    weights_.assign(groups_ * group_weights_, 0.0F);
    bias_.assign(groups_ * stride_, 0.0F);
    const auto strides = kernel_strides(spec_);  // group, out, in, height, width
    for (std::size_t o = 0; o < static_cast<std::size_t>(spec_.out_channels); ++o) {
      const std::size_t group = o / out_per_group_;
      const std::size_t channel = o % out_per_group_;
      bias_[group * stride_ + channel] = bias[o];
      const auto per_group = spec_.out_channels / spec_.groups;
      const auto at = static_cast<std::int64_t>(o) / per_group * strides[0] +
                      static_cast<std::int64_t>(o) % per_group * strides[1];
      float* to = weights_.data() + group * group_weights_ + channel;
      for (const KernelTap& tap : taps_) {
        for (std::size_t c = 0; c < inner; ++c, to += stride_) {
          const std::int64_t from = at + static_cast<std::int64_t>(c) * strides[2] +
                                    tap.y * strides[3] + tap.x * strides[4];
          *to = kernel[static_cast<std::size_t>(from)];
        }
      }
    }
  }

  void finish(const std::optional<Unary>& activation, Shape dims) {
    activation_ = activation;
    output_dims = {std::move(dims)};
  }

  void run(const RunContext& context) const override {
    const auto rows = static_cast<std::size_t>(spec_.batch * spec_.out[0]);
    parallel_for_workers(rows, threads_, [&](std::size_t row, std::size_t worker) {
      auto* pixels = view_as<const float*>(context.scratch + worker * pixels_bytes_);
      convolve_row(static_cast<std::int64_t>(row), context.inputs[0], pixels, context.outputs[0]);
    });
  }

 private:
  void convolve_row(std::int64_t row, const float* x, const float** pixels, float* y) const {
    const float* image = x + row / spec_.out[0] * spec_.in[0] * spec_.in[1] * spec_.in_channels;
    const auto channels = static_cast<std::size_t>(spec_.out_channels);
    const auto width = static_cast<std::size_t>(spec_.out[1]);
    float* line = y + static_cast<std::size_t>(row) * width * channels;
    OrderedTaps taps = {pixels, taps_.size(), in_per_group_, out_per_group_, nullptr, nullptr};
    for (std::size_t column = 0; column < width; ++column) {
      find_pixels(row % spec_.out[0], static_cast<std::int64_t>(column), image, pixels);
      for (std::size_t group = 0; group < groups_; ++group) {
        if (group > 0) {
          for (std::size_t t = 0; t < taps_.size(); ++t) {
            if (pixels[t] != nullptr) pixels[t] += in_per_group_;
          }
        }
        taps.weights = weights_.data() + group * group_weights_;
        taps.bias = bias_.data() + group * stride_;
        ordered_sums(taps, order_, line + column * channels + group * out_per_group_);
      }
    }
    if (activation_) apply_unary(*activation_, line, line, width * channels);
  }

  void find_pixels(std::int64_t row, std::int64_t column, const float* image,
                   const float** pixels) const {
    for (std::size_t t = 0; t < taps_.size(); ++t) {
      const std::int64_t y =
          row * spec_.stride[0] + taps_[t].y * spec_.dilation[0] - spec_.before[0];
      const std::int64_t x =
          column * spec_.stride[1] + taps_[t].x * spec_.dilation[1] - spec_.before[1];
      const bool is_inside = y >= 0 && y < spec_.in[0] && x >= 0 && x < spec_.in[1];
      pixels[t] = is_inside ? image + (y * spec_.in[1] + x) * spec_.in_channels : nullptr;
    }
  }

  ConvSpec spec_;
  SumOrder order_;
  std::vector<KernelTap> taps_;
  int threads_;
  std::size_t groups_ = 1;
  /// 0: each output channel reads the input channel of the same index.
  std::size_t in_per_group_ = 0;
  std::size_t out_per_group_ = 0;
  std::size_t stride_ = 0;         ///< floats per padded line of channels
  std::size_t group_weights_ = 0;  ///< floats per group of weights
  std::size_t pixels_bytes_ = 0;
  std::vector<float> weights_ = {};
  std::vector<float> bias_ = {};
  std::optional<Unary> activation_ = std::nullopt;
};

// The builtin kernels' matrix product with one row. Eigen computes it, with sums in four lanes.
class LaneProductOperator final : public Operator {
 public:
  LaneProductOperator(const std::vector<float>& kernel, const std::vector<float>& bias,
                      const std::optional<Unary>& activation, Shape dims)
      : kernel_(kernel), bias_(bias), activation_(activation) {
    output_dims = {std::move(dims)};
  }

  void run(const RunContext& context) const override {
    const std::size_t inner = kernel_.size() / bias_.size();
    float* y = context.outputs[0];
    for (std::size_t o = 0; o < bias_.size(); ++o) {
      y[o] = sum_lanes(context.inputs[0], kernel_.data() + o * inner, inner) + bias_[o];
    }
    if (activation_) apply_unary(*activation_, y, y, bias_.size());
  }

 private:
  static constexpr std::size_t kLanes = 4;

  static float sum_lanes(const float* x, const float* weights, std::size_t count) {
    std::array<float, kLanes> lanes = {};
    const std::size_t packed = count / kLanes * kLanes;
    for (std::size_t i = 0; i < packed; i += kLanes) {
      for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += weights[i + l] * x[i + l];
    }
    float sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
    for (std::size_t i = packed; i < count; ++i) sum += weights[i] * x[i];
    return sum;
  }

  std::vector<float> kernel_;
  std::vector<float> bias_;
  std::optional<Unary> activation_;
};

}  // namespace

std::vector<KernelTap> order_taps(const ConvSpec& spec, FloatMath math) {
  std::vector<KernelTap> taps;
  const std::int64_t height = spec.kernel[0];
  const std::int64_t width = spec.kernel[1];
  const bool is_plane = spec.groups == 1 && spec.in_channels == 1 && spec.out_channels == 1;
  const bool by_columns = math == FloatMath::Xnnpack && (reads_own_channel(spec) || is_plane) &&
                          height * width <= kDepthwiseTaps;
  for (std::int64_t i = 0; i < height * width; ++i) {
    taps.push_back(by_columns ? KernelTap{i % height, i / height}
                              : KernelTap{i / width, i % width});
  }
  return taps;
}

bool is_summed_in_order(const ConvSpec& spec, const BuildContext& context) {
  const std::int64_t elements =
      spec.out_channels * spec.in_channels / spec.groups * spec.kernel[0] * spec.kernel[1];
  return context.float_math != FloatMath::Plain && !spec.transposed && elements < kLargestKernel;
}

std::unique_ptr<Operator> make_ordered_conv(const ConvSpec& spec, const std::vector<float>& kernel,
                                            const std::vector<float>& bias,
                                            const std::optional<Unary>& activation,
                                            Shape output_dims, const BuildContext& context) {
  const bool is_row = spec.batch * spec.out[0] * spec.out[1] == 1 && spec.groups == 1 &&
                      spec.kernel[0] == 1 && spec.kernel[1] == 1;
  const bool is_matrix =
      spec.kernel_layout == KernelLayout::Ohwi || spec.kernel_layout == KernelLayout::Oihw;
  if (context.float_math == FloatMath::Builtin && is_row && is_matrix) {
    return std::make_unique<LaneProductOperator>(kernel, bias, activation, std::move(output_dims));
  }
  auto result = std::make_unique<OrderedConvOperator>(spec, context.float_math, context.threads);
  result->pack(kernel, bias);
  result->finish(activation, std::move(output_dims));
  return result;
}

}  // namespace visionpress
