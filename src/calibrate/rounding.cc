#include "calibrate/rounding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/parallel.h"

namespace visionpress {
namespace {

/// Rows per tile. One thread rounds a tile; its inner loops run over the rows, in whole vectors.
constexpr std::size_t kRows = 32;
/// Columns between two products that carry the errors on.
constexpr std::size_t kColumns = 128;
/// The frequencies of fewer codes than these say little of their bits in the file.
constexpr std::size_t kLeastPriced = 1024;

int nearest_code(const RowGrid& grid, float value) {
  if (!grid.table.empty()) {
    const auto above = std::lower_bound(grid.table.begin(), grid.table.end(), value);
    if (above == grid.table.begin()) return 0;
    const auto index = static_cast<int>(above - grid.table.begin());
    if (above == grid.table.end()) return index - 1;
    return value - *(above - 1) <= *above - value ? index - 1 : index;
  }
  if (grid.is_sign) return value < grid.offset ? -1 : 1;
  const float position = std::nearbyint((value - grid.offset) / grid.scale);
  return static_cast<int>(std::clamp(position, static_cast<float>(grid.least_code),
                                     static_cast<float>(grid.most_code)));
}

/// What each code adds to the error, by the bits that it takes.
class CodePrices {
 public:
  CodePrices(double error_per_bit, std::span<const RowGrid> grids) : error_per_bit_(error_per_bit) {
    int most = grids.front().most_code;
    least_ = grids.front().least_code;
    for (const RowGrid& grid : grids) {
      least_ = std::min(least_, grid.is_sign ? -1 : grid.least_code);
      most = std::max(most, grid.is_sign ? 1 : grid.most_code);
    }
    counts_.resize(static_cast<std::size_t>(most - least_) + 1);
    prices_.resize(counts_.size());
  }

  void clear() { std::fill(counts_.begin(), counts_.end(), 0); }
  void count(int code) { ++counts_[place(code)]; }

  /// From the counts.
  void set() {
    // A code that does not occur counts as half a code: it is dear, but can be taken.
    constexpr double kUnseen = 0.5;
    double total = 0.0;
    for (const std::uint64_t count : counts_) total += static_cast<double>(count) + kUnseen;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const double bits = std::log2(total / (static_cast<double>(counts_[i]) + kUnseen));
      prices_[i] = static_cast<float>(error_per_bit_ * bits);
    }
    cheapest_ = least_ + static_cast<int>(std::ranges::max_element(counts_) - counts_.begin());
  }

  [[nodiscard]] float of(int code) const { return prices_[place(code)]; }
  [[nodiscard]] int cheapest() const { return cheapest_; }

 private:
  [[nodiscard]] std::size_t place(int code) const {
    return static_cast<std::size_t>(code - least_);
  }

  double error_per_bit_;
  int least_ = 0;
  int cheapest_ = 0;
  std::vector<std::uint64_t> counts_ = {};
  std::vector<float> prices_ = {};
};

/// The code of the least error and price together, among those near to `nearest` and the cheapest.
/// weight: of the squared distance from the wish.
int best_code(const RowGrid& grid, const CodePrices& prices, int nearest, float wish,
              float weight) {
  int best = nearest;
  float least = std::numeric_limits<float>::infinity();
  const int inwards = nearest < prices.cheapest() ? 1 : -1;
  for (const int code :
       {nearest, nearest + inwards, nearest + 2 * inwards, nearest - inwards, prices.cheapest()}) {
    if (code < grid.least_code || code > grid.most_code || (grid.is_sign && code == 0)) continue;
    const float miss = wish - grid.value_of(code);
    const float cost = weight * miss * miss + prices.of(code);
    if (cost < least) {
      least = cost;
      best = code;
    }
  }
  return best;
}

/// Sums for the best scale and offset of the rows of one grid: the change of scale and offset
/// solves [qq, q1; q1, 11] * change = [qe, 1e].
struct RefitSums {
  double qq = 0.0, q1 = 0.0, ones = 0.0, qe = 0.0, e1 = 0.0;
};

/// A few rows with all their columns, stored column by column.
class RowTile {
 public:
  RowTile(const RoundingProblem& problem, std::span<const RowGrid> grids, std::size_t begin)
      : problem_(problem),
        grids_(grids),
        begin_(begin),
        size_(problem.moments.rows),
        targets_(size_ * kRows),
        errors_(size_ * kRows),
        codes_(size_ * kRows) {
    const std::size_t rows = std::min(kRows, problem.targets.rows - begin);
    for (std::size_t r = 0; r < kRows; ++r) {
      // Rows beyond the last repeat it, and are never read.
      const std::size_t row = begin + std::min(r, rows - 1);
      grid_of_row_[r] = problem.grid_of_row[row];
      for (std::size_t k = 0; k < size_; ++k) targets_[k * kRows + r] = problem.targets.at(row, k);
    }
  }

