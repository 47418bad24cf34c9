#pragma once

// Rounds the kernel of one layer to a form, with the moments of its inputs.

#include <cstdint>
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

/// start: the weight's codes without pictures, for their form and as a beginning: 8-bit grids and
/// tables stay.  values: the original kernel, row-major of its shape.
[[nodiscard]] RoundedKernel round_kernel(const KernelMatrix& matrix, const EncodedWeight& start,
                                         std::span<const float> values,
                                         const MomentCollector& collector, int threads);

}  // namespace visionpress
