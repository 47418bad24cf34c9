#pragma once

// What float and hybrid convolutions have in common: sizes checked against the kernel.

#include "run/onednn_adapter.h"
#include "run/operator.h"

namespace visionpress {

/// The shape in which the operator reads its kernel, inputs[1]; the stored weight behind it may lie
/// in another one. errors: Unsupported when the kernel is not a constant.
[[nodiscard]] Result<Shape> kernel_shape(const BuildContext& context);

/// The convolution over context.inputs[0] with the kernel in inputs[1], without the arithmetic.
/// errors: Unsupported when the kernel is computed; of conv_geometry.
[[nodiscard]] Result<ConvSpec> conv_spec(const Conv2d& op, const BuildContext& context);

/// Bias values of inputs[2], zeros when it is absent. errors: Malformed when the length is not
/// `channels`.
[[nodiscard]] Result<std::vector<float>> load_bias(const BuildContext& context,
                                                   std::int64_t channels);
[[nodiscard]] bool has_bias(const BuildContext& context);

/// Physical output of a convolution, after the epilogue's pool.
[[nodiscard]] Shape conv_output_dims(const ConvSpec& spec, const Epilogue& epilogue);

/// The activation done in the convolution's last pass: the fused one, else the epilogue's.
[[nodiscard]] std::optional<Unary> conv_activation(const Conv2d& op, const Epilogue& epilogue);

/// Slope and bounds that express Relu, Relu6, ReluN1To1, LeakyRelu; nothing for other activations.
struct ActivationBounds {
  float slope = 1.0F;
  float low = 0.0F;
  float high = 0.0F;
};
[[nodiscard]] std::optional<ActivationBounds> activation_bounds(
    const std::optional<Unary>& activation);

}  // namespace visionpress
