#pragma once

// The transforms of Winograd's F(2x2, 3x3): a 3x3 convolution of stride 1 as 16 matrix products,
// one for each position of a 4x4 tile of the input, which give 2x2 results. It takes 4
// multiplications per result where a direct one takes 9.
//
//   results = A^T [ (G kernel G^T) . (B^T tile B) ] A
//
// Sums of neighbouring values lose what a direct convolution keeps where values of one tile differ
// by many orders of magnitude, and one NaN or infinity makes all four results of its tile NaN.
// source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.

#include <array>
#include <cstddef>

#include "kernels/conv_small.h"

namespace visionpress {

inline constexpr std::size_t kWinogradPositions = 16;

/// G kernel G^T of one input and output channel. taps: 3x3, row by row.  returns: 4x4, row by row.
[[nodiscard]] std::array<float, kWinogradPositions> transform_winograd_kernel(
    const std::array<float, 9>& taps);

/// Images of one batch, dense N,H,W,C, and where their tiles lie: tile t covers the 2x2 results
/// from row 2 * (t / across % down), column 2 * (t % across) of image t / (across * down).
struct WinogradTiles {
  std::size_t in_height = 0;
  std::size_t in_width = 0;
  std::size_t in_channels = 0;
  std::size_t out_height = 0;
  std::size_t out_width = 0;
  std::size_t out_channels = 0;
  std::size_t pad_top = 0;  ///< of the convolution; rows and columns beyond the image are zeros
  std::size_t pad_left = 0;

  [[nodiscard]] std::size_t across() const { return (out_width + 1) / 2; }
  [[nodiscard]] std::size_t down() const { return (out_height + 1) / 2; }
};

/// Half-open.
struct TileRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Writes position p of tile t, all channels of it, to v + (p * step + t - tiles.begin) *
/// in_channels.  step: tiles between two positions.
void transform_winograd_input(const WinogradTiles& shape, const float* x, TileRange tiles, float* v,
                              std::size_t step);

/// Products of some output channels, and what is to be made of them.
struct WinogradProducts {
  const float* m = nullptr;  ///< position p of tile t at m + (p * step + t - tiles.begin) * columns
  std::size_t step = 0;
  std::size_t first_column = 0;  ///< of the output channels
  std::size_t columns = 0;
  const float* bias = nullptr;  ///< of all output channels
  SmallConvActivation activation = {};
};

/// Writes the results of these tiles and channels to the whole output y; those beyond its edge are
/// dropped.
void transform_winograd_output(const WinogradTiles& shape, const WinogradProducts& products,
                               TileRange tiles, float* y);

}  // namespace visionpress
