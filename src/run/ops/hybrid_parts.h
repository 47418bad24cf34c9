#pragma once

// What the hybrid operators share: the kernel's codes and scales, the rule they follow, and the
// matrix product whose rows are quantized one by one.

#include <optional>
#include <vector>

#include "run/hybrid.h"
#include "run/operator.h"

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

/// Whether XNNPACK takes a hybrid convolution or fully connected layer: it needs a bias.
[[nodiscard]] bool is_taken_by_xnnpack(const BuildContext& context);

/// The rule for a convolution: the delegate's, else the builtin kernels' choice by the scales.
[[nodiscard]] HybridRule hybrid_rule(const BuildContext& context, const std::vector<float>& scales,
                                     bool is_grouped);

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