  /// prices: of the codes, for the choices that follow; null: all cost nothing.
  void set_prices(const CodePrices* prices) { prices_ = prices; }

  void round_to_nearest() {
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      codes_[i] =
          static_cast<std::int16_t>(nearest_code(grids_[grid_of_row_[i % kRows]], targets_[i]));
    }
  }

  void count_codes(CodePrices& prices) const {
    const std::size_t rows = std::min(kRows, problem_.targets.rows - begin_);
    for (std::size_t k = 0; k < size_; ++k) {
      for (std::size_t r = 0; r < rows; ++r) prices.count(codes_[k * kRows + r]);
    }
  }

  void round_with_feedback() {
    const std::size_t blocks = (size_ + kColumns - 1) / kColumns;
    std::vector<float> carried(kColumns * kRows);
    for (std::size_t block = blocks; block-- > 0;) {
      const std::size_t k0 = block * kColumns;
      const std::size_t k1 = std::min(k0 + kColumns, size_);
      const MatrixView sums = {carried.data(), k1 - k0, kRows, kRows};
      std::fill(carried.begin(), carried.end(), 0.0F);
      if (k1 < size_) {
        multiply({problem_.moments.block(k1, k0, size_ - k1, k1 - k0), Transposed::Yes,
                  view(errors_).block(k1, 0, size_ - k1, kRows), Transposed::No},
                 sums, 1);
      }
      for (std::size_t k = k1; k-- > k0;) {
        float* error = &errors_[k * kRows];
        const float* carry = sums.row(k - k0);
        for (std::size_t r = 0; r < kRows; ++r) {
          const float target = targets_[k * kRows + r];
          error[r] = target - choose(k, r, target + carry[r], problem_.pivots[k]);
        }
        const float* lower = problem_.moments.row(k) + k0;
        for (std::size_t c = 0; c < k - k0; ++c) {
          for (std::size_t r = 0; r < kRows; ++r) sums.at(c, r) += lower[c] * error[r];
        }
      }
    }
  }

  /// H * errors, for `descend` and `add_sums`.
  void find_gradient() {
    gradient_.resize(errors_.size());
    symmetric_product(errors_, gradient_);
  }

  /// Changes each code, one column after the other, to what is best while the others stay.
  void descend() {
    std::vector<float> changes(kColumns * kRows);
    for (std::size_t k0 = 0; k0 < size_; k0 += kColumns) {
      const std::size_t k1 = std::min(k0 + kColumns, size_);
      const MatrixView moved = {changes.data(), k1 - k0, kRows, kRows};
      bool any = false;
      for (std::size_t k = k0; k < k1; ++k) any = change_column(k, k0, k1, moved) || any;
      if (!any) continue;
      const MatrixView gradient = view(gradient_);
      if (k1 < size_) {
        multiply({problem_.moments.block(k0, k1, k1 - k0, size_ - k1), Transposed::Yes, moved,
                  Transposed::No, 1.0F, 1.0F},
                 gradient.block(k1, 0, size_ - k1, kRows), 1);
      }
      if (k0 > 0) {
        multiply({problem_.moments.block(0, k0, k0, k1 - k0), Transposed::No, moved, Transposed::No,
                  1.0F, 1.0F},
                 gradient.block(0, 0, k0, kRows), 1);
      }
    }
  }

  /// ones: H * 1.
  void add_sums(std::span<const double> ones, std::array<RefitSums, kRows>& sums) const {
    std::vector<float> codes(codes_.begin(), codes_.end());
    std::vector<float> product(codes.size());
    symmetric_product(codes, product);
    for (std::size_t k = 0; k < size_; ++k) {
      for (std::size_t r = 0; r < kRows; ++r) {
        const double code = codes[k * kRows + r];
        const double gradient = gradient_[k * kRows + r];
        sums[r].qq += code * product[k * kRows + r];
        sums[r].q1 += code * ones[k];
        sums[r].ones += ones[k];
        sums[r].qe += code * gradient;
        sums[r].e1 += gradient;
      }
    }
  }

