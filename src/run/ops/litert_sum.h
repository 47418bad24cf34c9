#pragma once

// Sums and means of hybrid TFLite networks, in the runtime's own order.

#include <memory>
#include <vector>

#include "run/operator.h"

namespace visionpress {

struct LitertSum {
  FloatMath math = FloatMath::Xnnpack;  ///< not Plain
  bool is_mean = false;
  Shape dims = {};                 ///< of the input, none of them 0
  std::vector<bool> reduced = {};  ///< by axis
};
[[nodiscard]] std::unique_ptr<Operator> make_litert_sum(const LitertSum& sum, Shape out);

}  // namespace visionpress
