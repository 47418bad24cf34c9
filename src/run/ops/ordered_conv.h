#pragma once

// Float convolutions and matrix products of hybrid networks, summed in the runtime's order.

#include <vector>

#include "run/onednn_adapter.h"
#include "run/operator.h"

namespace visionpress {

/// Whether a float kernel is summed in LiteRT's order. True for kernels of hybrid networks up to a
/// size at which that costs little.
[[nodiscard]] bool is_summed_in_order(const ConvSpec& spec, const BuildContext& context);

/// kernel: in spec.kernel_layout. activation: applied to the sums.
[[nodiscard]] std::unique_ptr<Operator> make_ordered_conv(
    const ConvSpec& spec, const std::vector<float>& kernel, const std::vector<float>& bias,
    const std::optional<Unary>& activation, Shape output_dims, const BuildContext& context);

}  // namespace visionpress
