#pragma once

// What the pictures show about one layer: which inputs it reads together (second moments), and how
// its results differ from the original network's because layers before it have changed.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "calibrate/activation_walk.h"
#include "calibrate/kernel_matrix.h"

namespace visionpress {

/// Sums over the samples of one group: n positions of the layer's window over all pictures.
struct LayerMoments {
  std::size_t samples = 0;
  /// [columns, columns], upper triangle: sum of x * x^T for the columns x that the changed network
  /// reads.
  std::vector<float> gram = {};
  /// [rows, columns]: sum of d * x^T. d is what the layer's results lack: W * (x of the original
  /// network - x), and what `joined` lacks.
  std::vector<float> cross = {};
  std::vector<double> mean_input = {};  ///< of x, by column
  std::vector<double> mean_lack = {};   ///< of d, by row
};

struct MomentOptions {
  /// Samples of each group over all pictures, spread evenly; fewer where there are fewer.
  std::size_t samples = 0;
  std::uint64_t seed = 1;  ///< of the positions within their strata
  /// Inputs of the walk that are not sampled, ascending.
  std::vector<std::size_t> left_out = {};
  /// A tensor of the results' shape that the next node adds to them, at which both walks are: what
  /// it has lost, this layer's results can make up for.
  TensorId joined = kNoTensor;
};

/// Picks positions of the window for each picture; the same for every group of a layer.
class MomentCollector {
 public:
  /// changed, original: both at matrix.input; one walk where nothing has changed yet. layout: of
  /// the graph.
  MomentCollector(const KernelMatrix& matrix, Layout layout, const ActivationWalk& changed,
                  const ActivationWalk& original, const MomentOptions& options);

  /// kernel: [rows, columns] of the group, with the original values.
  [[nodiscard]] LayerMoments collect(std::size_t group, std::span<const float> kernel,
                                     int threads) const;

 private:
  void gather(const ActivationWalk& walk, std::size_t picture, std::size_t group,
              float* samples) const;
  void add_joined(std::size_t picture, std::size_t group, float* lacks) const;

  const KernelMatrix& matrix_;
  Layout layout_;
  TensorId joined_;
  const ActivationWalk& changed_;
  const ActivationWalk& original_;
  std::vector<std::vector<std::size_t>> positions_;  ///< by picture
};

}  // namespace visionpress
