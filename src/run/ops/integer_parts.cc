#include "run/ops/integer_parts.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "codecs/decode.h"

namespace visionpress {
namespace {

std::int32_t bounded_code(float value, const TensorCode& code, bool is_xnnpack) {
  if (!is_xnnpack) {
    // The runtime refuses quotients beyond int32; so far out the bound is that of the codes.
    const float whole = std::clamp(std::round(value / code.scale), -65536.0F, 65536.0F);
    return std::clamp(static_cast<std::int32_t>(whole) + code.zero_point, 0, 255);
  }
  const std::int32_t shift = code.zero_point - code.file_zero_point();
  const float sum = value / code.scale + static_cast<float>(code.file_zero_point());
  const float bounded =
      std::clamp(sum, static_cast<float>(-shift), static_cast<float>(255 - shift));
  return static_cast<std::int32_t>(std::nearbyint(bounded)) + shift;
}

Result<std::vector<std::int32_t>> load_integer_bias(const BuildContext& context,
                                                    std::size_t channels) {
  std::vector<std::int32_t> bias(channels, 0);
  if (!has_bias(context)) return bias;
  const Tensor& tensor = *context.inputs[2].tensor;
  if (tensor.dtype != DType::Int32 || tensor.constant.size() != channels * sizeof(std::int32_t)) {
    return fail(ErrorKind::Malformed,
                "its bias \"{}\" is {} of shape {}, expected {} constants of int32", tensor.name,
                name_of(tensor.dtype), to_string(tensor.shape), channels);
  }
  for (std::size_t c = 0; c < channels; ++c)
    bias[c] = load_le<std::int32_t>(tensor.constant, c * sizeof(std::int32_t));
  return bias;
}

}  // namespace

TensorCode input_code(const BuildContext& context, std::size_t index) {
  const InputDesc& input = context.inputs[index];
  return find_code(*input.tensor, input.weight).value_or(TensorCode{});
}

TensorCode output_code(const BuildContext& context) {
  return find_code(*context.outputs[0], nullptr).value_or(TensorCode{});
}

CodeBounds activation_codes(FusedActivation activation, const TensorCode& code, bool is_xnnpack) {
  const auto at = [&](float value) { return bounded_code(value, code, is_xnnpack); };
  switch (activation) {
    case FusedActivation::Relu:
      return {at(0.0F), 255};
    case FusedActivation::Relu6:
      return {at(0.0F), at(6.0F)};
    case FusedActivation::ReluN1To1:
      return {at(-1.0F), at(1.0F)};
    case FusedActivation::None:
      break;
  }
  return {};
}

Result<IntegerKernel> load_integer_kernel(const BuildContext& context, std::int64_t channels) {
  const InputDesc& input = context.inputs[1];
  if (input.weight == nullptr || input.weight->stored.code.encoding != Encoding::Linear ||
      input.weight->stored.code.bits != 8) {
    return fail(ErrorKind::Unsupported, "its kernel is not a constant of 8-bit codes");
  }
  const WeightCode& code = input.weight->stored.code;
  const bool has_one_zero = std::adjacent_find(code.zero_points.begin(), code.zero_points.end(),
                                               std::not_equal_to<>()) == code.zero_points.end();
  if (!has_one_zero) return fail(ErrorKind::Unsupported, "its kernel has zero points per channel");
  IntegerKernel kernel;
  VP_ASSIGN_OR_RETURN(kernel.codes, load_codes(input.weight->stored));
  if (!code.zero_points.empty()) kernel.zero_point = code.zero_points.front();
  if (!code.is_signed) {
    for (std::uint8_t& byte : kernel.codes) byte = static_cast<std::uint8_t>(byte ^ 0x80);
    kernel.zero_point -= 128;
  }
  kernel.scales = code.scales;
  kernel.has_one_scale = kernel.scales.size() == 1;
  const auto count = static_cast<std::size_t>(channels);
  if (kernel.has_one_scale) kernel.scales.assign(count, kernel.scales[0]);
  if (kernel.scales.size() != count) {
    return fail(ErrorKind::Malformed, "{}: {} scales for {} output channels", input.weight->path,
                kernel.scales.size(), channels);
  }
  return kernel;
}

SumsToCodes IntegerResult::view(std::size_t first_column) const {
  SumsToCodes how;
  how.offsets = offsets.data() + first_column;
  if (!scales.empty()) how.scales = scales.data() + first_column;
  if (!factors.empty()) how.factors = factors.data() + first_column;
  how.upward_columns = upward_columns - std::min(upward_columns, first_column);
  how.zero = code.zero_point;
  how.low = bounds.low;
  how.high = bounds.high;
  return how;
}

// source: the checks of create_convolution2d_nhwc_qs8 and others in XNNPACK's src/operators/.
Result<void> check_xnnpack_scales(const std::vector<float>& scales) {
  constexpr float kMost = 256.0F;
  for (const float scale : scales) {
    if (scale < kMost) continue;
    return fail(ErrorKind::Unsupported,
                "its operands' scales are {} times its result's, XNNPACK takes less than {}", scale,
                kMost);
  }
  return {};
}

// source: init_requantization_scale_* in XNNPACK's src/operators/convolution-nhwc.c;
// PopulateConvolutionQuantizationParams and GetQuantizedConvolutionMultipler in
// tflite/kernels/kernel_util.cc, LiteRT 2.3.
Result<IntegerResult> make_integer_result(const BuildContext& context, const IntegerKernel& kernel,
                                          const IntegerLayer& layer) {
  IntegerResult result;
  result.code = output_code(context);
  const TensorCode x = input_code(context, 0);
  if (x.is_signed != result.code.is_signed)
    return fail(ErrorKind::Unsupported, "its operand and its result have different types");
  // The builtin kernels take no zero point of an int8 kernel into account, but in matrices.
  if (x.is_signed && kernel.zero_point != 0 && (!layer.is_matrix || !kernel.has_one_scale)) {
    return fail(ErrorKind::Unsupported, "its int8 kernel has the zero point {}", kernel.zero_point);
  }
  const bool by_xnnpack =
      is_xnnpack(context) && layer.is_taken_by_xnnpack && (!x.is_signed || kernel.zero_point == 0);
  result.bounds = activation_codes(layer.activation, result.code, by_xnnpack);
  VP_ASSIGN_OR_RETURN(result.offsets, load_integer_bias(context, kernel.scales.size()));
  const bool multiplies_in_float = kernel.has_one_scale && (layer.is_matrix || !x.is_signed);
  for (const float scale : kernel.scales) {
    if (by_xnnpack) {
      result.scales.push_back(x.scale * scale / result.code.scale);
      continue;
    }
    const double product = multiplies_in_float
                               ? static_cast<double>(x.scale * scale)
                               : static_cast<double>(x.scale) * static_cast<double>(scale);
    result.factors.push_back(make_fixed_factor(product / static_cast<double>(result.code.scale)));
  }
  VP_RETURN_IF_ERROR(check_xnnpack_scales(result.scales));
  return result;
}

}  // namespace visionpress
