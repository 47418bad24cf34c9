#pragma once

// Float convolutions and matrix products of hybrid networks, summed in the runtime's order.

#include <vector>

#include "run/onednn_adapter.h"
#include "run/operator.h"
#include "run/ops/conv_shape.h"
#include "run/ops/depthwise_rows.h"

namespace visionpress {

/// Whether a float kernel is summed in LiteRT's order. True for kernels of hybrid networks up to a
/// size at which that costs little.
[[nodiscard]] bool is_summed_in_order(const ConvSpec& spec, const BuildContext& context);

/// kernel: in spec.kernel_layout. activation: applied to the sums.
[[nodiscard]] std::unique_ptr<Operator> make_ordered_conv(
    const ConvSpec& spec, const std::vector<float>& kernel, const std::vector<float>& bias,
    const std::optional<Unary>& activation, Shape output_dims, const BuildContext& context);

/// The taps of a kernel in the order in which LiteRT's XNNPACK kernels sum them.
[[nodiscard]] std::vector<KernelTap> order_taps(const ConvSpec& spec, FloatMath math);

/// Whether each output channel reads one input channel.
[[nodiscard]] bool is_depthwise(const ConvSpec& spec);

struct FloatKernel {
  const std::vector<float>& weights;  ///< in spec.kernel_layout
  const std::vector<float>& bias;     ///< one per output channel
};
/// A depthwise convolution that starts at the bias and adds the products with one rounding each, in
/// the order of `taps`.
[[nodiscard]] std::unique_ptr<Operator> make_depthwise(
    const ConvSpec& spec, const FloatKernel& kernel, const std::vector<KernelTap>& taps,
    const ActivationBounds& bounds, Shape output_dims, const BuildContext& context);

/// Whether it is a matrix product with one row per pixel.
[[nodiscard]] bool is_pointwise(const ConvSpec& spec);
/// Such a convolution, summed like `make_depthwise`.
[[nodiscard]] std::unique_ptr<Operator> make_pointwise(const ConvSpec& spec,
                                                       const FloatKernel& kernel,
                                                       const ActivationBounds& bounds,
                                                       Shape output_dims,
                                                       const BuildContext& context);

/// Whether it is computed by Winograd's F(2x2, 3x3): 3x3 kernels of stride 1 in networks of floats,
/// where no runtime's order of sums is to be kept (`--arithmetic float` keeps products direct).
[[nodiscard]] bool is_winograd(const ConvSpec& spec, const BuildContext& context);
/// Such a convolution.
[[nodiscard]] std::unique_ptr<Operator> make_winograd(const ConvSpec& spec,
                                                      const FloatKernel& kernel,
                                                      const ActivationBounds& bounds,
                                                      Shape output_dims,
                                                      const BuildContext& context);

}  // namespace visionpress
