#pragma once

// One layer of a calibration: its kernel rounded to forms, and its bias corrected for each.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calibrate/kernel_matrix.h"
#include "calibrate/layer_moments.h"
#include "calibrate/layer_rounding.h"
#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

struct FinishedBias {
  std::size_t weight = 0;  ///< index into Graph::weights
  /// Rounded to halves where they hold the values well, whatever the file will store them as.
  std::shared_ptr<const EncodedWeight> values = nullptr;
};

struct FinishedLayer {
  std::shared_ptr<const EncodedWeight> codes = nullptr;
  std::optional<FinishedBias> bias = std::nullopt;  ///< where the layer has one in float32
  std::size_t samples = 0;
  /// Signal to noise ratio of the layer's results on the pictures, in dB. The noise is their
  /// difference from those of the fitted kernel.
  double snr_db = 0.0;
  /// Not empty: the pictures say nothing about this layer, and the codes are those of the start.
  std::string not_because = {};
};

/// Samples of each group over all pictures: four per column, and at least so many that a mean over
/// them is steady.
[[nodiscard]] std::size_t choose_sample_count(const KernelMatrix& matrix);

/// starts: of round_kernel.  returns: one entry per start.
/// errors: Malformed where a weight cannot be decoded.
[[nodiscard]] Result<std::vector<FinishedLayer>> finish_layer(const Graph& graph,
                                                              const KernelMatrix& matrix,
                                                              std::span<const KernelStart> starts,
                                                              const MomentCollector& collector,
                                                              const RoundKernelOptions& options);

}  // namespace visionpress
