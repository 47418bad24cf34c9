#pragma once

#include <span>

#include "codecs/scheme.h"
#include "kernels/weight_codes.h"

namespace visionpress {

/// Elements whose sums are taken in one piece. Sums of longer runs are the sums of their pieces in
/// order, so that any number of threads adds the same numbers in the same order.
inline constexpr std::size_t kSumPiece = std::size_t{1} << 16;

/// The figures that `sums` stand for. max_steps is the caller's: only it knows the step.
[[nodiscard]] EncodeError make_encode_error(const ErrorSums& sums, double max_steps);

/// Checks what every encoder is promised about its input's size.
/// returns: the element count. errors: InvalidArgument.
[[nodiscard]] Result<std::size_t> check_encode_input(FloatView weights, const Shape& shape);

/// InvalidArgument naming the first value that is no finite number. weights: has one.
[[nodiscard]] tl::unexpected<Error> fail_not_finite(FloatView weights);

}  // namespace visionpress
