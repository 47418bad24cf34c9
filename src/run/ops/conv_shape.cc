#include "run/ops/conv_shape.h"

#include <limits>

#include "base/error.h"
#include "run/ops/elementwise.h"

namespace visionpress {
namespace {

struct KernelDims {
  std::int64_t out = 0;
  std::int64_t in_per_group = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

KernelDims kernel_dims(const Shape& k, KernelLayout layout, std::int64_t groups) {
  switch (layout) {
    case KernelLayout::Oihw:
      return {k[0], k[1], k[2], k[3]};
    case KernelLayout::Iohw:
      return {k[1] * groups, k[0] / groups, k[2], k[3]};
    case KernelLayout::Ohwi:
      return {k[0], k[3], k[1], k[2]};
    case KernelLayout::Hwo:
      return {k[3], 1, k[1], k[2]};
    case KernelLayout::Hwio:
      return {k[3], k[2], k[0], k[1]};
    case KernelLayout::Hwoi:
      return {k[2], k[3], k[0], k[1]};
    case KernelLayout::Hwim:
      return {k[2] * k[3], 1, k[0], k[1]};
  }
  return {};
}

// Whether the kernel's axes are those of `in` channels in so many groups.
bool fits_channels(const Shape& k, const ConvSpec& spec, const KernelDims& kernel) {
  if (spec.kernel_layout == KernelLayout::Hwo && k[0] != 1) return false;
  if (spec.kernel_layout == KernelLayout::Hwim && k[2] != spec.in_channels) return false;
  const bool is_depthwise =
      spec.kernel_layout == KernelLayout::Hwo || spec.kernel_layout == KernelLayout::Hwim;
  if (is_depthwise) return spec.groups == spec.in_channels && kernel.out % spec.groups == 0;
  return kernel.in_per_group * spec.groups == spec.in_channels && kernel.out % spec.groups == 0;
}

Result<void> set_transposed_geometry(const Conv2d& op, ConvSpec& spec) {
  for (std::size_t a = 0; a < 2; ++a) {
    const std::int64_t extent = (spec.kernel[a] - 1) * spec.dilation[a] + 1;
    const std::int64_t full = (spec.in[a] - 1) * spec.stride[a] + extent;
    std::int64_t out = op.output_size[a];
    if (out == 0) {
      out = op.padding.rule == PadRule::Explicit ? full - op.padding.before[a] - op.padding.after[a]
                                                 : spec.in[a] * spec.stride[a];
    }
    std::int64_t before = op.padding.before[a];
    if (op.padding.rule != PadRule::Explicit) {
      const std::int64_t total = std::max<std::int64_t>(0, full - out);
      before = op.padding.rule == PadRule::SameUpper ? total / 2 : total - total / 2;
    }
    const std::int64_t after = full - out - before;
    if (out <= 0 || before < 0 || before >= extent) {
      return fail(ErrorKind::Malformed, "transposed convolution of {} pixels to {} with padding {}",
                  spec.in[a], out, before);
    }
    spec.out[a] = out;
    spec.before[a] = before;
    spec.after[a] = after;
  }
  return {};
}

}  // namespace

Result<Shape> kernel_shape(const BuildContext& context) {
  const Tensor* kernel = context.inputs.size() < 2 ? nullptr : context.inputs[1].tensor;
  if (kernel == nullptr || !kernel->is_constant()) {
    return fail(ErrorKind::Unsupported, "its kernel is not a constant");
  }
  return kernel->shape;
}

Result<ConvSpec> conv_spec(const Conv2d& op, const BuildContext& context) {
  const Shape& x = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const Shape k, kernel_shape(context));
  if (x.size() != 4 || k.size() != 4 || !element_count(k)) {
    return fail(ErrorKind::Malformed, "input {} and kernel {} need four axes each", to_string(x),
                to_string(k));
  }
  ConvSpec spec;
  spec.transposed = op.transposed;
  spec.batch = x[0];
  spec.in = {x[1], x[2]};
  spec.in_channels = x[3];
  spec.groups = op.groups == 0 ? x[3] : op.groups;
  if (spec.groups <= 0) return fail(ErrorKind::Malformed, "{} groups", spec.groups);
  spec.kernel_layout = op.kernel_layout;
  const KernelDims kernel = kernel_dims(k, op.kernel_layout, spec.groups);
  spec.out_channels = kernel.out;
  spec.kernel = {kernel.height, kernel.width};
  spec.stride = op.stride;
  spec.dilation = op.dilation;
  const bool fits = fits_channels(k, spec, kernel);
  if (!fits || kernel.out <= 0) {
    return fail(ErrorKind::Malformed, "kernel {} does not fit {} input channels in {} groups",
                to_string(k), x[3], spec.groups);
  }
  for (std::size_t a = 0; a < 2; ++a) {
    if (op.stride[a] <= 0 || op.dilation[a] <= 0 || op.dilation[a] > (1 << 20) ||
        spec.kernel[a] > (1 << 20)) {
      return fail(ErrorKind::Malformed, "stride {} and dilation {}", op.stride[a], op.dilation[a]);
    }
  }
  if (op.transposed) {
    VP_RETURN_IF_ERROR(set_transposed_geometry(op, spec));
    return spec;
  }
  for (std::size_t a = 0; a < 2; ++a) {
    const std::int64_t extent = (spec.kernel[a] - 1) * op.dilation[a] + 1;
    VP_ASSIGN_OR_RETURN(const WindowGeometry geometry,
                        window_geometry(spec.in[a], extent, op.stride[a], op.padding, a));
    spec.out[a] = geometry.out;
    spec.before[a] = geometry.before;
    // oneDNN wants the padding that makes its own formula give `out`.
    spec.after[a] = (geometry.out - 1) * op.stride[a] + extent - spec.in[a] - geometry.before;
  }
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
    case UnaryKind::LeakyRelu:
      return ActivationBounds{activation->alpha, -kInfinity, kInfinity};
    default:
      return std::nullopt;
  }
}

}  // namespace visionpress
