#pragma once

// Weighted sums of 8-bit samples in fixed point, as Pillow resizes pictures. Whole numbers in 32
// bits, so that the order of the sums does not matter and every instruction set gives the same
// bytes.

#include <cstddef>
#include <cstdint>
#include <span>

namespace visionpress {

/// Fraction bits of a weight: 8-bit samples and 2 bits of headroom in 32 (Pillow's
/// PRECISION_BITS).
constexpr int kTapWeightBits = 32 - 8 - 2;
/// Weights are kept for a multiple of so many samples; zeros fill up the last ones.
constexpr std::size_t kTapGroup = 4;

/// Which samples each result is made of, and by what weights. Borrowed.
struct RowTaps {
  std::span<const int> first = {};             ///< first source sample, one per result
  std::span<const int> count = {};             ///< how many
  std::span<const std::int32_t> weights = {};  ///< [results, stride]
  std::size_t stride = 0;                      ///< a multiple of kTapGroup
};

/// One row of RGB pixels from another. from: `pixels` * 3 bytes, which hold every sample that
/// `taps` names. to: one pixel per result; must not overlap with `from`.
void resize_rgb_row(const std::uint8_t* from, std::size_t pixels, const RowTaps& taps,
                    std::uint8_t* to);

/// One row from several: to[i] is the weighted sum of the bytes i of weights.size() rows, the first
/// at `from`, each `row_bytes` behind the one before it.
void blend_rows(const std::uint8_t* from, std::ptrdiff_t row_bytes,
                std::span<const std::int32_t> weights, std::span<std::uint8_t> to);

}  // namespace visionpress
