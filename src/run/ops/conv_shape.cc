#include "run/ops/conv_shape.h"

#include <limits>

#include "base/error.h"
#include "lower/window.h"
#include "run/ops/elementwise.h"

namespace visionpress {
Result<Shape> kernel_shape(const BuildContext& context) {
  const Tensor* kernel = context.inputs.size() < 2 ? nullptr : context.inputs[1].tensor;
  if (kernel == nullptr || !kernel->is_constant()) {
    return fail(ErrorKind::Unsupported, "its kernel is not a constant");
  }
  return kernel->shape;
}

Result<ConvSpec> conv_spec(const Conv2d& op, const BuildContext& context) {
  const Shape& x = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const Shape kernel, kernel_shape(context));
  VP_ASSIGN_OR_RETURN(const ConvGeometry geometry, conv_geometry(op, x, kernel));
  ConvSpec spec;
  spec.transposed = op.transposed;
  spec.batch = x[0];
  spec.in = {x[1], x[2]};
  spec.in_channels = x[3];
  spec.groups = geometry.groups;
  spec.kernel_layout = op.kernel_layout;
  spec.out_channels = geometry.out_channels;
  spec.kernel = geometry.kernel;
  spec.stride = op.stride;
  spec.dilation = op.dilation;
  spec.out = geometry.out;
  spec.before = geometry.before;
  spec.after = geometry.after;
  return spec;
}

bool has_bias(const BuildContext& context) {
  return context.inputs.size() > 2 && context.inputs[2].tensor != nullptr;
}

Result<std::vector<float>> load_bias(const BuildContext& context, std::int64_t channels) {
  const auto count = static_cast<std::size_t>(channels);
  if (!has_bias(context)) return std::vector<float>(count, 0.0F);
  VP_ASSIGN_OR_RETURN(std::vector<float> bias, load_constant(context.inputs[2]));
  if (bias.size() != count) {
    return fail(ErrorKind::Malformed, "bias of {} values for {} output channels", bias.size(),
                channels);
  }
  return bias;
}

Shape conv_output_dims(const ConvSpec& spec, const Epilogue& epilogue) {
  const std::int64_t divisor = epilogue.max_pool_2x2 ? 2 : 1;
  return {spec.batch, spec.out[0] / divisor, spec.out[1] / divisor, spec.out_channels};
}

std::optional<Unary> conv_activation(const Conv2d& op, const Epilogue& epilogue) {
  if (is_fused(op.activation)) return unary_of(op.activation);
  return epilogue.activation;
}

std::optional<ActivationBounds> activation_bounds(const std::optional<Unary>& activation) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (!activation) return ActivationBounds{1.0F, -kInfinity, kInfinity};
  switch (activation->kind) {
    case UnaryKind::Relu:
      return ActivationBounds{1.0F, 0.0F, kInfinity};
    case UnaryKind::Relu6:
      return ActivationBounds{1.0F, 0.0F, 6.0F};
    case UnaryKind::ReluN1To1:
      return ActivationBounds{1.0F, -1.0F, 1.0F};
    case UnaryKind::Clip:
      return ActivationBounds{1.0F, activation->alpha, activation->beta};
    case UnaryKind::LeakyRelu:
      return ActivationBounds{activation->alpha, -kInfinity, kInfinity};
    default:
      return std::nullopt;
  }
}

}  // namespace visionpress