  /// Computes the errors again, after the grids have changed.
  void refresh_errors() {
    for (std::size_t k = 0; k < size_; ++k) {
      for (std::size_t r = 0; r < kRows; ++r) {
        const std::size_t i = k * kRows + r;
        errors_[i] = targets_[i] - grids_[grid_of_row_[r]].value_of(codes_[i]);
      }
    }
  }

  void store(std::vector<std::int16_t>& codes, std::vector<float>& errors) const {
    const std::size_t rows = std::min(kRows, problem_.targets.rows - begin_);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t k = 0; k < size_; ++k) {
        codes[(begin_ + r) * size_ + k] = codes_[k * kRows + r];
        errors[(begin_ + r) * size_ + k] = errors_[k * kRows + r];
      }
    }
  }

 private:
  static MatrixView view_of(std::vector<float>& values, std::size_t size) {
    return {values.data(), size, kRows, kRows};
  }
  MatrixView view(std::vector<float>& values) const { return view_of(values, size_); }

  void symmetric_product(std::vector<float>& values, std::vector<float>& result) const {
    multiply_symmetric_left(problem_.moments, view_of(values, size_), view_of(result, size_));
  }

  /// weight: of the squared distance from the wish in the error.
  float choose(std::size_t k, std::size_t r, float wish, float weight) {
    const RowGrid& grid = grids_[grid_of_row_[r]];
    int code = nearest_code(grid, wish);
    if (prices_ != nullptr) code = best_code(grid, *prices_, code, wish, weight);
    codes_[k * kRows + r] = static_cast<std::int16_t>(code);
    return grid.value_of(code);
  }

  bool change_column(std::size_t k, std::size_t k0, std::size_t k1, const MatrixView& moved) {
    const float curvature = problem_.moments.at(k, k);
    float* change = moved.row(k - k0);
    bool any = false;
    for (std::size_t r = 0; r < kRows; ++r) {
      const std::size_t i = k * kRows + r;
      const float now = targets_[i] - errors_[i];
      const float error = targets_[i] - choose(k, r, now + gradient_[i] / curvature, curvature);
      change[r] = error - errors_[i];
      errors_[i] = error;
      any = any || change[r] != 0.0F;
    }
    if (!any) return false;
    for (std::size_t c = k0; c < k1; ++c) {
      const float moment =
          c < k ? problem_.moments.at(c, k) : problem_.moments.at(k, c);  // the upper triangle
      for (std::size_t r = 0; r < kRows; ++r) gradient_[c * kRows + r] += moment * change[r];
    }
    return true;
  }

  const RoundingProblem& problem_;
  std::span<const RowGrid> grids_;
  std::size_t begin_;
  std::size_t size_;
  std::array<std::size_t, kRows> grid_of_row_ = {};
  std::vector<float> targets_;
  std::vector<float> errors_;
  std::vector<float> gradient_ = {};
  std::vector<std::int16_t> codes_;
  const CodePrices* prices_ = nullptr;
};

/// Solves for the change of scale and offset and applies it, where it is a gain.
void refit(const RefitSums& sums, bool refit_offset, RowGrid& grid) {
  if (!(sums.qq > 0.0)) return;
  double scale = sums.qe / sums.qq;
  double offset = 0.0;
  const double determinant = sums.qq * sums.ones - sums.q1 * sums.q1;
  // Rows whose codes are all equal leave scale and offset undetermined.
  constexpr double kSingular = 1e-6;
  if (refit_offset && determinant > kSingular * sums.qq * sums.ones) {
    scale = (sums.qe * sums.ones - sums.e1 * sums.q1) / determinant;
    offset = (sums.e1 * sums.qq - sums.qe * sums.q1) / determinant;
  }
  const auto new_scale = static_cast<float>(grid.scale + scale);
  if (!(new_scale > 0.5F * grid.scale) || !std::isfinite(new_scale)) return;
  grid.scale = new_scale;
  grid.offset = static_cast<float>(grid.offset + offset);
}

/// Prices by the codes that the tiles have now.
void set_prices(CodePrices& prices, std::vector<RowTile>& tiles) {
  prices.clear();
  for (const RowTile& tile : tiles) tile.count_codes(prices);
  prices.set();
  for (RowTile& tile : tiles) tile.set_prices(&prices);
}

