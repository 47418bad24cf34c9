#pragma once

// How much a difference between two models could be luck of the images.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "visionpress/evaluate.h"

namespace visionpress {

/// With fewer, draws repeat so few images that their spread says nothing of other images.
constexpr std::size_t kLeastImages = 10;

struct BootstrapOptions {
  std::size_t rounds = 1000;
  std::uint64_t seed = 1;
};

/// The difference of one draw of images, as a share; empty where the draw does not define it.
/// weights: how often each image was drawn. Called with no weights for the data set itself.
using DifferenceOf = std::function<std::optional<double>(std::span<const std::uint32_t> weights)>;

/// Paired bootstrap over images: each round draws as many images as there are, with replacement,
/// and scores both models on the same draw. Interval: the 2.5th and 97.5th percentile. In points.
/// returns: nothing when the data set itself has no difference; no interval with 0 rounds or fewer
/// than kLeastImages images. The same seed gives the same interval on every machine.
[[nodiscard]] std::optional<Difference> bootstrap_difference(std::size_t image_count,
                                                             const BootstrapOptions& options,
                                                             const DifferenceOf& difference_of);

}  // namespace visionpress
