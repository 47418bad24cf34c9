#include "eval/bootstrap.h"

#include <algorithm>
#include <vector>

namespace visionpress {
namespace {

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere, which <random>'s
/// distributions are not.
class SplitMix {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  /// In [0, bound); the bias of the 32-bit product is below bound / 2^32.
  std::size_t below(std::size_t bound) {
    return static_cast<std::size_t>(((next() >> 32) * static_cast<std::uint64_t>(bound)) >> 32);
  }

 private:
  std::uint64_t state_;
};

/// Linear between the two nearest ranks, as numpy.percentile does it.
double find_percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto lower = static_cast<std::size_t>(at);
  const std::size_t upper = std::min(lower + 1, sorted.size() - 1);
  return sorted[lower] + (at - static_cast<double>(lower)) * (sorted[upper] - sorted[lower]);
}

}  // namespace

std::optional<Difference> bootstrap_difference(std::size_t image_count,
                                               const BootstrapOptions& options,
                                               const DifferenceOf& difference_of) {
  constexpr double kPoints = 100.0;
  const std::optional<double> whole = difference_of({});
  if (!whole) return std::nullopt;
  Difference difference{*whole * kPoints, std::nullopt, std::nullopt};
  if (image_count < kLeastImages) return difference;
  SplitMix random(options.seed);
  std::vector<double> drawn;
  std::vector<std::uint32_t> weights(image_count);
  for (std::size_t round = 0; round < options.rounds; ++round) {
    std::ranges::fill(weights, 0U);
    for (std::size_t i = 0; i < image_count; ++i) ++weights[random.below(image_count)];
    const std::optional<double> one = difference_of(weights);
    if (one) drawn.push_back(*one * kPoints);
  }
  if (drawn.empty()) return difference;
  std::ranges::sort(drawn);
  difference.low = find_percentile(drawn, 0.025);
  difference.high = find_percentile(drawn, 0.975);
  return difference;
}

}  // namespace visionpress
