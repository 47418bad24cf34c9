#include "kernels/fixed_point.h"

#include <cmath>

namespace visionpress {

FixedFactor make_fixed_factor(double real) {
  if (real == 0.0) return {};
  FixedFactor factor;
  const double fraction = std::frexp(real, &factor.exponent);
  constexpr std::int64_t kOne = std::int64_t{1} << 31;
  auto mantissa = static_cast<std::int64_t>(std::round(fraction * static_cast<double>(kOne)));
  if (mantissa == kOne) {
    mantissa /= 2;
    ++factor.exponent;
  }
  if (factor.exponent < -31) return {};
  factor.mantissa = static_cast<std::int32_t>(mantissa);
  return factor;
}

}  // namespace visionpress
