#include "infer/output_change.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace visionpress {
namespace {

constexpr std::size_t kMostImages = 200;

}  // namespace

OutputChange::OutputChange(std::size_t images)
    : step_((images + kMostImages - 1) / kMostImages), original_(images), sums_(images) {
  step_ = std::max<std::size_t>(step_, 1);
}

OnPart OutputChange::keep() {
  return [this](const SeenPart& part) -> Result<void> {
    if (!looks_at(part.image)) return {};
    auto& parts = original_[part.image];
    if (part.part == 0) parts.clear();
    parts.emplace_back();
    for (const OutputView& output : *part.outputs)
      parts.back().emplace_back(output.values.begin(), output.values.end());
    return {};
  };
}

OnPart OutputChange::compare() {
  return [this](const SeenPart& part) -> Result<void> {
    const auto& parts = original_[part.image];
    if (part.part >= parts.size()) return {};
    ImageSums& sums = sums_[part.image];
    const auto& before = parts[part.part];
    for (std::size_t o = 0; o < std::min(before.size(), part.outputs->size()); ++o) {
      const std::span<const float> now = (*part.outputs)[o].values;
      for (std::size_t i = 0; i < std::min(before[o].size(), now.size()); ++i) {
        const double error = static_cast<double>(now[i]) - before[o][i];
        sums.noise += error * error;
        sums.signal += static_cast<double>(before[o][i]) * before[o][i];
      }
    }
    return {};
  };
}

void OutputChange::start() { std::ranges::fill(sums_, ImageSums{}); }

double OutputChange::result() const {
  double noise = 0.0;
  double signal = 0.0;
  for (const ImageSums& sums : sums_) {
    noise += sums.noise;
    signal += sums.signal;
  }
  if (!std::isfinite(noise)) return std::numeric_limits<double>::infinity();
  return signal > 0.0 ? noise / signal : (noise > 0.0 ? 1.0 : 0.0);
}

}  // namespace visionpress
