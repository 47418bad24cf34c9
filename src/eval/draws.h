#pragma once

// Draws of images, several at a time: what is computed for one is then a vector operation over all.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace visionpress {

constexpr std::size_t kDrawsAtOnce = 8;
/// Whole numbers, which are exact below 2^53, or shares.
using PerDraw = std::array<double, kDrawsAtOnce>;
using DrawScores = std::array<std::optional<double>, kDrawsAtOnce>;

struct Draws {
  std::vector<PerDraw> weights = {};  ///< one per image: how often each draw has it
};

/// Every image once, in each draw: the data set as it is.
[[nodiscard]] Draws take_each_once(std::size_t image_count);

/// Draws `first` to `first + kDrawsAtOnce - 1` of a seed, each of as many images as there are, with
/// replacement. They do not depend on which draws are made together.
[[nodiscard]] Draws draw_images(std::size_t image_count, std::uint64_t seed, std::size_t first);

/// A share of answers, in each draw.
class DrawnShare {
 public:
  /// weights: of the image of an answer. counts: whether the answer belongs to the share.
  void add(const PerDraw& weights, bool counts);
  /// Empty in draws without an answer.
  [[nodiscard]] DrawScores scores() const;

 private:
  PerDraw all_ = {};
  PerDraw counted_ = {};
};

}  // namespace visionpress
