#pragma once

// Shared by float and hybrid convolutions: checks sizes against the kernel.

#include "run/onednn_adapter.h"
#include "run/operator.h"

namespace visionpress {

/// The shape in which the operator reads its kernel, inputs[1]; the file may store the weight in
/// another shape. errors: Unsupported if the kernel is not a constant.
[[nodiscard]] Result<Shape> kernel_shape(const BuildContext& context);

/// Describes the convolution over context.inputs[0] with the kernel in inputs[1]; the caller sets
/// the arithmetic.
/// errors: Unsupported if the kernel is computed; those of conv_geometry.
[[nodiscard]] Result<ConvSpec> conv_spec(const Conv2d& op, const BuildContext& context);

/// Bias values of inputs[2], zeros when it is absent. errors: Malformed when the length is not
/// `channels`.
[[nodiscard]] Result<std::vector<float>> load_bias(const BuildContext& context,
                                                   std::int64_t channels);
[[nodiscard]] bool has_bias(const BuildContext& context);

/// The output's sizes in physical order, after the epilogue's pool.
[[nodiscard]] Shape conv_output_dims(const ConvSpec& spec, const Epilogue& epilogue);

/// The activation that the convolution's last pass computes: the fused one, else the epilogue's.
[[nodiscard]] std::optional<Unary> conv_activation(const Conv2d& op, const Epilogue& epilogue);

/// A slope and bounds that express Relu, Relu6, ReluN1To1 or LeakyRelu; nothing for other
/// activations.
struct ActivationBounds {
  float slope = 1.0F;
  float low = 0.0F;
  float high = 0.0F;
};
[[nodiscard]] std::optional<ActivationBounds> activation_bounds(
    const std::optional<Unary>& activation);

}  // namespace visionpress
