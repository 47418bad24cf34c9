#pragma once

// Rounds the kernel of one layer to forms, with the moments of its inputs.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "calibrate/kernel_matrix.h"
#include "calibrate/layer_moments.h"
#include "model/form.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// A rounded kernel and what it does to the layer.
struct RoundedKernel {
  EncodedWeight codes = {};
  /// By result: what a bias would have to add for the results' means to stay.
  std::vector<double> mean_change = {};
  double noise = 0.0;   ///< sum of squares of the rounding's error in the results, over the samples
  double signal = 0.0;  ///< of the results
  std::size_t samples = 0;
  std::string not_because = {};  ///< not empty: the pictures say nothing about this layer
};

/// Coordinate descent after the rounding, each pass with grids refitted. More than two lower the
/// error on the pictures by less than a percent, and not on others.
inline constexpr int kRoundingPasses = 2;

/// Where the rounding to one form begins.
struct KernelStart {
  /// The weight's codes without pictures, for the form and as a beginning: 8-bit grids and tables
  /// stay.
  std::shared_ptr<const EncodedWeight> codes = nullptr;
  /// Noise / signal, about, that the layer's results may have in exchange for a smaller download.
  /// 0: bits are free, and the error alone decides.
  double noise = 0.0;
};

struct RoundKernelOptions {
  int passes = kRoundingPasses;
  int threads = 1;
};

/// Rounds one kernel to one or more forms, which share the moments.
/// values: the original kernel, row-major of its shape.
/// returns: one entry per start.
[[nodiscard]] std::vector<RoundedKernel> round_kernel(const KernelMatrix& matrix,
                                                      std::span<const KernelStart> starts,
                                                      std::span<const float> values,
                                                      const MomentCollector& collector,
                                                      const RoundKernelOptions& options);

}  // namespace visionpress
