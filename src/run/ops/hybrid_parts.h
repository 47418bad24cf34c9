#pragma once

// Shared by the hybrid operators: the kernel's codes and scales, the choice of the rule, the
// conversion of sums to floats, and the matrix product whose rows are quantized one by one.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernels/byte_product.h"
#include "kernels/hybrid_kernels.h"
#include "run/hybrid.h"
#include "run/operator.h"
#include "run/ops/conv_shape.h"

namespace visionpress {

/// An 8-bit kernel: codes in the stored layout, one scale per output channel.
struct HybridKernel {
  std::vector<std::uint8_t> codes = {};  ///< int8, as bytes
  std::vector<float> scales = {};
};

/// errors: Malformed; Unsupported if the kernel in inputs[1] is not symmetric int8.
[[nodiscard]] Result<HybridKernel> load_hybrid_kernel(const BuildContext& context,
                                                      std::int64_t channels);
[[nodiscard]] Result<std::vector<float>> load_hybrid_scales(const BuildContext& context,
                                                            std::int64_t channels);

/// Whether XNNPACK takes a hybrid convolution: it needs an int8 kernel and a bias. Kernels of 4
/// bits, and the signed bytes that TensorFlow 1.12 called UINT8, run in the builtin kernels.
[[nodiscard]] bool is_taken_by_xnnpack(const BuildContext& context);

/// Whether XNNPACK takes a hybrid matrix product over `inner` values. It takes 4-bit kernels if
/// `inner` is even, and 2-bit kernels if `inner` is a multiple of four and each channel has a
/// scale.
[[nodiscard]] bool is_matrix_taken_by_xnnpack(const BuildContext& context, std::int64_t inner);

/// The rule of the builtin kernels for a hybrid matrix product over `inner` values.
[[nodiscard]] HybridRule builtin_matrix_rule(const FullyConnected& op, const BuildContext& context,
                                             std::int64_t inner);

/// The rule for a convolution: XNNPACK's if it takes the convolution, else the rule that the
/// builtin kernels choose by the scales.
[[nodiscard]] HybridRule hybrid_rule(const BuildContext& context, const std::vector<float>& scales,
                                     bool is_grouped);

/// The values that convert the sums of a matrix product or convolution back to floats.
struct HybridResult {
  HybridRule rule = HybridRule::Xnnpack;
  std::vector<std::int32_t> kernel_sums = {};  ///< one per output channel, like the next two
  std::vector<float> kernel_scales = {};
  std::vector<float> bias = {};
  ActivationBounds bounds = {};
  /// An activation that slope and bounds cannot express.
  std::optional<Unary> after = std::nullopt;
  /// A convolution in groups, whose sums the builtin kernel scales in another order.
  bool is_grouped = false;

  /// The conversion for output channels from `first_channel` on; borrows from this object.
  [[nodiscard]] Dequantization dequantization(const ActivationCode& code,
                                              std::size_t first_channel) const;
  /// Whether the conversion needs the sum of the codes of each row (Dequantization::input_sum).
  [[nodiscard]] bool needs_input_sums() const { return rule == HybridRule::BuiltinFourBits; }
};
/// kernel: output channels outermost.
[[nodiscard]] HybridResult make_hybrid_result(HybridRule rule, const HybridKernel& kernel,
                                              std::vector<float> bias,
                                              const std::optional<Unary>& activation);

/// Products of bytes done in the time of one of floats, about.
inline constexpr std::size_t kBytesPerFloat = 4;

/// The smallest range that contains both.
[[nodiscard]] ActivationRange join(ActivationRange a, ActivationRange b);

/// The range of one batch item's values: known from the operator before if the item is all of the
/// input, else looked for.
[[nodiscard]] ActivationRange find_item_range(const RunContext& context, std::size_t batch,
                                              std::span<const float> item, int threads);

/// The matrix product [rows, inner] x [columns, inner], in which each row of the left operand has
/// its own scale and zero point.
struct HybridRows {
  std::int64_t rows = 1;
  std::int64_t inner = 0;
  std::int64_t columns = 0;
  std::optional<Unary> activation = std::nullopt;
  Shape output_dims = {};
};
[[nodiscard]] OperatorResult make_hybrid_rows(const HybridRows& rows, HybridRule rule,
                                              const BuildContext& context);

[[nodiscard]] OperatorResult make_hybrid_depthwise(const Conv2d& op, const Epilogue& epilogue,
                                                   const BuildContext& context);

}  // namespace visionpress
