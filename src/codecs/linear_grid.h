#pragma once

// Chooses the grid of one channel's linear codes: the scale and the offset.
//
//   const LinearCodes codes{.bits = 4, .is_signed = false};
//   const GridChoice choice = fit_grid(values, codes, importance);
//   const int code = codes.nearest((value - choice.step.offset) / choice.step.scale);

#include <cstdint>
#include <span>

#include "base/float_view.h"
#include "kernels/weight_codes.h"
#include "model/kernel_axes.h"

namespace visionpress {

/// The codes that a linear form has. Signed ones are symmetric around 0: of `bits` bits there are
/// 2^bits - 1, from -most() to most(). Of 1 bit they are -1 and +1, without 0.
struct LinearCodes {
  int bits = 8;  ///< 1..8
  bool is_signed = false;

  [[nodiscard]] int most() const;
  [[nodiscard]] int least() const { return is_signed ? -most() : 0; }
  /// Whether the codes are -1 and +1 alone.
  [[nodiscard]] bool is_sign() const { return is_signed && bits == 1; }
  /// The code nearest to a value that is given in steps from the offset.
  [[nodiscard]] int nearest(double place) const;
};

/// Why a channel has no grid.
enum class GridFault : std::uint8_t {
  None,
  NotFinite,
  TooWide,  ///< a code of the grid could decode to infinity
};

struct GridChoice {
  LinearStep step = {};
  GridFault fault = GridFault::None;
};

/// The largest span of a channel's values (signed codes: their largest magnitude), as a share of
/// the largest float32. Bytes decode to finite values even where they are beyond most().
[[nodiscard]] double widest_share(const LinearCodes& codes);

/// The range of many values. The result does not depend on the threads.
[[nodiscard]] ValueRange find_whole_range(FloatView values, int threads);

/// The grid from the smallest to the largest value; signed codes: to the largest magnitude.
[[nodiscard]] GridChoice span_grid(const ValueRange& range, const LinearCodes& codes);

/// The grid with the least sum of importance * (value - decoded)^2 that a search finds; never a
/// larger sum than span_grid's. Outliers are clipped where that is better for the others. The
/// result depends neither on the threads nor on the processor.
/// values: of one channel.  importance: empty (all alike), or one weight >= 0 per value; zeros
/// alone count as all alike.
/// cost: a few passes over the values, and about 10 us for each call.
[[nodiscard]] GridChoice fit_grid(FloatView values, const LinearCodes& codes,
                                  std::span<const float> importance = {}, int threads = 1);

/// Encodes values to the nearest codes of a grid.
/// step: of span_grid or fit_grid.  returns: the loss, as encode_linear.
[[nodiscard]] ErrorSums encode_to_grid(FloatView values, const LinearCodes& codes,
                                       const LinearStep& step, MutableBytes out);

/// Encodes the values of one channel to codes next to them whose errors cancel (sum_rounding.h).
/// taps: of as many values.  returns: the loss, as encode_linear.
[[nodiscard]] ErrorSums encode_to_grid(FloatView values, const LinearCodes& codes,
                                       const LinearStep& step, const ChannelTaps& taps,
                                       MutableBytes out);

}  // namespace visionpress
