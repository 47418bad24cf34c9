#include "lower/quantized_range.h"

#include <cmath>

namespace visionpress {

QuantizedRange nudge_range(float low, float high, int bits, bool is_narrow) {
  const float least = is_narrow ? 1.0F : 0.0F;
  const auto most = static_cast<float>((1 << bits) - 1);
  const float step = (high - low) / (most - least);
  const float zero = least - low / step;
  const float code = zero < least ? least : zero > most ? most : std::round(zero);
  return {(least - code) * step, (most - code) * step, step};
}

}  // namespace visionpress
