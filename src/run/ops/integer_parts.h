#pragma once

// Shared by the operators of fully integer TFLite networks (codes.h): the kernel and its scales,
// the bounds of fused activations, and the builders of each kind.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "kernels/integer_sums.h"
#include "run/codes.h"
#include "run/operator.h"
#include "run/ops/conv_shape.h"

namespace visionpress {

/// The codes of an operand or result; the lowering has checked that there are any.
[[nodiscard]] TensorCode input_code(const BuildContext& context, std::size_t index);
[[nodiscard]] TensorCode output_code(const BuildContext& context);

[[nodiscard]] inline bool is_xnnpack(const BuildContext& context) {
  return context.arithmetic == Arithmetic::Runtime;
}

/// Bounds of stored codes.
struct CodeBounds {
  std::int32_t low = 0;
  std::int32_t high = 255;
};
/// The codes next to the activation's bounds: a half to even (XNNPACK) or away from zero.
[[nodiscard]] CodeBounds activation_codes(FusedActivation activation, const TensorCode& code,
                                          bool is_xnnpack);

/// The kernel of an integer convolution or matrix, in the stored layout.
struct IntegerKernel {
  std::vector<std::uint8_t> codes = {};  ///< int8, as bytes
  std::int32_t zero_point = 0;           ///< of these
  std::vector<float> scales = {};        ///< one per output channel
  bool has_one_scale = false;            ///< the file gives one for all
};
/// errors: Malformed for other counts of scales; Unsupported for zero points per channel.
[[nodiscard]] Result<IntegerKernel> load_integer_kernel(const BuildContext& context,
                                                        std::int64_t channels);

/// How the sums of a convolution or matrix become codes. Owns what SumsToCodes borrows.
struct IntegerResult {
  std::vector<std::int32_t> offsets = {};
  std::vector<float> scales = {};         ///< XNNPACK
  std::vector<FixedFactor> factors = {};  ///< builtin
  std::size_t upward_columns = 0;         ///< builtin: these round by multiply_upwards
  TensorCode code = {};
  CodeBounds bounds = {};

  [[nodiscard]] SumsToCodes view(std::size_t first_column = 0) const;
};
/// errors: Unsupported for scales that XNNPACK refuses, and with them the whole network.
[[nodiscard]] Result<void> check_xnnpack_scales(const std::vector<float>& scales);

/// What decides the kernel set and the scales, besides the operands.
struct IntegerLayer {
  FusedActivation activation = FusedActivation::None;
  bool is_matrix = false;  ///< FULLY_CONNECTED, whose builtin kernel multiplies the scales in float
  bool is_taken_by_xnnpack = true;
};
/// offsets: the bias alone; the caller adds what follows from zero points.
/// errors: Malformed for a bias that is not int32 or of another length; those of
/// check_xnnpack_scales.
[[nodiscard]] Result<IntegerResult> make_integer_result(const BuildContext& context,
                                                        const IntegerKernel& kernel,
                                                        const IntegerLayer& layer);

[[nodiscard]] OperatorResult make_integer_conv(const Conv2d& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_depthwise(const Conv2d& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_matrix(const FullyConnected& op,
                                                 const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_pool(const Pool2d& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_unary(const Unary& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_softmax(const Softmax& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_requantize(const Requantize& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_reduce(const Reduce& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_resize(const Resize& op, const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_prelu(const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_batch_matmul(const BatchMatMul& op,
                                                       const BuildContext& context);
/// errors: Unsupported for a result of another code than the runtime's kernel gives.
[[nodiscard]] OperatorResult make_integer_function(const CodedFunction& op,
                                                   const BuildContext& context);
[[nodiscard]] OperatorResult make_integer_binary(const Binary& op, const BuildContext& context);
/// Operators whose results are elements of their inputs: codes run through the float operator.
[[nodiscard]] OperatorResult make_integer_mover(const Op& op, const BuildContext& context);

/// Whether the operands' codes mean the same as the result's.
[[nodiscard]] bool has_one_code(const BuildContext& context);
[[nodiscard]] tl::unexpected<Error> other_scales();

/// Any operator that reads or writes codes. errors: Unsupported for kinds without integer kernel.
[[nodiscard]] OperatorResult make_integer_operator(const Op& op, const BuildContext& context);

[[nodiscard]] inline std::size_t as_size(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

/// A buffer of codes in the place of floats.
[[nodiscard]] inline const std::uint8_t* codes_in(const float* values) {
  return view_as<const std::uint8_t>(values);
}
[[nodiscard]] inline std::uint8_t* codes_in(float* values) { return view_as<std::uint8_t>(values); }

}  // namespace visionpress
