#pragma once

// The loss of codes, from the sums of an encoder's own pass or measured afterwards.

#include <cstddef>
#include <span>

#include "base/float_view.h"
#include "kernels/weight_codes.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// The loss of one weight's codes.
struct EncodeError {
  double snr_db = 0.0;   ///< 10 log10(sum w^2 / sum (w - decoded)^2); infinity when equal
  double max_abs = 0.0;  ///< largest |w - decoded|
  double max_steps =
      0.0;  ///< the same in steps of the code (scale; one unit in the last place for halves)
  std::size_t saturated = 0;  ///< fp16: values beyond +-65504 that became +-65504
};

/// Elements that are summed in one piece. Longer runs add the sums of their pieces in order, so
/// that any number of threads adds the same numbers in the same order.
inline constexpr std::size_t kSumPiece = std::size_t{1} << 16;

/// The figures computed from `sums`. max_steps is the caller's: only it knows the step.
[[nodiscard]] EncodeError make_encode_error(const ErrorSums& sums, double max_steps);

/// Checks that the input's size fits its shape, as every encoder may assume.
/// returns: the element count. errors: InvalidArgument.
[[nodiscard]] Result<std::size_t> check_encode_input(FloatView weights, const Shape& shape);

/// Makes the InvalidArgument error that names the first value that is not finite. weights: holds
/// one.
[[nodiscard]] tl::unexpected<Error> fail_not_finite(FloatView weights);

/// Compares an encoded weight with the values it was made from.
/// errors: Malformed as check_weight; InvalidArgument when `encoded` holds another number of
/// values.
[[nodiscard]] Result<EncodeError> measure_error(FloatView weights, const WeightRef& encoded,
                                                int threads);

}  // namespace visionpress
