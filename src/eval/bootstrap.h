#pragma once

// How much a difference between two models could be luck of the images.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "eval/draws.h"
#include "visionpress/evaluate.h"

namespace visionpress {

/// With fewer, draws repeat so few images that their spread says nothing of other images.
constexpr std::size_t kLeastImages = 10;

struct BootstrapOptions {
  std::size_t rounds = 1000;
  std::uint64_t seed = 1;
  int threads = 1;
};

/// A score of the data set itself and of each draw of its images, as a share; empty where the
/// images do not define it.
struct ResampledScore {
  std::optional<double> whole = std::nullopt;
  std::vector<std::optional<double>> draws = {};
};

/// The scores of several draws; called by several threads at the same time.
using ScoreDraws = std::function<DrawScores(const Draws& draws)>;

/// Scores the data set and options.rounds draws, each of as many images as there are, with
/// replacement; no draws of fewer than kLeastImages images. The same seed gives the same draws on
/// every machine and at any number of threads, so that scores of two models are of the same images.
/// score: one or more; each batch of draws is made once for all of them. returns: one per score.
[[nodiscard]] std::vector<ResampledScore> resample(std::size_t image_count,
                                                   const BootstrapOptions& options,
                                                   const std::vector<ScoreDraws>& scores);

/// Paired bootstrap over images: score `to` less score `from`, draw by draw, in points. Interval:
/// the 2.5th and 97.5th percentile. returns: nothing when the data set itself has no difference; no
/// interval without draws.
[[nodiscard]] std::optional<Difference> bootstrap_difference(const ResampledScore& from,
                                                             const ResampledScore& to);

/// The same for one score.
[[nodiscard]] std::optional<Difference> bootstrap_interval(const ResampledScore& score);

}  // namespace visionpress
