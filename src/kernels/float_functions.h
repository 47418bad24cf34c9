#pragma once

// Exponentials and what is made of them, many values at a time. They err by a few units in the last
// place, NaN gives NaN, and infinities give the limits. LiteRT's own rounding of such functions is
// in litert_math.h.

#include <cstddef>
#include <cstdint>

namespace visionpress {

enum class FloatFunction : std::uint8_t {
  Exp,
  Log,      ///< -infinity for 0, NaN below
  Sigmoid,  ///< 1 / (1 + e^-x)
  Tanh,
  Expm1,     ///< e^x - 1, exact near 0
  Softplus,  ///< log(1 + e^x)
};

/// y[i] = f(x[i]); x and y may be the same buffer. Each value's result depends on that value alone,
/// so a tensor may be passed in pieces. Values of other instruction sets may differ in their last
/// bits.
void apply_function(FloatFunction function, const float* x, std::size_t count, float* y);

}  // namespace visionpress
