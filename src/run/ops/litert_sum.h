#pragma once

// Sums and means of hybrid TFLite networks, in the runtime's order.

#include <memory>
#include <vector>

#include "run/operator.h"

namespace visionpress {

struct LitertSum {
  FloatMath math = FloatMath::Xnnpack;  ///< Xnnpack or Builtin
  bool is_mean = false;
  Shape dims = {};                 ///< sizes of the input; none is 0
  std::vector<bool> reduced = {};  ///< by axis
};
[[nodiscard]] std::unique_ptr<Operator> make_litert_sum(const LitertSum& sum, Shape out);

}  // namespace visionpress