/// Refits the scale of the grids that share it; their zero stays the same code.
void refit_shared(const std::vector<RefitSums>& sums, std::span<RowGrid> grids) {
  RefitSums total;
  const RowGrid* first = nullptr;
  for (std::size_t g = 0; g < grids.size(); ++g) {
    if (!grids[g].is_shared) continue;
    if (first == nullptr) first = &grids[g];
    const double zero = std::nearbyint(-grids[g].offset / grids[g].scale);
    total.qq += sums[g].qq - 2.0 * zero * sums[g].q1 + zero * zero * sums[g].ones;
    total.qe += sums[g].qe - zero * sums[g].e1;
  }
  if (first == nullptr) return;
  RowGrid refitted = *first;
  refit(total, false, refitted);
  for (RowGrid& grid : grids) {
    if (!grid.is_shared) continue;
    grid.offset = refitted.scale * std::nearbyint(grid.offset / grid.scale);
    grid.scale = refitted.scale;
  }
}

/// sums: by tile and row.
void refit_all(const RoundingProblem& problem,
               const std::vector<std::array<RefitSums, kRows>>& sums, std::span<RowGrid> grids) {
  std::vector<RefitSums> by_grid(grids.size());
  for (std::size_t row = 0; row < problem.targets.rows; ++row) {
    const RefitSums& own = sums[row / kRows][row % kRows];
    RefitSums& total = by_grid[problem.grid_of_row[row]];
    total.qq += own.qq;
    total.q1 += own.q1;
    total.ones += own.ones;
    total.qe += own.qe;
    total.e1 += own.e1;
  }
  for (std::size_t g = 0; g < grids.size(); ++g) {
    if (!grids[g].is_shared) refit(by_grid[g], problem.refit_offset, grids[g]);
  }
  refit_shared(by_grid, grids);
}

std::vector<double> row_sums(const MatrixView& moments) {
  std::vector<double> sums(moments.rows);
  for (std::size_t r = 0; r < moments.rows; ++r) {
    for (std::size_t c = r; c < moments.rows; ++c) {
      sums[r] += moments.at(r, c);
      if (c != r) sums[c] += moments.at(r, c);
    }
  }
  return sums;
}

}  // namespace

std::vector<std::int16_t> round_rows(const RoundingProblem& problem, std::span<RowGrid> grids,
                                     std::vector<float>& errors) {
  const std::size_t rows = problem.targets.rows;
  const std::size_t size = problem.targets.columns;
  const std::size_t tile_count = (rows + kRows - 1) / kRows;
  std::vector<RowTile> tiles;
  for (std::size_t t = 0; t < tile_count; ++t) tiles.emplace_back(problem, grids, t * kRows);
  const bool refits = problem.refit_scale && problem.passes > 0;
  const std::vector<double> ones = refits ? row_sums(problem.moments) : std::vector<double>();
  CodePrices prices(problem.error_per_bit, grids);
  const bool is_priced = problem.error_per_bit > 0.0 && rows * size >= kLeastPriced;
  if (is_priced) {
    parallel_for(tile_count, problem.threads, [&](std::size_t t) { tiles[t].round_to_nearest(); });
    set_prices(prices, tiles);
  }
  parallel_for(tile_count, problem.threads, [&](std::size_t t) { tiles[t].round_with_feedback(); });
  for (int pass = 0; pass < problem.passes; ++pass) {
    std::vector<std::array<RefitSums, kRows>> sums(tile_count);
    parallel_for(tile_count, problem.threads, [&](std::size_t t) {
      tiles[t].find_gradient();
      if (refits) tiles[t].add_sums(ones, sums[t]);
    });
    if (refits) refit_all(problem, sums, grids);
    if (is_priced) set_prices(prices, tiles);
    parallel_for(tile_count, problem.threads, [&](std::size_t t) {
      if (refits) {
        // The first refit moves the grids far from those that were rounded to: begin again.
        if (pass == 0) {
          tiles[t].round_with_feedback();
        } else {
          tiles[t].refresh_errors();
        }
        tiles[t].find_gradient();
      }
      tiles[t].descend();
    });
  }
  std::vector<std::int16_t> codes(rows * size);
  errors.resize(rows * size);
  parallel_for(tile_count, problem.threads, [&](std::size_t t) { tiles[t].store(codes, errors); });
  return codes;
}

double measure_rounding(const MatrixView& moments, const MatrixView& errors, int threads) {
  std::vector<float> product(errors.rows * errors.columns);
  multiply_symmetric(errors, moments, {product.data(), errors.rows, errors.columns, errors.columns},
                     threads);
  double sum = 0.0;
  for (std::size_t r = 0; r < errors.rows; ++r) {
    for (std::size_t c = 0; c < errors.columns; ++c)
      sum += static_cast<double>(errors.at(r, c)) * product[r * errors.columns + c];
  }
  return sum;
}

}  // namespace visionpress
