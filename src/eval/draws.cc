#include "eval/draws.h"

namespace visionpress {
namespace {

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere, which <random>'s
/// distributions are not. Its state is a counter, so that any place in its series is known at once.
class SplitMix {
 public:
  SplitMix(std::uint64_t seed, std::uint64_t taken) : state_(seed + taken * kStep) {}

  std::uint64_t next() {
    state_ += kStep;
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
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15U;
  std::uint64_t state_;
};

}  // namespace

Draws take_each_once(std::size_t image_count) {
  Draws draws{std::vector<PerDraw>(image_count)};
  for (PerDraw& weights : draws.weights) weights.fill(1.0);
  return draws;
}

Draws draw_images(std::size_t image_count, std::uint64_t seed, std::size_t first) {
  Draws draws{std::vector<PerDraw>(image_count)};
  for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
    SplitMix random(seed, (first + draw) * image_count);
    for (std::size_t i = 0; i < image_count; ++i) {
      draws.weights[random.below(image_count)][draw] += 1.0;
    }
  }
  return draws;
}

void DrawnShare::add(const PerDraw& weights, bool counts) {
  for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
    all_[draw] += weights[draw];
    if (counts) counted_[draw] += weights[draw];
  }
}

DrawScores DrawnShare::scores() const {
  DrawScores scores;
  for (std::size_t draw = 0; draw < kDrawsAtOnce; ++draw) {
    if (all_[draw] > 0.0) scores[draw] = counted_[draw] / all_[draw];
  }
  return scores;
}

}  // namespace visionpress
