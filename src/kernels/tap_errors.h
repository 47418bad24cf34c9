#pragma once

// Rounding errors of a kernel's taps, made to cancel. Neighbouring taps read neighbouring pixels,
// which are nearly equal, so errors of one sign add up in the result and errors of opposite signs
// do not.
//
// As prior knowledge of the inputs, the pixels under two taps are taken to be correlated by
// kTapCorrelation^(distance in rows + distance in columns). With e the errors of one input's taps
// in steps and R these correlations, e' R e is what the rounding adds to the result's squared
// error.
//
// The `_ref` twin gives the same codes and figures to the last bit: both work on one input at a
// time, add in the same order, and round each product before it is added.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/float_view.h"
#include "kernels/weight_codes.h"

namespace visionpress {

/// Tried from 0.7 to 0.95 on three networks (docs/schemes.md): they differ little.
inline constexpr float kTapCorrelation = 0.8F;

/// The window of one output channel, and how its values lie: tap (y, x) of input i is at
/// (y * width + x) * tap_stride + i * input_stride, and so is its code.
struct TapLayout {
  std::size_t height = 1;
  std::size_t width = 1;
  std::size_t inputs = 1;
  std::size_t tap_stride = 1;
  std::size_t input_stride = 1;

  [[nodiscard]] std::size_t taps() const { return height * width; }
};

/// What the rounding leaves, one entry per input: the sum of the errors (code - exact place), and
/// what one more change would add to e' R e. A change never takes a code further than to the other
/// neighbour of its exact place.
struct TapErrors {
  std::vector<float> sums = {};
  std::vector<float> up_costs = {};        ///< of the tap that is best raised; infinity: none
  std::vector<float> down_costs = {};      ///< of the tap that is best lowered
  std::vector<std::int32_t> up_taps = {};  ///< y * width + x
  std::vector<std::int32_t> down_taps = {};

  explicit TapErrors(std::size_t inputs)
      : sums(inputs), up_costs(inputs), down_costs(inputs), up_taps(inputs), down_taps(inputs) {}
};

/// Encodes to the nearest codes, then moves codes to the other neighbour of their exact place, one
/// by one, each time the tap that lowers e' R e most, until no tap lowers it.
/// values: finite.  step: as encode_linear takes it.  codes: one byte per value; all are written.
[[nodiscard]] TapErrors cancel_tap_errors(FloatView values, const LinearStep& step,
                                          const TapLayout& layout, MutableBytes codes);
[[nodiscard]] TapErrors cancel_tap_errors_ref(FloatView values, const LinearStep& step,
                                              const TapLayout& layout, MutableBytes codes);

}  // namespace visionpress
