#include "eval/bootstrap.h"

#include <algorithm>
#include <utility>

#include "base/parallel.h"

namespace visionpress {
namespace {

/// Linear between the two nearest ranks, as numpy.percentile does it.
double find_percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto lower = static_cast<std::size_t>(at);
  const std::size_t upper = std::min(lower + 1, sorted.size() - 1);
  return sorted[lower] + (at - static_cast<double>(lower)) * (sorted[upper] - sorted[lower]);
}

}  // namespace

std::vector<ResampledScore> resample(std::size_t image_count, const BootstrapOptions& options,
                                     const std::vector<ScoreDraws>& scores) {
  std::vector<ResampledScore> resampled(scores.size());
  const Draws whole = take_each_once(image_count);
  for (std::size_t s = 0; s < scores.size(); ++s) resampled[s].whole = scores[s](whole).front();
  const std::size_t rounds = image_count < kLeastImages ? 0 : options.rounds;
  for (ResampledScore& score : resampled) score.draws.resize(rounds);
  const std::size_t batches = (rounds + kDrawsAtOnce - 1) / kDrawsAtOnce;
  parallel_for(batches, options.threads, [&](std::size_t batch) {
    const std::size_t first = batch * kDrawsAtOnce;
    const std::size_t count = std::min(kDrawsAtOnce, rounds - first);
    const Draws draws = draw_images(image_count, options.seed, first);
    for (std::size_t s = 0; s < scores.size(); ++s) {
      if (!resampled[s].whole) continue;
      const DrawScores of_batch = scores[s](draws);
      for (std::size_t i = 0; i < count; ++i) resampled[s].draws[first + i] = of_batch[i];
    }
  });
  return resampled;
}

std::optional<Difference> bootstrap_interval(const ResampledScore& score) {
  constexpr double kPoints = 100.0;
  if (!score.whole) return std::nullopt;
  Difference difference{*score.whole * kPoints, std::nullopt, std::nullopt};
  std::vector<double> drawn;
  for (const std::optional<double>& draw : score.draws) {
    if (draw) drawn.push_back(*draw * kPoints);
  }
  if (drawn.empty()) return difference;
  std::ranges::sort(drawn);
  difference.low = find_percentile(drawn, 0.025);
  difference.high = find_percentile(drawn, 0.975);
  return difference;
}

std::optional<Difference> bootstrap_difference(const ResampledScore& from,
                                               const ResampledScore& to) {
  const auto subtract = [](const std::optional<double>& a,
                           const std::optional<double>& b) -> std::optional<double> {
    if (!a || !b) return std::nullopt;
    return *b - *a;
  };
  ResampledScore difference{subtract(from.whole, to.whole), {}};
  for (std::size_t i = 0; i < std::min(from.draws.size(), to.draws.size()); ++i) {
    difference.draws.push_back(subtract(from.draws[i], to.draws[i]));
  }
  return bootstrap_interval(difference);
}

}  // namespace visionpress
