#include "infer/class_values.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace visionpress {

void ClassValues::add(std::span<const float> values) {
  const bool is_finite = std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
  if (values.empty() || !is_finite) return;
  const auto [low, high] = std::ranges::minmax(values);
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value);
  const std::scoped_lock lock(mutex_);
  lowest_ = is_seen_ ? std::min<double>(lowest_, low) : low;
  highest_ = is_seen_ ? std::max<double>(highest_, high) : high;
  const bool is_farther = std::fabs(sum - 1.0) > std::fabs(farthest_sum_ - 1.0);
  if (!is_seen_ || is_farther) farthest_sum_ = sum;
  is_seen_ = true;
}

std::string ClassValues::describe_oddity() const {
  // A softmax of float16 or of 8-bit codes sums to 1 within 1/256 for each of a few large classes.
  constexpr double kSumTolerance = 0.02;
  if (!is_seen_) return {};
  if (lowest_ < 0.0 || highest_ > 1.0) {
    return fmt::format(
        "the classes' values are not probabilities: they go from {:.3g} to {:.3g}; the network "
        "does not end with a softmax",
        lowest_, highest_);
  }
  if (std::fabs(farthest_sum_ - 1.0) <= kSumTolerance) return {};
  return fmt::format("the classes' values sum to {:.3g}, not to 1: each stands for itself",
                     farthest_sum_);
}

}  // namespace visionpress
