#include "codecs/palette_fit.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "base/parallel.h"

namespace visionpress {
namespace {

/// Parts of a row that are filled independently. Their bounds are the same on any number of
/// threads, and so is the choice between equal divisions.
constexpr std::size_t kParts = 8;
/// Shorter rows are filled faster than threads wake.
constexpr std::size_t kLeastForThreads = 2048;

/// The dynamic program over prefixes: gain[i] is the largest sum of (sum of a run)^2 / (its weight)
/// over divisions of the first i points. Maximising it minimises the squared error.
class RowFiller {
 public:
  explicit RowFiller(std::span<const PalettePoint> points)
      : size_(points.size()), weights_(size_ + 1), sums_(size_ + 1) {
    // Distances from the mean keep the sums small, and differences of sums exact enough.
    PalettePoint all;
    for (const PalettePoint& point : points) {
      all.weight += point.weight;
      all.sum += point.sum;
    }
    const double mean = all.weight > 0.0 ? all.sum / all.weight : 0.0;
    for (std::size_t i = 0; i < size_; ++i) {
      weights_[i + 1] = weights_[i] + points[i].weight;
      sums_[i + 1] = sums_[i] + (points[i].sum - mean * points[i].weight);
    }
  }

  [[nodiscard]] double gain_of_run(std::size_t begin, std::size_t end) const {
    const double sum = sums_[end] - sums_[begin];
    return sum * sum / (weights_[end] - weights_[begin]);
  }

  /// One row: the best begin of the last of `runs` runs for each prefix of runs or more points.
  /// before: gains of one run fewer.  before_begins: the begins of that row.
  struct Row {
    std::size_t runs = 0;
    std::span<const double> before = {};
    std::span<const std::uint16_t> before_begins = {};
    std::span<double> gains = {};
    std::span<std::uint16_t> begins = {};
  };

  void fill(const Row& row, int threads) const {
    std::array<std::size_t, kParts + 1> bounds = {};
    for (std::size_t part = 0; part <= kParts; ++part) {
      bounds[part] = row.runs + (size_ - row.runs) * part / kParts;
    }
    for (const std::size_t end : bounds) find_begin(row, end, 0, size_);
    parallel_for(kParts, size_ < kLeastForThreads ? 1 : threads,
                 [&](std::size_t part) { fill_between(row, bounds[part], bounds[part + 1]); });
  }

 private:
  /// Fills entry `end`, whose best begin lies in [low, high].
  void find_begin(const Row& row, std::size_t end, std::size_t low, std::size_t high) const {
    low = std::max({low, row.runs - 1, static_cast<std::size_t>(row.before_begins[end])});
    high = std::min(high, end - 1);
    std::size_t best = low;
    double most = row.before[low] + gain_of_run(low, end);
    for (std::size_t begin = low + 1; begin <= high; ++begin) {
      const double gain = row.before[begin] + gain_of_run(begin, end);
      if (gain > most) {
        most = gain;
        best = begin;
      }
    }
    row.gains[end] = most;
    row.begins[end] = static_cast<std::uint16_t>(best);
  }

  /// Fills the entries between two filled ones. An explicit stack: halves of at most 65535 entries.
  void fill_between(const Row& row, std::size_t first, std::size_t last) const {
    struct Part {
      std::size_t first = 0;
      std::size_t last = 0;
    };
    std::array<Part, 64> stack;
    std::size_t depth = 0;
    stack[depth++] = {first, last};
    while (depth > 0) {
      const Part part = stack[--depth];
      if (part.last - part.first < 2) continue;
      const std::size_t middle = part.first + (part.last - part.first) / 2;
      find_begin(row, middle, row.begins[part.first], row.begins[part.last]);
      stack[depth++] = {part.first, middle};
      stack[depth++] = {middle, part.last};
    }
  }

  std::size_t size_;
  std::vector<double> weights_;  ///< of the first i points
  std::vector<double> sums_;
};

}  // namespace

std::vector<std::size_t> divide_points(std::span<const PalettePoint> points, std::size_t count,
                                       int threads) {
  assert(count >= 1 && points.size() >= count && points.size() <= kMostPalettePoints);
  const std::size_t size = points.size();
  const RowFiller filler(points);
  std::vector<std::vector<std::uint16_t>> begins(count, std::vector<std::uint16_t>(size + 1, 0));
  std::vector<double> before(size + 1, 0.0);
  std::vector<double> gains(size + 1, 0.0);
  for (std::size_t end = 1; end <= size; ++end) gains[end] = filler.gain_of_run(0, end);
  for (std::size_t runs = 2; runs <= count; ++runs) {
    std::swap(before, gains);
    filler.fill({.runs = runs,
                 .before = before,
                 .before_begins = begins[runs - 2],
                 .gains = gains,
                 .begins = begins[runs - 1]},
                threads);
  }
  std::vector<std::size_t> ends(count);
  std::size_t end = size;
  for (std::size_t run = count; run > 0; --run) {
    ends[run - 1] = end;
    end = begins[run - 1][end];
  }
  return ends;
}

}  // namespace visionpress
