#pragma once

// What the hybrid operators share: the kernel's codes and scales, the rule they follow, the way
// from sums to floats, and the matrix product whose rows are quantized one by one.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/hybrid_kernels.h"
#include "run/hybrid.h"
#include "run/operator.h"
#include "run/ops/conv_shape.h"

namespace visionpress {

/// An 8-bit kernel: codes in the stored layout, one scale an output channel.
struct HybridKernel {
  std::vector<std::uint8_t> codes = {};  ///< int8, as bytes
  std::vector<float> scales = {};
};

/// errors: Malformed, Unsupported when the kernel in inputs[1] is no symmetric int8.
[[nodiscard]] Result<HybridKernel> load_hybrid_kernel(const BuildContext& context,
                                                      std::int64_t channels);
[[nodiscard]] Result<std::vector<float>> load_hybrid_scales(const BuildContext& context,
                                                            std::int64_t channels);

/// Whether XNNPACK takes a hybrid convolution: it needs an int8 kernel and a bias. Kernels of 4
/// bits, and the signed bytes that TensorFlow 1.12 called UINT8, run in the builtin kernels.
[[nodiscard]] bool is_taken_by_xnnpack(const BuildContext& context);

/// Whether XNNPACK takes a hybrid matrix product over `inner` values. It has kernels of 4 bits for
/// even lengths and of 2 bits for multiples of four with a scale per channel.
[[nodiscard]] bool is_matrix_taken_by_xnnpack(const BuildContext& context, std::int64_t inner);

/// The rule for a convolution: the delegate's, else the builtin kernels' choice by the scales.
[[nodiscard]] HybridRule hybrid_rule(const BuildContext& context, const std::vector<float>& scales,
                                     bool is_grouped);

/// What turns the sums of a matrix product or convolution back into floats.
struct HybridResult {
  HybridRule rule = HybridRule::Xnnpack;
  std::vector<std::int32_t> kernel_sums = {};  ///< one an output channel, like the next two
  std::vector<float> kernel_scales = {};
  std::vector<float> bias = {};
  ActivationBounds bounds = {};
  std::optional<Unary> after = std::nullopt;  ///< an activation that bounds do not express

  /// For output channels from `first_channel` on. Borrows from this.
  [[nodiscard]] Dequantization dequantization(const ActivationCode& code,
                                              std::size_t first_channel) const;
};
/// kernel: output channels outermost.
[[nodiscard]] HybridResult make_hybrid_result(HybridRule rule, const HybridKernel& kernel,
                                              std::vector<float> bias,
                                              const std::optional<Unary>& activation);

/// The range that holds both.
[[nodiscard]] ActivationRange join(ActivationRange a, ActivationRange b);

/// Where 8-bit products saturate, codes are halved: q = 2 * (q >> 1) + (q & 1). Two products of
/// 127 x 127 fit into the 16 bits in which pairs are added, so the sums over both are exact.
void halve_codes(std::uint8_t* codes, std::uint8_t* low, std::size_t count);
/// sums = 2 * sums + low.
void join_halves(std::int32_t* sums, const std::int32_t* low, std::size_t count);

/// [rows, inner] x [columns, inner] with one code a row.
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
